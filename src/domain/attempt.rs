//! An attempt is one execution of one step by a runtime: at least once, idempotent by its id, repeated only while the
//! failure may pass.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{UnknownWord, words};
use crate::name::Uid;
use crate::policy::Retry;
use crate::runtime::{Applied, Failure};

words! {
    /// What an attempt does.
    AttemptType {
        /// Applies a release.
        EnvDeploy = "env_deploy",
        /// Updates in place.
        EnvUpdate = "env_update",
        /// Promotes from another Environment.
        EnvPromote = "env_promote",
        /// Brings back a backup.
        EnvRestore = "env_restore",
        /// Makes an Environment.
        EnvCreate = "env_create",
        /// Installs an Environment.
        EnvBootstrap = "env_bootstrap",
        /// Judges health alone.
        HealthCheck = "health_check",
        /// Brings the release before back.
        ReleaseRollback = "release_rollback",
        /// Makes a backup.
        BackupCreate = "backup_create",
        /// Removes backups that are due.
        BackupCleanup = "backup_cleanup",
        /// Compares the target with its preset.
        DriftCheck = "drift_check",
    }
}

/// An attempt as the Deployment's status names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The same for every execution of the same attempt, also after a crash.
    pub id: String,
    /// What it does.
    pub kind: AttemptType,
    /// 1 for the first.
    pub number: u32,
    /// When it was decided.
    pub started_at: Timestamp,
    /// Not before this, after a failure that may pass.
    pub not_before: Option<Timestamp>,
}

impl Attempt {
    /// Attempt `number` of `kind` for a Deployment.
    pub fn new(deployment: &Uid, kind: AttemptType, number: u32, now: Timestamp) -> Self {
        let letter = match kind {
            AttemptType::ReleaseRollback => "r",
            AttemptType::EnvDeploy
            | AttemptType::EnvUpdate
            | AttemptType::EnvPromote
            | AttemptType::EnvRestore
            | AttemptType::EnvCreate
            | AttemptType::EnvBootstrap
            | AttemptType::HealthCheck
            | AttemptType::BackupCreate
            | AttemptType::BackupCleanup
            | AttemptType::DriftCheck => "a",
        };
        Self { id: format!("{deployment}-{letter}{number}"), kind, number, started_at: now, not_before: None }
    }

    /// The first attempt of a rollback: the automatic one, or number `by_hand` of those that people asked for.
    pub fn rollback(deployment: &Uid, by_hand: Option<usize>, now: Timestamp) -> Self {
        let first = Self::new(deployment, AttemptType::ReleaseRollback, 1, now);
        match by_hand {
            None => first,
            Some(which) => Self { id: format!("{deployment}-r{which}.1"), ..first },
        }
    }

    /// The attempt after this one, when `retry` allows another.
    pub fn again(&self, retry: &Retry, now: Timestamp) -> Option<Self> {
        let number = self.number + 1;
        let wait = retry.before(number)?;
        let wait = jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::ZERO);
        let id = format!("{}{number}", self.id.trim_end_matches(|c: char| c.is_ascii_digit()));
        Some(Self { id, kind: self.kind, number, started_at: now, not_before: now.checked_add(wait).ok() })
    }
}

/// What is known of the attempt that the status names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nothing runs: it was not started yet, or the process that ran it is gone.
    Absent,
    /// It runs.
    Running,
    /// It applied everything, and what it applied is healthy.
    Succeeded(Applied),
    /// It failed.
    Failed(Failure),
    /// It was stopped on request.
    Stopped {
        /// Something may have been changed before it stopped.
        changed: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, uid};

    #[test]
    fn an_attempt_is_named_by_what_it_does_and_how_often_it_was_tried() {
        let retry = Retry { max_attempts: 3, ..Retry::default() };
        let ids = |first: Attempt| {
            let all = std::iter::successors(Some(first), |attempt| attempt.again(&retry, at(0)));
            all.map(|attempt| attempt.id).collect::<Vec<_>>()
        };
        let first = Attempt::new(&uid("d2"), AttemptType::EnvDeploy, 1, at(0));
        assert_eq!(ids(first), ["d2-a1", "d2-a2", "d2-a3"]);
        assert_eq!(ids(Attempt::rollback(&uid("d2"), None, at(0))), ["d2-r1", "d2-r2", "d2-r3"]);
        assert_eq!(ids(Attempt::rollback(&uid("d2"), Some(1), at(0))), ["d2-r1.1", "d2-r1.2", "d2-r1.3"]);
    }

    #[test]
    fn the_next_attempt_waits_as_the_policy_says() {
        let first = Attempt::new(&uid("d2"), AttemptType::EnvDeploy, 1, at(0));
        assert_eq!(first.not_before, None);
        let second = first.again(&Retry::default(), at(10)).unwrap();
        assert_eq!((second.number, second.not_before), (2, Some(at(11))));
        let once = Retry { max_attempts: 1, ..Retry::default() };
        assert_eq!(first.again(&once, at(10)), None);
    }
}
