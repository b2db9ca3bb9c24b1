//! A refusal carries its facts, so that its sentence and its code can never disagree.

use jiff::Timestamp;

use crate::code::Code;
use crate::name::Actor;
use crate::phase::Phase;

/// Why an action, a change or a start is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field is missing or wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// Where, as a path into the resource.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Something that was said once was changed or taken back.
    #[error("{field} cannot be changed: {hint}")]
    Immutable {
        /// Where.
        field: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// The phase does not allow it.
    #[error(
        "{action} is not possible while the deployment is {phase}, only while it is {}: look at what it waits for",
        one_of(.possible)
    )]
    WrongPhase {
        /// What was to be done.
        action: &'static str,
        /// Where the Deployment is.
        phase: Phase,
        /// Where it would have to be.
        possible: &'static [Phase],
    },
    /// Someone judged their own request.
    #[error("{reviewer} made this request and cannot review it: ask someone else")]
    SelfApproval {
        /// Who.
        reviewer: Actor,
    },
    /// It needs a note.
    #[error("{action} needs a note that says why: add one")]
    NoteRequired {
        /// What.
        action: &'static str,
    },
    /// Someone spoke in another's name.
    #[error("{field} must be the caller, {caller}, and not {named}: say it in your own name")]
    NotTheCaller {
        /// Where.
        field: String,
        /// Who called.
        caller: Actor,
        /// Who was named.
        named: Actor,
    },
    /// The caller lacks the verb.
    #[error(
        "{actor} may not {verb} in environment {environment}: ask for the verb {verb:?} on environments.slipway.dev/{environment}"
    )]
    Forbidden {
        /// Who.
        actor: Actor,
        /// What.
        verb: &'static str,
        /// Where.
        environment: String,
    },
    /// The caller names somebody they may not speak for.
    #[error(
        "{actor} may not ask for changes in the name of {requester}: ask for the verb \"actas\" on requesters.slipway.dev/{requester}"
    )]
    MayNotActFor {
        /// Who.
        actor: Actor,
        /// For whom.
        requester: Actor,
    },
    /// Slipway's own business.
    #[error("{actor} may not {what}: only the controller does, leave it out")]
    ControllerOnly {
        /// Who.
        actor: Actor,
        /// What.
        what: &'static str,
    },
    /// A Deployment is to go before it has ended.
    #[error("delete is not possible while the deployment is {phase}: {first} it first, so that the history knows who")]
    Unfinished {
        /// Where the Deployment is.
        phase: Phase,
        /// What to do before.
        first: &'static str,
    },
    /// An Environment would ask for less, or go while it is needed, and the caller may not decide that.
    #[error(
        "environment {environment} {what}, which {actor} may not decide: ask for the verb \"govern\" on environments.slipway.dev/{environment}"
    )]
    Ungoverned {
        /// Who.
        actor: Actor,
        /// Which.
        environment: String,
        /// What would become of it.
        what: String,
    },
    /// A reset where there is nothing to free.
    #[error("no operation has failed in environment {environment}: there is nothing to reset")]
    NothingFailed {
        /// Which.
        environment: String,
    },
    /// A reset that names something else than what failed.
    #[error(
        "it is {failed} that failed in environment {environment}, not {named}: look at that one, then name it in spec.reset.of"
    )]
    NotWhatFailed {
        /// Where.
        environment: String,
        /// What failed.
        failed: String,
        /// What was named.
        named: String,
    },
    /// A service account must name a person.
    #[error(
        "{submitter} is a service account: spec.requester must name the person it acts for, because this environment requires approval"
    )]
    RequesterRequired {
        /// The account.
        submitter: Actor,
    },
    /// What was looked at is not what would be applied.
    #[error("{named} is not the preview that stands, which is {current}: look at it again")]
    PreviewMismatch {
        /// What was named.
        named: String,
        /// What stands.
        current: String,
    },
    /// What was shown is not what would be applied any more.
    #[error("what would be applied has changed since preview {shown}: look at the new one")]
    PreviewExpired {
        /// What was shown.
        shown: String,
    },
    /// There is no preview yet.
    #[error("there is no preview yet: wait until status.preview.ref is there")]
    PreviewRequired,
    /// The decision is made already.
    #[error("{subject} has been decided, or is over: nothing further is accepted, its history says who decided what")]
    Decided {
        /// What was judged.
        subject: String,
    },
    /// Too few approvals.
    #[error("{have} of {need} approvals: ask a reviewer to approve {subject}")]
    ApprovalRequired {
        /// How many there are.
        have: u32,
        /// How many it takes.
        need: u32,
        /// What is to be approved.
        subject: String,
    },
    /// The ticket ran out.
    #[error("the ticket for review ran out at {at}: confirm the new preview to open another")]
    TicketExpired {
        /// When.
        at: Timestamp,
    },
    /// The Environment cannot take it.
    #[error("environment {environment} is {phase}: {hint}")]
    EnvironmentNotActive {
        /// Which.
        environment: String,
        /// What it is.
        phase: String,
        /// What to do.
        hint: String,
    },
    /// Another Deployment has its turn.
    #[error("environment {environment} is taken by another deployment: wait until {holder} has ended")]
    EnvironmentBusy {
        /// Which.
        environment: String,
        /// By whom.
        holder: String,
    },
    /// A freeze window is open.
    #[error("environment {environment} is frozen until {until}, wait or override the freeze: {reason}")]
    EnvironmentFrozen {
        /// Which.
        environment: String,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// No backup.
    #[error("{operation} needs a fresh full backup of the target: no backup exists, make one")]
    BackupRequired {
        /// For what.
        operation: &'static str,
    },
    /// The backup is too old.
    #[error("{operation} needs a fresh full backup of the target: the newest is from {at}, make another")]
    BackupStale {
        /// For what.
        operation: &'static str,
        /// When it was made.
        at: Timestamp,
    },
    /// No drift check.
    #[error("promote needs a clean drift check of the target: no drift check exists, make one")]
    DriftRequired,
    /// The target has drifted.
    #[error("promote needs a clean drift check of the target: the one from {at} found drift, mend it and check again")]
    DriftDetected {
        /// When it was made.
        at: Timestamp,
    },
    /// The drift check is too old.
    #[error("promote needs a clean drift check of the target: the newest is from {at}, make another")]
    DriftStale {
        /// When it was made.
        at: Timestamp,
    },
    /// A rollback is being made, or waits.
    #[error("a rollback of this deployment is open: wait until it has ended")]
    RollbackOpen,
    /// There is nothing to go back to.
    #[error("{reason}")]
    RollbackUnavailable {
        /// Why, and what to do instead.
        reason: String,
    },
    /// Nobody can tell who asked for it.
    #[error(
        "this deployment may have been created while the policies that check who asks were not in force: create another one"
    )]
    UnguardedRequest,
    /// Nobody can tell who said it.
    #[error("{what} may have been written while the policies that check who decides were not in force: say it again")]
    Unguarded {
        /// What was said.
        what: String,
    },
}

fn one_of(phases: &[Phase]) -> String {
    phases.iter().map(|phase| phase.as_str()).collect::<Vec<_>>().join(" or ")
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } | Self::Immutable { .. } => Code::ValidationFailed,
            Self::WrongPhase { .. } | Self::Unfinished { .. } => Code::InvalidTransition,
            Self::SelfApproval { .. } => Code::SelfApproval,
            Self::NoteRequired { .. } => Code::NoteRequired,
            Self::NotTheCaller { .. }
            | Self::Forbidden { .. }
            | Self::MayNotActFor { .. }
            | Self::ControllerOnly { .. }
            | Self::Ungoverned { .. } => Code::Forbidden,
            Self::RequesterRequired { .. } => Code::RequesterRequired,
            Self::PreviewMismatch { .. } => Code::PreviewMismatch,
            Self::PreviewExpired { .. } => Code::PreviewExpired,
            Self::PreviewRequired => Code::PreviewRequired,
            Self::Decided { .. } | Self::RollbackOpen | Self::NothingFailed { .. } | Self::NotWhatFailed { .. } => {
                Code::Conflict
            }
            Self::ApprovalRequired { .. } => Code::ApprovalRequired,
            Self::TicketExpired { .. } => Code::ApprovalTicketExpired,
            Self::EnvironmentNotActive { .. } => Code::EnvironmentNotActive,
            Self::EnvironmentBusy { .. } => Code::EnvironmentBusy,
            Self::EnvironmentFrozen { .. } => Code::EnvironmentFrozen,
            Self::BackupRequired { .. } => Code::BackupRequired,
            Self::BackupStale { .. } => Code::BackupStale,
            Self::DriftRequired => Code::DriftRequired,
            Self::DriftDetected { .. } => Code::DriftDetected,
            Self::DriftStale { .. } => Code::DriftStale,
            Self::RollbackUnavailable { .. } => Code::RollbackUnavailable,
            Self::UnguardedRequest | Self::Unguarded { .. } => Code::PoliciesNotInForce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{actor, at, golden};

    /// One of each, in the order in which they are documented.
    fn every() -> Vec<Refusal> {
        let (environment, hint) = ("shop".to_owned(), "wait".to_owned());
        vec![
            Refusal::Invalid { field: "spec.risk".into(), problem: "is required".into() },
            Refusal::Immutable { field: "spec".into(), hint: "create a new Deployment" },
            Refusal::WrongPhase { action: "approve", phase: Phase::Applying, possible: &[Phase::PendingApproval] },
            Refusal::SelfApproval { reviewer: actor("alice") },
            Refusal::NoteRequired { action: "reject" },
            Refusal::NotTheCaller { field: "spec.abort.actor".into(), caller: actor("bob"), named: actor("alice") },
            Refusal::Forbidden { actor: actor("mallory"), verb: "approve", environment: environment.clone() },
            Refusal::Ungoverned {
                actor: actor("mallory"),
                environment: environment.clone(),
                what: "would ask for less than before (spec.policy.confirm)".into(),
            },
            Refusal::NothingFailed { environment: environment.clone() },
            Refusal::NotWhatFailed { environment: environment.clone(), failed: "d7".into(), named: "d6".into() },
            Refusal::MayNotActFor { actor: actor("mallory"), requester: actor("alice") },
            Refusal::ControllerOnly { actor: actor("mallory"), what: "write status" },
            Refusal::Unfinished { phase: Phase::Approved, first: "abort" },
            Refusal::RequesterRequired { submitter: actor("system:serviceaccount:ci:ci") },
            Refusal::PreviewMismatch { named: "1-aa".into(), current: "2-bb".into() },
            Refusal::PreviewExpired { shown: "1-aa".into() },
            Refusal::PreviewRequired,
            Refusal::Decided { subject: "1-aa".into() },
            Refusal::ApprovalRequired { have: 1, need: 2, subject: "1-aa".into() },
            Refusal::TicketExpired { at: at(30) },
            Refusal::EnvironmentNotActive { environment: environment.clone(), phase: "Failed".into(), hint },
            Refusal::EnvironmentBusy { environment: environment.clone(), holder: "web-v1".into() },
            Refusal::EnvironmentFrozen { environment, until: at(60), reason: "sale".into() },
            Refusal::BackupRequired { operation: "update" },
            Refusal::BackupStale { operation: "update", at: at(0) },
            Refusal::DriftRequired,
            Refusal::DriftDetected { at: at(0) },
            Refusal::DriftStale { at: at(0) },
            Refusal::RollbackOpen,
            Refusal::RollbackUnavailable { reason: "there is no release before it".into() },
            Refusal::UnguardedRequest,
            Refusal::Unguarded { what: "the review of 1-aa".into() },
        ]
    }

    #[test]
    fn every_refusal_has_a_code_and_a_sentence_that_says_what_to_do() {
        let lines = every().into_iter().map(|refusal| format!("{:<24}{refusal}", refusal.code().as_str()));
        golden("refusals.txt", &lines.collect::<Vec<_>>());
    }
}
