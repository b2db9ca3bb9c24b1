//! A wait says what is missing, once: the same value feeds the log, the condition, the command line and REST.

use jiff::Timestamp;

use crate::code::Code;
use crate::guard::{self, Breach};
use crate::preview::PreviewRef;
use crate::refusal::Refusal;
use crate::runtime::Failure;

/// What a Deployment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The Environment it names does not exist.
    Environment {
        /// Its name.
        name: String,
    },
    /// The Release it names does not exist.
    Release {
        /// Its name.
        name: String,
    },
    /// What it asks for cannot be previewed; only another Deployment can mend that.
    Unpreviewable(Failure),
    /// The runtime could not look; it will be asked again.
    PreviewFailed(Failure),
    /// A person has to confirm the preview.
    Confirmation {
        /// What is to be confirmed.
        reference: PreviewRef,
        /// Why what was said about an earlier preview does not count, where there was one.
        why: Option<Refusal>,
    },
    /// Reviewers have to approve.
    Review {
        /// How many approved.
        have: u32,
        /// How many it takes.
        need: u32,
        /// What is to be approved: a preview, or a rollback.
        subject: String,
        /// Until when.
        until: Option<Timestamp>,
        /// When it should have been answered.
        due: Option<Timestamp>,
        /// That time is over.
        late: bool,
    },
    /// A gate is closed.
    Gate {
        /// Which, and why.
        refusal: Refusal,
        /// When it opens by itself, where that is known.
        until: Option<Timestamp>,
    },
    /// A runtime is at work.
    Attempt {
        /// Which attempt.
        id: String,
    },
    /// An attempt failed in a way that may pass.
    Backoff {
        /// When it is tried again.
        until: Timestamp,
        /// What failed.
        failure: Option<Code>,
    },
    /// People are at work.
    Report,
    /// The runtime is asked to stop.
    Stopping,
    /// No person is believed: the API server does not check who says what.
    Policies {
        /// What is wrong with its policies.
        breaches: Vec<Breach>,
        /// When what was put in place takes effect.
        until: Option<Timestamp>,
    },
}

impl Wait {
    /// The reason of the condition: one word, stable.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Environment { .. } => "EnvironmentNotFound",
            Self::Release { .. } => "ReleaseNotFound",
            Self::Unpreviewable(_) => "Unpreviewable",
            Self::PreviewFailed(_) => "PreviewFailed",
            Self::Confirmation { .. } => "ConfirmationRequired",
            Self::Review { .. } => "ReviewRequired",
            Self::Gate { refusal, .. } => match refusal.code() {
                Code::EnvironmentBusy => "Queued",
                Code::EnvironmentFrozen => "Frozen",
                Code::EnvironmentNotActive => "EnvironmentNotActive",
                _ => "GateClosed",
            },
            Self::Attempt { .. } => "Progressing",
            Self::Backoff { .. } => "Retrying",
            Self::Report => "InProgress",
            Self::Stopping => "Stopping",
            Self::Policies { .. } => "PoliciesNotInForce",
        }
    }

    /// What a person reads.
    pub fn message(&self) -> String {
        match self {
            Self::Environment { name } => {
                format!(
                    "environment {name} does not exist in this namespace, or is not valid: create it, or see its conditions"
                )
            }
            Self::Release { name } => format!("release {name} does not exist in this namespace: create it"),
            Self::Unpreviewable(failure) | Self::PreviewFailed(failure) => failure.message.clone(),
            Self::Confirmation { reference, why } => {
                let waits = format!("waits for someone to confirm preview {reference} in spec.confirmations");
                why.as_ref().map_or(waits.clone(), |why| format!("{why}; {waits}"))
            }
            Self::Review { have, need, subject, until, due, late } => {
                let expires = until.map(|until| format!("; the ticket expires at {until}")).unwrap_or_default();
                let overdue = due.filter(|_| *late).map(|due| format!("; it was due at {due}")).unwrap_or_default();
                format!("has {have} of {need} approvals of {subject} in spec.reviews{overdue}{expires}")
            }
            Self::Gate { refusal, .. } => refusal.to_string(),
            Self::Attempt { id } => format!("attempt {id} is running"),
            Self::Backoff { until, .. } => format!("the last attempt failed in a way that may pass; next at {until}"),
            Self::Report => "waits for someone to report how it went".to_owned(),
            Self::Stopping => "the runtime is being stopped".to_owned(),
            Self::Policies { breaches, until } => guard::message(breaches, *until),
        }
    }

    /// The code, where something is wrong or missing.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Environment { .. } | Self::Release { .. } => Some(Code::NotFound),
            Self::Unpreviewable(failure) | Self::PreviewFailed(failure) => Some(failure.code),
            Self::Gate { refusal, .. } => Some(refusal.code()),
            Self::Backoff { failure, .. } => *failure,
            Self::Confirmation { why, .. } => why.as_ref().map(Refusal::code),
            Self::Review { .. } => Some(Code::ApprovalRequired),
            Self::Policies { .. } => Some(Code::PoliciesNotInForce),
            Self::Attempt { .. } | Self::Report | Self::Stopping => None,
        }
    }

    /// When to look again even if nothing changes.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            // Once it is due that is said, and once it has expired it is over.
            Self::Review { until, due, late, .. } => due.filter(|_| !late).into_iter().chain(*until).min(),
            Self::Gate { until, .. } | Self::Policies { until, .. } => *until,
            Self::Backoff { until, .. } => Some(*until),
            Self::Environment { .. }
            | Self::Release { .. }
            | Self::Unpreviewable(_)
            | Self::PreviewFailed(_)
            | Self::Confirmation { .. }
            | Self::Attempt { .. }
            | Self::Report
            | Self::Stopping => None,
        }
    }

    /// Only a person, or another object, can end this wait: the object is stalled, not busy.
    pub fn stalled(&self) -> bool {
        match self {
            Self::Policies { breaches, .. } => !breaches.is_empty(),
            // Of the gates only those that judge the request: that cannot be changed, and it takes another Deployment.
            Self::Environment { .. }
            | Self::Release { .. }
            | Self::Unpreviewable(_)
            | Self::Gate {
                refusal: Refusal::Invalid { .. } | Refusal::RequesterRequired { .. } | Refusal::UnguardedRequest,
                ..
            } => true,
            Self::PreviewFailed(_)
            | Self::Confirmation { .. }
            | Self::Review { .. }
            | Self::Gate { .. }
            | Self::Attempt { .. }
            | Self::Backoff { .. }
            | Self::Report
            | Self::Stopping => false,
        }
    }
}
