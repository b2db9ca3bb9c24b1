//! Nothing runs before every gate has been passed, in order; no field, flag or role skips a gate that guards data.
//!
//! Gate 1 is the preview, 2 the approvals, 3 the Environment and its queue, 4 backup and drift, 5 the runtime's own
//! dependencies, which the runtime itself checks first thing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::deployment::{Deployment, Operation};
use crate::environment::{Environment, EnvironmentPhase, Readiness, RuntimeKind};
use crate::preview::Plan;
use crate::queue::Waiting;
use crate::refusal::Refusal;

/// A full backup of the target that could be gone back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRecord {
    /// When it was completed.
    pub completed_at: Timestamp,
    /// How old it may be.
    pub max_age: Duration,
}

/// A comparison of the target with its preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRecord {
    /// When it was made.
    pub checked_at: Timestamp,
    /// Nothing differed.
    pub clean: bool,
    /// How old it may be.
    pub max_age: Duration,
}

/// The records that gate 4 looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The newest full backup of the target.
    pub backup: Option<BackupRecord>,
    /// The newest drift check of the target.
    pub drift: Option<DriftRecord>,
}

/// Gate 1: what would be applied is what was previewed.
pub fn preview(deployment: &Deployment, plan: &Plan) -> Result<(), Refusal> {
    let Some(preview) = &deployment.status.preview else { return Err(Refusal::PreviewRequired) };
    if preview.reference.digest == plan.digest {
        return Ok(());
    }
    Err(Refusal::PreviewExpired { shown: preview.reference.to_string() })
}

/// Gate 2: enough people approved exactly this preview, and the ticket was good until the claim.
pub fn approval(deployment: &Deployment, environment: &Environment, now: Timestamp) -> Result<(), Refusal> {
    let need = environment.policy.approval.count;
    let Some(preview) = &deployment.status.preview else { return Err(Refusal::PreviewRequired) };
    if need == 0 || deployment.status.break_glass.is_some() {
        return Ok(());
    }
    let subject = preview.reference.to_string();
    let have = deployment.status.reviews.approvals(&subject);
    if have < need {
        return Err(Refusal::ApprovalRequired { have, need, subject });
    }
    let claimed = environment.held_by(&deployment.id.uid);
    match deployment.status.ticket.as_ref().and_then(|ticket| ticket.expires_at) {
        Some(at) if now >= at && !claimed => Err(Refusal::TicketExpired { at }),
        Some(_) | None => Ok(()),
    }
}

/// Gate 3, first half: the Environment is Active, ready and not frozen.
pub fn environment(deployment: &Deployment, environment: &Environment, now: Timestamp) -> Result<(), Refusal> {
    active(environment)?;
    ready(environment)?;
    let overridden = deployment.status.freeze_overridden || deployment.status.break_glass.is_some();
    match environment.policy.frozen(now) {
        Some(window) if !overridden => Err(Refusal::EnvironmentFrozen {
            environment: environment.id.name.clone(),
            until: window.end,
            reason: window.reason.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn active(environment: &Environment) -> Result<(), Refusal> {
    let status = &environment.status;
    let refused = |phase: String, hint: String| {
        Err(Refusal::EnvironmentNotActive { environment: environment.id.name.clone(), phase, hint })
    };
    if environment.deleting {
        return refused("being deleted".to_owned(), "name another environment in a new Deployment".to_owned());
    }
    let hint = match status.phase {
        // Who has it is for the queue to say.
        EnvironmentPhase::Active | EnvironmentPhase::Deploying => return Ok(()),
        EnvironmentPhase::Failed => {
            let failed = status.failed.as_ref().map_or("an unknown operation", |uid| uid.as_str());
            format!("look at what failed, then roll it back or set spec.reset with of: {failed}")
        }
        EnvironmentPhase::Pending
        | EnvironmentPhase::Bootstrapping
        | EnvironmentPhase::Cloning
        | EnvironmentPhase::Restoring => "wait until that is done".to_owned(),
    };
    refused(status.phase.to_string(), hint)
}

/// The part of gate 3 that a rollback passes too: something could be done in the Environment at all.
pub fn ready(environment: &Environment) -> Result<(), Refusal> {
    let status = &environment.status;
    if status.readiness != Readiness::Ready {
        let hint = if status.readiness_message.is_empty() {
            "waiting for its first check".to_owned()
        } else {
            status.readiness_message.clone()
        };
        let (environment, phase) = (environment.id.name.clone(), status.readiness.to_string());
        return Err(Refusal::EnvironmentNotActive { environment, phase, hint });
    }
    Ok(())
}

/// Before anything is previewed: somebody has looked at the Environment, and it is no way around another one.
pub fn looked_at(environment: &Environment) -> Result<(), Refusal> {
    let status = &environment.status;
    let unseen = status.readiness == Readiness::Unknown || status.yields_to.is_some();
    if guarded(environment) && unseen { ready(environment) } else { Ok(()) }
}

/// Gate 3, second half: nobody else has the Environment, and nobody is ahead in its queue.
pub fn turn(deployment: &Deployment, environment: &Environment, queue: &[Waiting]) -> Result<(), Refusal> {
    let name = || environment.id.name.clone();
    if let Some(claim) = &environment.status.claim
        && claim.deployment != deployment.id.uid
    {
        return Err(Refusal::EnvironmentBusy { environment: name(), holder: claim.deployment.to_string() });
    }
    match crate::queue::ahead(queue, deployment) {
        Some(first) => Err(Refusal::EnvironmentBusy { environment: name(), holder: first.name.clone() }),
        None => Ok(()),
    }
}

/// Gate 4: what the operation could destroy can be brought back, and a promotion knows its target.
pub fn evidence(operation: &Operation, evidence: &Evidence, now: Timestamp) -> Result<(), Refusal> {
    match operation {
        Operation::Deploy { .. }
        | Operation::DeployVersion { .. }
        | Operation::Rollback { .. }
        | Operation::Bootstrap { .. } => Ok(()),
        Operation::Update { .. } | Operation::Restore { .. } => backup(operation.as_str(), evidence, now),
        Operation::Promote { .. } => drift(evidence, now).and_then(|()| backup(operation.as_str(), evidence, now)),
    }
}

/// Which gates an Environment has at all: one that people work on by hand has only 1 and 2.
pub fn guarded(environment: &Environment) -> bool {
    match environment.runtime {
        RuntimeKind::Kubernetes | RuntimeKind::Ssh => true,
        RuntimeKind::Manual => false,
    }
}

fn backup(operation: &'static str, evidence: &Evidence, now: Timestamp) -> Result<(), Refusal> {
    match &evidence.backup {
        None => Err(Refusal::BackupRequired { operation }),
        Some(record) if older(record.completed_at, record.max_age, now) => {
            Err(Refusal::BackupStale { operation, at: record.completed_at })
        }
        Some(_) => Ok(()),
    }
}

fn drift(evidence: &Evidence, now: Timestamp) -> Result<(), Refusal> {
    match &evidence.drift {
        None => Err(Refusal::DriftRequired),
        Some(record) if !record.clean => Err(Refusal::DriftDetected { at: record.checked_at }),
        Some(record) if older(record.checked_at, record.max_age, now) => {
            Err(Refusal::DriftStale { at: record.checked_at })
        }
        Some(_) => Ok(()),
    }
}

fn older(at: Timestamp, max_age: Duration, now: Timestamp) -> bool {
    SignedDuration::try_from(max_age).is_ok_and(|max_age| now.duration_since(at) > max_age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::deployment::Glass;
    use crate::fixture::{at, deployment_in, govern, plan, production, uid};
    use crate::phase::Phase;
    use crate::review::{Counted, Verdict};

    fn code(outcome: Result<(), Refusal>) -> Option<Code> {
        outcome.err().map(|refusal| refusal.code())
    }

    /// Approved by bob, with a ticket that is good until minute 31.
    fn approved() -> Deployment {
        let mut deployment = deployment_in(Phase::Approved);
        let subject = deployment.status.preview.as_ref().unwrap().reference.to_string();
        let counted = Counted { reviewer: "bob".parse().unwrap(), verdict: Verdict::Approve, subject, at: at(2) };
        deployment.status.reviews.counted.push(counted);
        deployment
    }

    #[test]
    fn gate_1_asks_for_a_preview_of_what_would_be_applied() {
        let mut deployment = deployment_in(Phase::Approved);
        let plan = plan(&deployment.request, &production(), "v2");
        assert_eq!(code(preview(&deployment, &plan)), Some(Code::PreviewExpired));
        deployment.status.preview.as_mut().unwrap().reference.digest = plan.digest.clone();
        assert_eq!(preview(&deployment, &plan), Ok(()));
        deployment.status.preview = None;
        assert_eq!(code(preview(&deployment, &plan)), Some(Code::PreviewRequired));
    }

    #[test]
    fn gate_2_counts_approvals_of_the_preview_that_stands() {
        let asks = |deployment: &Deployment| code(approval(deployment, &production(), at(3)));
        assert_eq!(asks(&approved()), None);
        assert_eq!(asks(&deployment_in(Phase::Approved)), Some(Code::ApprovalRequired));
        let mut older = approved();
        older.status.preview.as_mut().unwrap().reference.number = 2;
        assert_eq!(asks(&older), Some(Code::ApprovalRequired));
        let mut rejected = approved();
        rejected.status.reviews.counted[0].verdict = Verdict::Reject;
        assert_eq!(asks(&rejected), Some(Code::ApprovalRequired));
        let mut unseen = approved();
        unseen.status.preview = None;
        assert_eq!(asks(&unseen), Some(Code::PreviewRequired));
    }

    #[test]
    fn gate_2_closes_with_the_ticket_but_for_whoever_has_the_claim() {
        let mut environment = production();
        assert_eq!(approval(&approved(), &environment, at(30)), Ok(()));
        assert_eq!(code(approval(&approved(), &environment, at(31))), Some(Code::ApprovalTicketExpired));
        let claim = crate::environment::Claim { deployment: uid("d2"), attempt: "d2-a1".to_owned(), epoch: 1 };
        environment.status.claim = Some(claim);
        assert_eq!(approval(&approved(), &environment, at(31)), Ok(()));
    }

    #[test]
    fn gate_2_is_open_where_no_approval_is_asked_or_the_glass_is_broken() {
        let mut environment = production();
        let mut deployment = deployment_in(Phase::Approved);
        deployment.status.break_glass = Some(Glass::Unreviewed);
        assert_eq!(approval(&deployment, &environment, at(99)), Ok(()));
        govern(&mut environment, |policy| policy.approval.count = 0);
        assert_eq!(approval(&deployment_in(Phase::Approved), &environment, at(99)), Ok(()));
    }

    #[test]
    fn gate_4_never_stands_in_the_way_of_a_rollback() {
        let release = || "web-v1".parse().unwrap();
        let nothing = Evidence::default();
        for operation in [Operation::Deploy { release: release() }, Operation::Rollback { to: release() }] {
            assert_eq!(evidence(&operation, &nothing, at(0)), Ok(()));
        }
        for operation in
            [Operation::Update { scope: "core".to_owned() }, Operation::Restore { backup: "b-1".to_owned() }]
        {
            assert_eq!(code(evidence(&operation, &nothing, at(0))), Some(Code::BackupRequired));
        }
    }

    #[test]
    fn a_record_is_fresh_until_the_end_of_its_window() {
        let record = BackupRecord { completed_at: at(0), max_age: Duration::from_mins(10) };
        let with = Evidence { backup: Some(record), drift: None };
        let update = Operation::Update { scope: "core".to_owned() };
        assert_eq!(evidence(&update, &with, at(10)), Ok(()));
        assert_eq!(code(evidence(&update, &with, at(11))), Some(Code::BackupStale));
    }
}
