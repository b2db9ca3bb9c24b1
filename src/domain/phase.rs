//! A Deployment moves only along the table of [`Phase::next`]; there is no other way to change a phase.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Action;

/// Where a Deployment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Phase {
    /// Accepted; the preview is being computed.
    #[default]
    Pending,
    /// Waits for confirmation of the preview.
    Previewed,
    /// Waits for review.
    PendingApproval,
    /// Waits for its gates and its turn in the Environment's queue.
    Approved,
    /// A runtime is at work.
    Applying,
    /// Final unless rolled back.
    Succeeded,
    /// Final unless rolled back.
    Failed,
    /// Terminal: the release before this one runs again.
    RolledBack,
    /// Terminal: a reviewer said no.
    Rejected,
    /// Terminal: stopped before it started.
    Aborted,
}

/// What a runtime is doing while a Deployment is `Applying`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Step {
    /// A backup is being made.
    BackingUp,
    /// The target is compared with its preset.
    CheckingDrift,
    /// The release is being applied.
    Applying,
    /// What was applied is being judged.
    Verifying,
}

/// An event that the phase does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{action} is not possible while the deployment is {from}")]
pub struct IllegalEvent {
    /// The phase the Deployment was in.
    pub from: Phase,
    /// What was to happen.
    pub action: Action,
}

impl Phase {
    /// Every phase, in the order of a Deployment's life.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Previewed,
        Self::PendingApproval,
        Self::Approved,
        Self::Applying,
        Self::Succeeded,
        Self::Failed,
        Self::RolledBack,
        Self::Rejected,
        Self::Aborted,
    ];

    /// The transition table: what `action` makes of a Deployment in this phase.
    ///
    /// `to` is the phase the event says it led to, since a confirmation leads to `PendingApproval` or
    /// `Approved` by policy, and the last approval of several leads on while the others stay. The same
    /// function judges a live transition and a replayed one.
    pub fn next(self, action: Action, to: Self) -> Result<Self, IllegalEvent> {
        let illegal = Err(IllegalEvent { from: self, action });
        let allowed: &[Self] = match (self, action) {
            // What is noted leads nowhere. Reviews of a rollback by hand are noted while it waits beside the phase.
            (_, Action::ReleaseReviewVoid | Action::ReleaseBreakGlassReviewed)
            | (
                Self::Pending | Self::Previewed | Self::PendingApproval | Self::Approved,
                Action::ReleaseFreezeOverridden,
            )
            | (
                Self::Applying | Self::Succeeded | Self::Failed,
                Action::ReleaseRollbackRequested
                | Action::ReleaseRollbackRefused
                | Action::ReleaseApproved
                | Action::ReleaseRejected,
            )
            | (
                Self::Succeeded | Self::Failed | Self::RolledBack | Self::Rejected | Self::Aborted,
                Action::ReleaseDeleted,
            )
            | (Self::Pending, Action::ReleaseCreated) => &[self],
            (Self::Pending, Action::ReleaseAdopted) => {
                &[Self::Succeeded, Self::Failed, Self::RolledBack, Self::Rejected]
            }
            // After the history and the object went apart, a person may adopt either as it stands.
            (_, Action::ReleaseAdopted) => &Self::ALL,
            (Self::Pending | Self::Previewed | Self::PendingApproval | Self::Approved, Action::ReleasePreviewed) => {
                &[Self::Previewed]
            }
            (Self::Previewed, Action::ReleaseConfirmed) => &[Self::Previewed, Self::Approved],
            (Self::Previewed, Action::ReleasePendingApproval) => &[Self::PendingApproval],
            (Self::PendingApproval, Action::ReleaseApproved) => &[Self::PendingApproval, Self::Approved],
            (Self::PendingApproval, Action::ReleaseRejected) => &[Self::Rejected],
            (Self::PendingApproval, Action::ReleaseBreakGlass) => &[Self::Approved],
            (Self::Approved, Action::ReleaseApplying) => &[Self::Applying],
            (Self::Applying, Action::ReleaseApplied) => &[Self::Succeeded],
            (Self::Applying, Action::ReleaseFailed)
            | (Self::Applying | Self::Succeeded | Self::Failed, Action::ReleaseRollbackFailed) => &[Self::Failed],
            (Self::Pending | Self::Previewed | Self::PendingApproval | Self::Approved, Action::ReleaseAborted) => {
                &[Self::Aborted]
            }
            // The abort of a running attempt is accepted first and ends in Failed once the runtime has stopped; where
            // people are at work there is nothing to wait for.
            (Self::Applying, Action::ReleaseAborted) => &[Self::Applying, Self::Failed],
            (Self::Applying | Self::Succeeded | Self::Failed, Action::ReleaseRollbackCompleted) => &[Self::RolledBack],
            (
                Self::Pending
                | Self::Previewed
                | Self::PendingApproval
                | Self::Approved
                | Self::Applying
                | Self::Succeeded
                | Self::Failed
                | Self::RolledBack
                | Self::Rejected
                | Self::Aborted,
                _,
            ) => return illegal,
        };
        if allowed.contains(&to) { Ok(to) } else { illegal }
    }

    /// No runtime has been at work yet, and nothing in the Environment has been touched.
    pub fn before_start(self) -> bool {
        match self {
            Self::Pending | Self::Previewed | Self::PendingApproval | Self::Approved => true,
            Self::Applying | Self::Succeeded | Self::Failed | Self::RolledBack | Self::Rejected | Self::Aborted => {
                false
            }
        }
    }

    /// Nothing more happens by itself: the runtime is done with it.
    pub fn ended(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::RolledBack | Self::Rejected | Self::Aborted => true,
            Self::Pending | Self::Previewed | Self::PendingApproval | Self::Approved | Self::Applying => false,
        }
    }

    /// Nothing more can ever happen.
    pub fn terminal(self) -> bool {
        match self {
            Self::RolledBack | Self::Rejected | Self::Aborted => true,
            Self::Pending
            | Self::Previewed
            | Self::PendingApproval
            | Self::Approved
            | Self::Applying
            | Self::Succeeded
            | Self::Failed => false,
        }
    }

    /// The word for it in the archive and over REST.
    pub fn status(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Previewed => "previewed",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Applying => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }

    /// The coarser word for it in the blueprint's vocabulary.
    pub fn lifecycle_state(self) -> &'static str {
        match self {
            Self::Pending | Self::Previewed => "preview",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Applying => "applying",
            Self::Succeeded => "applied",
            Self::Failed => "failed",
            Self::RolledBack => "rollback",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }

    /// The word for it on the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Previewed => "Previewed",
            Self::PendingApproval => "PendingApproval",
            Self::Approved => "Approved",
            Self::Applying => "Applying",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::RolledBack => "RolledBack",
            Self::Rejected => "Rejected",
            Self::Aborted => "Aborted",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::golden;

    /// Everything that `action` may make of a Deployment in `from`.
    fn leads(from: Phase, action: Action) -> Vec<Phase> {
        Phase::ALL.into_iter().filter(|to| from.next(action, *to).is_ok()).collect()
    }

    fn names<T: fmt::Display>(all: &[T]) -> String {
        if all.len() == Phase::ALL.len() {
            return "any".to_owned();
        }
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn every_pair_of_phase_and_event_leads_where_the_table_says() {
        let mut lines = vec!["What an event makes of a Deployment. What is not listed is refused.".to_owned()];
        for action in Action::ALL {
            lines.extend([String::new(), action.to_string()]);
            let legal: Vec<_> = Phase::ALL.into_iter().filter(|from| !leads(*from, *action).is_empty()).collect();
            if legal.is_empty() {
                lines.push("  never".to_owned());
            }
            for from in legal {
                lines.push(format!("  {:<16} -> {}", from.as_str(), names(&leads(from, *action))));
            }
        }
        golden("events.txt", &lines);
    }

    #[test]
    fn every_pair_of_phases_is_linked_by_the_events_that_the_table_says() {
        let mut lines = vec![
            "What leads from one phase to another. What is not listed is impossible.".to_owned(),
            "(release.adopted, which settles a divergence, may lead anywhere and is left out.)".to_owned(),
        ];
        for from in Phase::ALL {
            lines.extend([String::new(), from.to_string()]);
            for to in Phase::ALL.into_iter().filter(|to| *to != from) {
                let by = |action: &&Action| **action != Action::ReleaseAdopted && from.next(**action, to).is_ok();
                let actions: Vec<_> = Action::ALL.iter().filter(by).collect();
                if !actions.is_empty() {
                    lines.push(format!("  -> {:<16} {}", to.as_str(), names(&actions)));
                }
            }
        }
        golden("transitions.txt", &lines);
    }

    #[test]
    fn what_is_refused_says_what_and_where() {
        let error = Phase::Succeeded.next(Action::ReleaseApplying, Phase::Applying).unwrap_err();
        assert_eq!(error.to_string(), "release.applying is not possible while the deployment is Succeeded");
    }

    #[test]
    fn a_terminal_phase_leads_nowhere() {
        for from in Phase::ALL.into_iter().filter(|phase| phase.terminal()) {
            for to in Phase::ALL.into_iter().filter(|to| *to != from) {
                let mut others = Action::ALL.iter().filter(|action| **action != Action::ReleaseAdopted);
                assert!(others.all(|action| from.next(*action, to).is_err()), "{from} {to}");
            }
        }
    }

    #[test]
    fn phases_have_the_words_of_the_table() {
        let yes = |yes: bool| if yes { "yes" } else { "-" };
        let head = "phase            status           lifecycle_state  before start  ended  terminal";
        let rows = Phase::ALL.into_iter().map(|phase| {
            format!(
                "{:<16} {:<16} {:<16} {:<13} {:<6} {}",
                phase.as_str(),
                phase.status(),
                phase.lifecycle_state(),
                yes(phase.before_start()),
                yes(phase.ended()),
                yes(phase.terminal())
            )
        });
        golden("phases.txt", &std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>());
    }
}
