//! Who may change what: one pure function, the same for the API server's policies, the controller and standalone mode.
//!
//! [`admit`] judges one change of one Deployment by one caller. [`request`] is its part that needs no caller, and the
//! controller asks it again before anything is previewed.

use crate::blank::is_blank;
use crate::deployment::{Act, Deployment, Finish, Intents, Operation, Request};
use crate::environment::{Environment, RuntimeKind};
use crate::intent::Intent;
use crate::name::Actor;
use crate::phase::Phase;
use crate::policy::Tier;
use crate::refusal::Refusal;
use crate::review::{Review, Verdict, judge, judge_rollback};
use crate::rollback::{Origin, Rollback, RollbackState};

pub mod environment;
#[cfg(test)]
mod tests;
mod verb;

pub use verb::Verb;

/// Whoever makes the change, and what they may do with the Environment in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// Their verbs on the Environment; `ActAs` for the requester that is named.
    pub verbs: Vec<Verb>,
}

impl Caller {
    fn may(&self, verb: Verb, request: &Request) -> Result<(), Refusal> {
        if self.verbs.contains(&verb) {
            return Ok(());
        }
        Err(Refusal::Forbidden {
            actor: self.actor.clone(),
            verb: verb.as_str(),
            environment: request.environment.to_string(),
        })
    }

    /// Whether the caller may do this in their own name, as things stand.
    fn says(&self, intent: Intent, named: &Actor, old: &Deployment) -> Result<(), Refusal> {
        self.is(named, intent.actor_field())?;
        self.may(intent.verb(), &old.request)?;
        possible(intent, old)
    }

    fn acts_for(&self, requester: &Actor) -> Result<(), Refusal> {
        if self.verbs.contains(&Verb::ActAs) {
            return Ok(());
        }
        Err(Refusal::MayNotActFor { actor: self.actor.clone(), requester: requester.clone() })
    }

    fn is(&self, named: &Actor, field: &str) -> Result<(), Refusal> {
        if self.actor == *named {
            return Ok(());
        }
        Err(Refusal::NotTheCaller { field: field.to_owned(), caller: self.actor.clone(), named: named.clone() })
    }
}

/// The account that the controller runs as, and the only one that writes status.
pub const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:slipway-system:slipway";
/// The account that empties a namespace that is being deleted.
pub const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// The accounts that are not people.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// What is said where people report work that the controller does.
pub const BY_HAND_ONLY: &str = "is for the manual runtime: here the controller starts and finishes";

/// What is said of decisions that come with the request they are about.
pub const UNDECIDED_AT_FIRST: &str = "a new deployment carries no confirmation, review, rollback or abort yet";

/// What is said to whoever gives an object an owner: the owner would take it along, and nobody would have said so.
pub const NO_NEW_OWNER: &str =
    "no object of Slipway's goes because another one goes: leave them out, and delete it by itself";

/// Whether `caller` may make `new` out of `old`; `old` is None for a creation.
pub fn admit(
    old: Option<&Deployment>,
    new: &Deployment,
    caller: &Caller,
    environment: Option<&Environment>,
) -> Result<(), Refusal> {
    match old {
        None => create(new, caller, environment),
        Some(old) => update(old, new, caller, environment),
    }
}

/// The rules of creation that need no caller.
pub fn request(request: &Request, environment: Option<&Environment>) -> Result<(), Refusal> {
    if request.work_references.is_empty() {
        return Err(invalid("spec.workReferences", "must name at least one ticket, issue or pull request"));
    }
    if is_blank(&request.rollback_plan) {
        return Err(invalid("spec.rollbackPlan", "must say how to get out again"));
    }
    let Some(environment) = environment else { return Ok(()) };
    let risk = request.risk.as_ref().is_some_and(|risk| !is_blank(risk));
    if environment.tier == Tier::Production && !risk {
        return Err(invalid("spec.risk", "is required for production: say what could go wrong"));
    }
    let by_version = matches!(request.operation, Operation::DeployVersion { .. });
    if by_version && environment.runtime != RuntimeKind::Manual {
        return Err(invalid("spec.operation.deploy.version", "is for the manual runtime: name a Release instead"));
    }
    let machine = request.requester.as_str().starts_with(SERVICE_ACCOUNT_PREFIX);
    if environment.policy.approval.required && machine {
        return Err(Refusal::RequesterRequired { submitter: request.submitted_by.clone() });
    }
    Ok(())
}

/// Whether `caller` may delete a Deployment: once it has ended. The end is what the history tells.
pub fn delete(old: &Deployment, caller: &Actor) -> Result<(), Refusal> {
    if old.status.phase.ended() || old.deleting || caller.as_str() == NAMESPACE_CONTROLLER {
        return Ok(());
    }
    Err(Refusal::Unfinished { phase: old.status.phase, first: Intent::Abort.as_str() })
}

/// Whether `caller` may do what is the controller's: write status, remove its finalizers.
pub fn control(caller: &Actor, what: &'static str) -> Result<(), Refusal> {
    if caller.as_str() == CONTROLLER_ACCOUNT {
        return Ok(());
    }
    Err(Refusal::ControllerOnly { actor: caller.clone(), what })
}

fn create(new: &Deployment, caller: &Caller, environment: Option<&Environment>) -> Result<(), Refusal> {
    caller.is(&new.request.submitted_by, "spec.submittedBy")?;
    if new.request.requester != caller.actor {
        caller.acts_for(&new.request.requester)?;
    }
    caller.may(new.request.operation.verb(), &new.request)?;
    if new.intents != Intents::default() {
        return Err(invalid("spec", UNDECIDED_AT_FIRST));
    }
    request(&new.request, environment)
}

fn update(
    old: &Deployment,
    new: &Deployment,
    caller: &Caller,
    environment: Option<&Environment>,
) -> Result<(), Refusal> {
    if old.request != new.request {
        return Err(Refusal::Immutable { field: "spec".to_owned(), hint: "create a new Deployment" });
    }
    kept(&old.intents, &new.intents)?;
    aborted(old, new)?;
    confirmations(old, new, caller)?;
    reviews(old, new, caller, environment)?;
    manual(old, new, caller, environment)?;
    rollbacks(old, new, caller)?;
    acts(old, new, caller)
}

/// What was said once stays said.
fn kept(old: &Intents, new: &Intents) -> Result<(), Refusal> {
    let gone = |field: &str| Refusal::Immutable {
        field: field.to_owned(),
        hint: "what was said once stays; add another entry instead",
    };
    let all = [
        ("spec.confirmations", old.confirmations.iter().all(|entry| new.confirmations.contains(entry))),
        ("spec.reviews", old.reviews.iter().all(|entry| new.reviews.contains(entry))),
        ("spec.rollbacks", old.rollbacks.iter().all(|entry| new.rollbacks.contains(entry))),
        ("spec.manual.start", old.start.is_none() || old.start == new.start),
        ("spec.manual.finish", old.finish.is_none() || old.finish == new.finish),
        ("spec.breakGlass", old.break_glass.is_none() || old.break_glass == new.break_glass),
        ("spec.afterReview", old.after_review.is_none() || old.after_review == new.after_review),
        ("spec.overrideFreeze", old.override_freeze.is_none() || old.override_freeze == new.override_freeze),
        ("spec.abort", old.abort.is_none() || old.abort == new.abort),
    ];
    all.into_iter().find(|(_, kept)| !kept).map_or(Ok(()), |(field, _)| Err(gone(field)))
}

fn confirmations(old: &Deployment, new: &Deployment, caller: &Caller) -> Result<(), Refusal> {
    for entry in new.intents.confirmations.iter().filter(|entry| !old.intents.confirmations.contains(entry)) {
        caller.says(Intent::Confirm, &entry.actor, old)?;
        stands(old, &entry.preview_ref.to_string())?;
    }
    Ok(())
}

fn reviews(
    old: &Deployment,
    new: &Deployment,
    caller: &Caller,
    environment: Option<&Environment>,
) -> Result<(), Refusal> {
    for entry in new.intents.reviews.iter().filter(|entry| !old.intents.reviews.contains(entry)) {
        caller.is(&entry.reviewer, Intent::Approve.actor_field())?;
        caller.may(Intent::Approve.verb(), &old.request)?;
        match old.status.rollback.as_ref().filter(|rollback| rollback.reference == entry.subject) {
            Some(rollback) => rollback_review(old, rollback, entry, environment)?,
            None => review(old, entry)?,
        }
    }
    Ok(())
}

/// One new review of a rollback by hand: by anyone but whoever asked for it.
fn rollback_review(
    old: &Deployment,
    rollback: &Rollback,
    entry: &Review,
    environment: Option<&Environment>,
) -> Result<(), Refusal> {
    // What the health gate asks for waits for nobody.
    if let Origin::Manual { actor } = &rollback.origin {
        judge_rollback(actor, &entry.reviewer, entry.verdict, entry.note.as_ref())?;
    }
    if rollback.state != RollbackState::Requested {
        return Err(Refusal::Decided { subject: entry.subject.clone() });
    }
    undecided(old, &entry.subject, environment.map_or(1, |environment| environment.policy.approval.count.max(1)))
}

/// One new review of the preview that stands.
fn review(old: &Deployment, entry: &Review) -> Result<(), Refusal> {
    let intent = match entry.verdict {
        Verdict::Approve => Intent::Approve,
        Verdict::Reject => Intent::Reject,
    };
    possible(intent, old)?;
    judge(&old.request, &entry.reviewer, entry.verdict, entry.note.as_ref())?;
    stands(old, &entry.subject)?;
    undecided(old, &entry.subject, old.status.ticket.as_ref().map_or(1, |ticket| ticket.required))
}

/// No review follows a rejection or the last approval: of two decisions at once only one is accepted.
fn undecided(old: &Deployment, subject: &str, need: u32) -> Result<(), Refusal> {
    let said = old.intents.reviews.iter().filter(|review| review.subject == subject);
    let (yes, no) = said.fold((0, false), |(yes, no), review| match review.verdict {
        Verdict::Approve => (yes + 1, no),
        Verdict::Reject => (yes, true),
    });
    if no || yes >= need {
        return Err(Refusal::Decided { subject: subject.to_owned() });
    }
    Ok(())
}

fn manual(
    old: &Deployment,
    new: &Deployment,
    caller: &Caller,
    environment: Option<&Environment>,
) -> Result<(), Refusal> {
    if let (None, Some(start)) = (&old.intents.start, &new.intents.start) {
        caller.says(Intent::Start, &start.actor, old)?;
    }
    if let (None, Some(finish)) = (&old.intents.finish, &new.intents.finish) {
        let (actor, intent) = match finish {
            Finish::Succeeded(report) => (&report.actor, Intent::Succeed),
            Finish::Failed(act) => (&act.actor, Intent::Fail),
        };
        caller.says(intent, actor, old)?;
    }
    let reported = (&old.intents.start, &old.intents.finish) != (&new.intents.start, &new.intents.finish);
    if reported && environment.is_some_and(|environment| environment.runtime != RuntimeKind::Manual) {
        return Err(invalid("spec.manual", BY_HAND_ONLY));
    }
    Ok(())
}

fn rollbacks(old: &Deployment, new: &Deployment, caller: &Caller) -> Result<(), Refusal> {
    let open = old.status.rollback.as_ref().is_some_and(|rollback| rollback.state.open());
    let asked = old.intents.rollbacks.iter().any(|entry| !old.status.handled_rollbacks.contains(&entry.id));
    let fresh = new.intents.rollbacks.iter().filter(|entry| !old.intents.rollbacks.contains(entry));
    for (place, entry) in fresh.enumerate() {
        caller.says(Intent::Rollback, &entry.actor, old)?;
        if open || asked || place > 0 {
            return Err(Refusal::RollbackOpen);
        }
    }
    Ok(())
}

fn acts(old: &Deployment, new: &Deployment, caller: &Caller) -> Result<(), Refusal> {
    let (was, is) = (&old.intents, &new.intents);
    let fresh = |before: &Option<Act>, after: &Option<Act>| before.is_none().then(|| after.clone()).flatten();
    if let Some(act) = fresh(&was.break_glass, &is.break_glass) {
        caller.says(Intent::BreakGlass, &act.actor, old)?;
    }
    if let Some(act) = fresh(&was.after_review, &is.after_review) {
        caller.says(Intent::AfterReview, &act.actor, old)?;
        judge(&old.request, &act.actor, Verdict::Approve, Some(&act.note))?;
        match &was.break_glass {
            None => return Err(invalid("spec.afterReview", "is for what has skipped review")),
            Some(broken) if broken.actor == act.actor => {
                return Err(Refusal::SelfApproval { reviewer: act.actor });
            }
            Some(_) => {}
        }
    }
    if let Some(act) = fresh(&was.override_freeze, &is.override_freeze) {
        caller.says(Intent::OverrideFreeze, &act.actor, old)?;
    }
    if let Some(act) = fresh(&was.abort, &is.abort) {
        caller.says(Intent::Abort, &act.actor, old)?;
        if old.status.rollback.as_ref().is_some_and(|rollback| rollback.state == RollbackState::Running) {
            return Err(Refusal::RollbackOpen);
        }
    }
    Ok(())
}

/// After an abort nothing more is accepted but a second look at a broken glass and, once it has failed, the way back: a
/// rollback, and the reviews of it.
fn aborted(old: &Deployment, new: &Deployment) -> Result<(), Refusal> {
    if old.intents.abort.is_none() {
        return Ok(());
    }
    let mut expected = old.intents.clone();
    expected.after_review.clone_from(&new.intents.after_review);
    if old.status.phase == Phase::Failed {
        expected.rollbacks.clone_from(&new.intents.rollbacks);
        let rollback = old.status.rollback.as_ref().map(|rollback| &rollback.reference);
        let of_rollback = |review: &&Review| rollback == Some(&review.subject);
        let fresh = new.intents.reviews.iter().filter(|review| !old.intents.reviews.contains(review));
        if fresh.clone().count() == fresh.filter(of_rollback).count() {
            expected.reviews.clone_from(&new.intents.reviews);
        }
    }
    if expected == new.intents {
        return Ok(());
    }
    Err(Refusal::Decided { subject: "this deployment, by its abort,".to_owned() })
}

fn stands(old: &Deployment, named: &str) -> Result<(), Refusal> {
    let Some(preview) = &old.status.preview else { return Err(Refusal::PreviewRequired) };
    let current = preview.reference.to_string();
    if current == named { Ok(()) } else { Err(Refusal::PreviewMismatch { named: named.to_owned(), current }) }
}

fn possible(intent: Intent, old: &Deployment) -> Result<(), Refusal> {
    let (phase, possible) = (old.status.phase, intent.phases());
    if possible.contains(&phase) {
        return Ok(());
    }
    Err(Refusal::WrongPhase { action: intent.as_str(), phase, possible })
}

fn invalid(field: &str, problem: &str) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), problem: problem.to_owned() }
}
