//! An Environment asks for no less than before, unless someone says so who may govern it.
//!
//! What is compared is what is in force, with the tier's defaults in the place of what is left out. There is no clock in
//! it, because the API server, which asks the same, has none: a freeze that is over is still a freeze.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::environment::Environment;
use crate::event::{UnknownWord, words};
use crate::policy::{Confirm, FreezeWindow, OnFailure, Policy, Tier};
use crate::runtime::HealthCheck;
use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Where an Environment's releases go, as whom, and what they may bring beyond the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Covers all of `spec.runtime` but `allowedKinds`: namespace, account, cluster; hosts and their keys.
    pub place: Digest,
    /// `spec.runtime.k8s.allowedKinds`, as `group/Kind`.
    pub allowed_kinds: BTreeSet<String>,
    /// What is changed there: a namespace as an account, or hosts. Two Environments with one in common change the same.
    pub targets: BTreeSet<String>,
}

words! {
    /// One way in which an Environment asks for less. The word is the field that does.
    Weakening {
        /// A lower tier, which asks for no risk note.
        Tier = "spec.tier",
        /// Fewer approvals, or none.
        Approvals = "spec.policy.approval.count",
        /// A ticket that is good for longer, or for ever.
        Expiry = "spec.policy.approval.expiresAfter",
        /// Nobody confirms any more.
        Confirmation = "spec.policy.confirm",
        /// An unhealthy release stays.
        OnFailure = "spec.policy.onFailure",
        /// A time in which nothing starts is gone, or shorter.
        Freeze = "spec.policy.freezeWindows",
        /// Another runtime, or another place, account or cluster: those who could stop things there are others.
        Runtime = "spec.runtime",
        /// A kind may be brought that was refused.
        AllowedKinds = "spec.runtime.k8s.allowedKinds",
        /// A health check is gone, or is more patient.
        HealthChecks = "spec.healthChecks",
    }
}

impl Environment {
    /// Whether `self` asks for less than `before` did, or brings things elsewhere: such a change needs the verb `govern`.
    pub fn weaker_than(&self, before: &Self) -> bool {
        !self.weakenings(before).is_empty()
    }

    /// In which ways `self` asks for less than `before` did.
    ///
    /// How long a review should take (`sla`), how often and how long work is tried (`retry`, `timeout`) hold nothing back
    /// and weaken nothing. Tier, project and team never change.
    pub fn weakenings(&self, before: &Self) -> BTreeSet<Weakening> {
        let mut found = self.policy.weakenings(&before.policy);
        if self.runtime != before.runtime || self.reach.place != before.reach.place {
            found.insert(Weakening::Runtime);
        }
        if !self.reach.allowed_kinds.is_subset(&before.reach.allowed_kinds) {
            found.insert(Weakening::AllowedKinds);
        }
        let kept = |old: &HealthCheck| self.health_checks.iter().any(|new| as_strict(new, old));
        if !before.health_checks.iter().all(kept) {
            found.insert(Weakening::HealthChecks);
        }
        found
    }

    /// In which ways `self` asks for less than `other`, another Environment, at `now`.
    ///
    /// That they go to different places is not compared. Here there is a clock: a freeze that is over holds nobody back.
    pub fn asks_less_than(&self, other: &Self, now: Timestamp) -> BTreeSet<Weakening> {
        let mut other = other.clone();
        other.policy.freeze_windows.retain(|window| window.end > now);
        let mut found = self.weakenings(&other);
        found.remove(&Weakening::Runtime);
        if other.tier == Tier::Production && self.tier != Tier::Production {
            found.insert(Weakening::Tier);
        }
        found
    }
}

impl Policy {
    /// Whether `self` asks for less than `before` did.
    pub fn weaker_than(&self, before: &Self) -> bool {
        !self.weakenings(before).is_empty()
    }

    pub(crate) fn weakenings(&self, before: &Self) -> BTreeSet<Weakening> {
        let kept = |old: &FreezeWindow| self.freeze_windows.iter().any(|new| covers(new, old));
        let all = [
            (Weakening::Approvals, self.approval.count < before.approval.count),
            (Weakening::Expiry, longer(self.approval.expires_after, before.approval.expires_after)),
            (Weakening::Confirmation, before.confirm == Confirm::Manual && self.confirm == Confirm::Auto),
            (Weakening::OnFailure, before.on_failure == OnFailure::Rollback && self.on_failure == OnFailure::Hold),
            (Weakening::Freeze, !before.freeze_windows.iter().all(kept)),
        ];
        all.into_iter().filter_map(|(weakening, is)| is.then_some(weakening)).collect()
    }
}

/// No end is longer than any.
fn longer(new: Option<Duration>, old: Option<Duration>) -> bool {
    match (new, old) {
        (None, Some(_)) => true,
        (Some(new), Some(old)) => new > old,
        (_, None) => false,
    }
}

/// One window from the old one's start or before to its end or after, whatever its reason.
fn covers(new: &FreezeWindow, old: &FreezeWindow) -> bool {
    new.start <= old.start && new.end >= old.end
}

/// The same question, asked with no more patience.
fn as_strict(new: &HealthCheck, old: &HealthCheck) -> bool {
    new.probe == old.probe && new.timeout <= old.timeout && new.retries <= old.retries
}
