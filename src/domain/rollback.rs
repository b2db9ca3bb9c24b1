//! A rollback brings back the whole release before: its objects, its configuration, its variables. It is never rolled
//! back itself.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::Diagnostics;
use crate::environment::RunningRelease;
use crate::event::{UnknownWord, words};
use crate::name::{Actor, Note};

words! {
    /// Where a rollback is in its own life, beside the Deployment's phase.
    RollbackState {
        /// Asked for; waits for review or its turn.
        Requested = "Requested",
        /// A runtime is at work.
        Running = "Running",
        /// The release before runs again.
        Completed = "Completed",
        /// It could not be brought back.
        Failed = "Failed",
        /// It was refused.
        Rejected = "Rejected",
        /// Nobody reviewed it in time.
        Expired = "Expired",
    }
}

impl RollbackState {
    /// It is still to be done, or being done.
    pub fn open(self) -> bool {
        match self {
            Self::Requested | Self::Running => true,
            Self::Completed | Self::Failed | Self::Rejected | Self::Expired => false,
        }
    }
}

/// A rollback by hand, as it stands in the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRequest {
    /// Chosen by whoever asks; unique within the Deployment.
    pub id: String,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub note: Note,
}

/// Who wanted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The health gate.
    Automatic,
    /// A person.
    Manual {
        /// Who.
        actor: Actor,
    },
}

/// The id of the rollback that the health gate asks for.
pub const AUTOMATIC_ID: &str = "automatic";

/// A rollback and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Which one.
    pub id: String,
    /// Who wanted it.
    pub origin: Origin,
    /// How far it is.
    pub state: RollbackState,
    /// What it brings back.
    pub to: Option<RunningRelease>,
    /// What a review of it names: `rollback-<id>-<digest of the release it brings back>`.
    pub reference: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// What went wrong with it.
    pub diagnostics: Option<Diagnostics>,
}

impl Rollback {
    /// A new one, to `to`.
    pub fn new(id: &str, origin: Origin, to: RunningRelease, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            origin,
            state: RollbackState::Requested,
            reference: format!("rollback-{id}-{}", to.digest),
            to: Some(to),
            requested_at: now,
            diagnostics: None,
        }
    }
}
