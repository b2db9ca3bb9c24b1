//! An Environment's own history, readiness, resets, and the claim of a holder that is gone.

use super::*;
use crate::environment::{Claim, Reset};
use crate::fixture::{actor, at, failure, govern, guard, note, production, uid};

fn seen(environment: &Environment) -> Observed<'_> {
    Observed {
        environment,
        readiness: None,
        holder: Holder::None,
        neighbours: Vec::new(),
        unfinished: 0,
        guard: guard(),
        archived_seq: environment.status.audit.seq,
        epoch: 1,
    }
}

/// An Environment that has its first event.
fn known() -> Environment {
    let mut environment = production();
    write(&mut environment, |_| {});
    environment
}

/// Decides once and writes it; deciding again gives nothing.
fn write(environment: &mut Environment, change: impl Fn(&mut Observed<'_>)) -> Decision {
    let look = |environment: &Environment| {
        let mut seen = seen(environment);
        change(&mut seen);
        seen.archived_seq = environment.status.audit.seq;
        decide(&seen, at(0))
    };
    let decision = look(environment);
    environment.status = decision.status.clone();
    assert_eq!(look(environment).events, [], "the same was decided twice");
    decision
}

fn words(decision: &Decision) -> Vec<&'static str> {
    decision.events.iter().map(|event| event.action.as_str()).collect()
}

/// Failed by d7, with a reset of `of` in the spec.
fn failed_with_reset(of: &str) -> Environment {
    let mut environment = known();
    (environment.status.phase, environment.status.failed) = (EnvironmentPhase::Failed, Some(uid("d7")));
    environment.reset = Some(Reset { of: uid(of), actor: actor("olga"), note: note("looked at it") });
    environment
}

#[test]
fn the_first_event_says_who_made_it_and_what_it_asks() {
    let mut environment = production();
    environment.status.phase = EnvironmentPhase::Pending;
    let decision = write(&mut environment, |_| {});
    assert_eq!(words(&decision), ["environment.created"]);
    assert_eq!(decision.events[0].actor_id.as_str(), "petra");
    assert_eq!(decision.events[0].detail["tier"], "production");
    assert_eq!(environment.status.phase, EnvironmentPhase::Active);
}

#[test]
fn a_change_of_what_it_asks_is_an_event() {
    let mut environment = known();
    let before = environment.digest.to_string();
    govern(&mut environment, |policy| policy.approval.count = 2);
    let decision = write(&mut environment, |_| {});
    assert_eq!(words(&decision), ["environment.policy_changed"]);
    assert_eq!(decision.events[0].detail["from"], before);
}

#[test]
fn readiness_is_what_the_runtime_said_last() {
    let mut environment = known();
    write(&mut environment, |seen| seen.readiness = Some(Err(failure(Code::CredentialsRejected))));
    assert_eq!(environment.status.readiness, Readiness::NotReady);
    assert_eq!(environment.status.readiness_message, "it broke");
    write(&mut environment, |_| {});
    assert_eq!(environment.status.readiness, Readiness::NotReady);
    let decision = write(&mut environment, |seen| seen.readiness = Some(Ok(())));
    assert_eq!((environment.status.readiness, words(&decision)), (Readiness::Ready, vec![]));
    assert_eq!(environment.status.readiness_message, "");
}

#[test]
fn an_environment_that_asks_for_less_than_an_older_one_is_not_ready_until_it_asks_for_as_much() {
    let mut environment = known();
    let older = |count| {
        let mut older = production();
        (older.id.name, older.id.uid, older.created_at) = ("first".to_owned(), uid("e0"), at(-120));
        older.policy.approval.count = count;
        move |seen: &mut Observed<'_>| {
            (seen.neighbours, seen.readiness) = (vec![Arc::new(older.clone())], Some(Ok(())));
        }
    };
    write(&mut environment, older(2));
    assert_eq!(environment.status.readiness, Readiness::NotReady);
    assert_eq!(environment.status.yields_to.as_deref(), Some("team/first"));
    assert!(environment.status.readiness_message.contains("(spec.policy.approval.count)"));
    write(&mut environment, older(1));
    assert_eq!((environment.status.readiness, environment.status.yields_to.clone()), (Readiness::Ready, None));
    assert_eq!(environment.status.readiness_message, "");
}

#[test]
fn the_claim_of_a_holder_that_is_gone_leaves_an_unknown_outcome() {
    let mut environment = known();
    let claim = Claim { deployment: uid("d7"), attempt: "d7-a1".to_owned(), epoch: 1 };
    environment.status.claim = Some(claim);
    let decision = write(&mut environment, |seen| seen.holder = Holder::Present);
    assert_eq!((words(&decision), decision.effect), (vec![], None));
    let decision = write(&mut environment, |seen| seen.holder = Holder::Running);
    assert_eq!((words(&decision), decision.effect), (vec![], Some(Effect::StopOrphan { deployment: uid("d7") })));
    assert!(environment.status.claim.is_some(), "it still writes");
    let decision = write(&mut environment, |seen| seen.holder = Holder::Gone);
    assert_eq!(words(&decision), ["environment.outcome_unknown"]);
    assert_eq!(decision.events[0].detail["code"], "outcome_unknown");
    assert_eq!(decision.effect, None);
    assert_eq!(environment.status.claim, None);
    assert_eq!((environment.status.phase, environment.status.failed), (EnvironmentPhase::Failed, Some(uid("d7"))));
}

#[test]
fn a_reset_frees_exactly_the_failure_that_it_names() {
    let mut environment = failed_with_reset("d6");
    let decision = write(&mut environment, |_| {});
    assert_eq!(words(&decision), ["environment.reset_void"], "another operation");
    assert_eq!(
        (decision.events[0].actor_id.as_str(), decision.events[0].detail["code"].as_str()),
        ("olga", "conflict")
    );
    assert_eq!(environment.status.phase, EnvironmentPhase::Failed);
    environment.status.failed = Some(uid("d6"));
    assert_eq!(words(&write(&mut environment, |_| {})), [""; 0], "it does not count later either");
    let mut environment = failed_with_reset("d7");
    let decision = write(&mut environment, |_| {});
    assert_eq!(words(&decision), ["environment.reset"]);
    assert_eq!(decision.events[0].actor_id.as_str(), "olga");
    assert_eq!((environment.status.phase, environment.status.failed), (EnvironmentPhase::Active, None));
}

#[test]
fn a_reset_where_nothing_has_failed_is_answered() {
    let mut environment = failed_with_reset("d7");
    (environment.status.phase, environment.status.failed) = (EnvironmentPhase::Active, None);
    let decision = write(&mut environment, |_| {});
    assert_eq!(words(&decision), ["environment.reset_void"]);
    assert!(decision.events[0].detail["reason"].contains("there is nothing to reset"));
}

#[test]
fn a_reset_waits_until_a_deployment_could_run_again() {
    let mut environment = failed_with_reset("d7");
    let broken = |seen: &mut Observed<'_>| seen.readiness = Some(Err(failure(Code::KubeconfigInvalid)));
    assert_eq!(words(&write(&mut environment, broken)), [""; 0]);
    assert_eq!(environment.status.phase, EnvironmentPhase::Failed);
    let decision = write(&mut environment, |seen| seen.readiness = Some(Ok(())));
    assert_eq!(words(&decision), ["environment.reset"]);
}

#[test]
fn a_reset_counts_once() {
    let mut environment = failed_with_reset("d7");
    write(&mut environment, |_| {});
    (environment.status.phase, environment.status.failed) = (EnvironmentPhase::Failed, Some(uid("d7")));
    assert_eq!(words(&write(&mut environment, |_| {})), [""; 0], "the same words, and a later failure");
    for count in 2..12 {
        govern(&mut environment, |policy| policy.approval.count = count);
        assert_eq!(words(&write(&mut environment, |_| {})), ["environment.policy_changed"]);
    }
    assert!(environment.status.audit.journal.iter().all(|event| event.action != Action::EnvironmentReset));
    assert_eq!(words(&write(&mut environment, |_| {})), [""; 0], "the same words, long after");
    environment.reset.as_mut().unwrap().note = note("looked again");
    assert_eq!(words(&write(&mut environment, |_| {})), ["environment.reset"]);
}

#[test]
fn an_environment_goes_when_nothing_is_under_way_in_it_and_its_deletion_is_archived() {
    let mut environment = known();
    environment.deleting = true;
    assert_eq!(words(&write(&mut environment, |seen| seen.unfinished = 1)), [""; 0]);
    let decision = decide(&seen(&environment), at(0));
    assert_eq!((words(&decision), decision.effect), (vec!["environment.deleted"], None));
    environment.status = decision.status;
    let mut behind = seen(&environment);
    behind.archived_seq -= 1;
    assert_eq!(decide(&behind, at(0)).effect, None);
    let decision = decide(&seen(&environment), at(0));
    assert_eq!((decision.events.len(), decision.effect), (0, Some(Effect::RemoveFinalizer)));
}

#[test]
fn nobody_frees_an_environment_while_nobody_is_believed() {
    let mut environment = failed_with_reset("d7");
    let broken = |seen: &mut Observed<'_>| seen.guard = Guard::Broken { breaches: Vec::new(), until: None };
    assert_eq!(words(&write(&mut environment, broken)), [""; 0]);
    assert_eq!(environment.status.phase, EnvironmentPhase::Failed);

    let fingerprint = crate::digest::Digest::of(b"recreated");
    let mended = |seen: &mut Observed<'_>| {
        seen.guard = Guard::InForce { fingerprint: crate::digest::Digest::of(b"recreated"), since: at(0) };
    };
    let decision = write(&mut environment, mended);
    assert_eq!(words(&decision), ["environment.reset_void"], "it may be anyone's");
    let event = &decision.events[0];
    assert_eq!((event.actor_id.as_str(), event.detail["code"].as_str()), ("controller", "policies_not_in_force"));
    assert_eq!(environment.status.guard, Some(fingerprint));
    environment.reset.as_mut().unwrap().note = note("looked again");
    assert_eq!(words(&write(&mut environment, mended)), ["environment.reset"]);
}
