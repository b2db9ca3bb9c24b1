//! A Deployment is the one record of one requested change: what was asked never changes, what was intended is only added.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::admission::Verb;
use crate::attempt::Attempt;
use crate::audit::{Audit, Subject};
use crate::code::Code;
use crate::digest::Digest;
use crate::environment::Environment;
use crate::event::{ResourceType, Source};
use crate::name::{Actor, EnvironmentName, Note, ReleaseName, ResourceId, ServiceName, Uid};
use crate::phase::{Phase, Step};
use crate::preview::{Preview, PreviewRef};
use crate::review::{Review, Reviews};
use crate::rollback::{Rollback, RollbackRequest};

/// What is to be done to the Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Run this release.
    Deploy {
        /// Which.
        release: ReleaseName,
    },
    /// Record that people run this version (manual runtime only).
    DeployVersion {
        /// Which.
        version: String,
    },
    /// Update the software of the Environment in place.
    Update {
        /// How much of it.
        scope: String,
    },
    /// Run what runs in another Environment.
    Promote {
        /// Which Environment.
        from: EnvironmentName,
    },
    /// Bring back a backup.
    Restore {
        /// Which.
        backup: String,
    },
    /// Run an older release again.
    Rollback {
        /// Which.
        to: ReleaseName,
    },
    /// Install the Environment.
    Bootstrap {
        /// From which bundle.
        bundle: String,
    },
}

impl Operation {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Deploy { .. } | Self::DeployVersion { .. } => "deploy",
            Self::Update { .. } => "update",
            Self::Promote { .. } => "promote",
            Self::Restore { .. } => "restore",
            Self::Rollback { .. } => "rollback",
            Self::Bootstrap { .. } => "bootstrap",
        }
    }

    /// What it takes on the Environment to ask for it.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Rollback { .. } => Verb::Rollback,
            Self::Deploy { .. }
            | Self::DeployVersion { .. }
            | Self::Update { .. }
            | Self::Promote { .. }
            | Self::Restore { .. }
            | Self::Bootstrap { .. } => Verb::Deploy,
        }
    }

    /// The Release it names itself.
    pub fn release(&self) -> Option<&ReleaseName> {
        match self {
            Self::Deploy { release } | Self::Rollback { to: release } => Some(release),
            Self::DeployVersion { .. }
            | Self::Update { .. }
            | Self::Promote { .. }
            | Self::Restore { .. }
            | Self::Bootstrap { .. } => None,
        }
    }
}

/// What was asked. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which service.
    pub service: ServiceName,
    /// Where.
    pub environment: EnvironmentName,
    /// What.
    pub operation: Operation,
    /// The person who wants it.
    pub requester: Actor,
    /// The account that created the object.
    pub submitted_by: Actor,
    /// Why: tickets, issues, pull requests.
    pub work_references: Vec<String>,
    /// How to get out again.
    pub rollback_plan: String,
    /// What could go wrong, in the requester's words.
    pub risk: Option<String>,
    /// What the release's placeholders stand for.
    pub variables: BTreeMap<String, String>,
    /// Covers all of this but requester and submitter, which the server stamps.
    pub digest: Digest,
}

/// Someone said that the preview is what they meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// What they looked at.
    pub preview_ref: PreviewRef,
    /// Who.
    pub actor: Actor,
    /// In their words.
    pub note: Option<Note>,
}

/// Someone did something, with a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub actor: Actor,
    /// Why.
    pub note: Note,
}

/// Someone reported the start or success of work done by hand; a note is welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who.
    pub actor: Actor,
    /// In their words.
    pub note: Option<Note>,
}

/// How work done by hand ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// It worked.
    Succeeded(Report),
    /// It did not.
    Failed(Act),
}

/// What people have said about a Deployment since it was created. Only ever added to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intents {
    /// Previews that were confirmed.
    pub confirmations: Vec<Confirmation>,
    /// Reviews.
    pub reviews: Vec<Review>,
    /// Work by hand began.
    pub start: Option<Report>,
    /// Work by hand ended.
    pub finish: Option<Finish>,
    /// Rollbacks by hand.
    pub rollbacks: Vec<RollbackRequest>,
    /// Review is skipped.
    pub break_glass: Option<Act>,
    /// Someone looked at what had skipped review.
    pub after_review: Option<Act>,
    /// A freeze is overridden.
    pub override_freeze: Option<Act>,
    /// Stop.
    pub abort: Option<Act>,
}

/// The ticket for review, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its id: the Deployment's uid and the number of the preview.
    pub id: String,
    /// How many approvals are needed.
    pub required: u32,
    /// Since when.
    pub opened_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// When it should be answered.
    pub due_at: Option<Timestamp>,
}

/// What became of a review that was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glass {
    /// Nobody has looked at it yet.
    Unreviewed,
    /// A reviewer has.
    Reviewed,
}

/// Why something is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// What kind of thing.
    pub code: Code,
    /// What, where, what next.
    pub message: String,
    /// The part's own words.
    pub detail: Option<String>,
}

/// What the controller has written about a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Where it is.
    pub phase: Phase,
    /// What the runtime does.
    pub step: Option<Step>,
    /// What it would do.
    pub preview: Option<Preview>,
    /// The ticket that is open, or was used.
    pub ticket: Option<Ticket>,
    /// The reviews that were counted or voided.
    pub reviews: Reviews,
    /// When it entered the queue.
    pub approved_at: Option<Timestamp>,
    /// The attempt under way, or the last one.
    pub attempt: Option<Attempt>,
    /// The newest rollback.
    pub rollback: Option<Rollback>,
    /// Ids of rollbacks by hand that have been dealt with.
    pub handled_rollbacks: Vec<String>,
    /// What is wrong.
    pub diagnostics: Option<Diagnostics>,
    /// When the runtime began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The uid whose recorded outcome this object took.
    pub adopted_from: Option<Uid>,
    /// Review was skipped, and whether a reviewer has looked at it since.
    pub break_glass: Option<Glass>,
    /// The freeze was overridden.
    pub freeze_overridden: bool,
    /// The guard under which everything was said that has not been answered.
    pub guard: Option<Digest>,
    /// What stands in the spec and counts for nothing, because nobody can tell who wrote it.
    pub disregarded: Vec<String>,
    /// Its history.
    pub audit: Audit,
}

/// A Deployment as it was read, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Which one.
    pub id: ResourceId,
    /// When the server accepted it.
    pub created_at: Timestamp,
    /// Through which tool, by its field manager.
    pub source: Source,
    /// What was asked.
    pub request: Request,
    /// What was said since.
    pub intents: Intents,
    /// It is being deleted.
    pub deleting: bool,
    /// What the controller has written.
    pub status: Status,
}

impl Deployment {
    /// What its events have in common.
    pub fn subject(&self, environment: Option<&Environment>) -> Subject {
        Subject {
            resource_type: ResourceType::Deployment,
            id: self.id.clone(),
            project: environment.map(|environment| environment.project.clone()).unwrap_or_default(),
            team: environment.map(|environment| environment.team.clone()).unwrap_or_default(),
            environment: self.request.environment.to_string(),
        }
    }
}
