//! Rollbacks that people ask for.

use rstest::rstest;

use super::failing::applying;
use super::world::World;
use crate::attempt::Progress;
use crate::code::Code;
use crate::decide::Work;
use crate::environment::{Claim, EnvironmentPhase, Outcome, Readiness};
use crate::event::Action;
use crate::fixture::{at, failure, govern, production, uid};
use crate::phase::Phase;
use crate::policy::{FreezeWindow, OnFailure};
use crate::review::Verdict;
use crate::rollback::RollbackState;
use crate::runtime::Failure;
use crate::wait::Wait;

/// A Deployment to production whose first attempt runs.
fn applying_in_production() -> World {
    let mut world = World::new(production());
    world.run();
    world.confirm("alice").run();
    world.approve("bob").run();
    assert_eq!(world.phase(), Phase::Applying);
    world
}

pub(super) fn succeeded_in_production() -> World {
    let mut world = applying_in_production();
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::Succeeded);
    world
}

fn state(world: &World) -> RollbackState {
    world.deployment.status.rollback.as_ref().unwrap().state
}

#[test]
fn where_no_review_is_asked_a_rollback_runs_at_once() {
    let mut world = applying();
    world.attempt_succeeds().run();
    world.later(5).ask_rollback("r-1", "alice").run();
    let (id, work) = world.started.last().unwrap();
    assert_eq!(id, "d2-r1.1");
    assert!(matches!(work, Work::Rollback { to } if to.name.as_str() == "web-v1"));
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
    let words = world.words();
    assert_eq!(words[words.len() - 2..], ["release.rollback_requested", "release.rollback_completed"]);
    assert_eq!(world.event(Action::ReleaseRollbackRequested).actor_id.as_str(), "alice");
    assert!(matches!(world.settled[..], [Outcome::Succeeded(_), Outcome::RolledBack { .. }]));
    assert_eq!(world.environment().status.services[0].previous, None);
}

#[test]
fn in_production_a_rollback_by_hand_waits_for_someone_else_to_agree() {
    let mut world = succeeded_in_production();
    world.later(5).ask_rollback("r-1", "dora");
    let wait = world.wait();
    let (subject, end) = (world.rollback_ref(), Some(at(35)));
    assert_eq!(wait, Wait::Review { have: 0, need: 1, subject, until: end, due: end, late: false });
    assert!(wait.message().contains(&world.rollback_ref()), "{}", wait.message());
    assert_eq!(state(&world), RollbackState::Requested);
    let subject = world.rollback_ref();
    world.review("dora", Verdict::Approve, &subject);
    assert!(matches!(world.wait(), Wait::Review { have: 0, .. }), "whoever asks for it may not review it");
    // Who requested or submitted the Deployment itself may.
    world.review("alice", Verdict::Approve, &subject).run();
    assert_eq!(state(&world), RollbackState::Running);
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn a_rollback_that_a_reviewer_refused_changes_nothing_and_another_may_follow() {
    let mut world = succeeded_in_production();
    world.ask_rollback("r-1", "dora").run();
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Reject, &subject).run();
    assert_eq!((world.phase(), state(&world)), (Phase::Succeeded, RollbackState::Rejected));
    assert_eq!(world.words().last(), Some(&"release.rejected"));
    world.ask_rollback("r-2", "dora");
    assert!(matches!(world.wait(), Wait::Review { have: 0, .. }));
}

#[test]
fn a_rollback_is_not_rejected_without_a_word() {
    let mut world = succeeded_in_production();
    world.ask_rollback("r-1", "dora").run();
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Reject, &subject);
    world.deployment.intents.reviews.last_mut().unwrap().note = None;
    assert!(matches!(world.wait(), Wait::Review { have: 0, .. }));
    assert_eq!(world.event(Action::ReleaseReviewVoid).detail["code"], "note_required");
    world.review("carol", Verdict::Reject, &subject).run();
    assert_eq!(state(&world), RollbackState::Rejected);
    assert_eq!(world.phase(), Phase::Succeeded);
}

#[test]
fn a_rollback_that_nobody_reviews_expires() {
    let mut world = succeeded_in_production();
    world.later(5);
    let finished_at = world.deployment.status.finished_at;
    world.ask_rollback("r-1", "dora").run();
    world.later(30).run();
    assert_eq!((world.phase(), state(&world)), (Phase::Succeeded, RollbackState::Expired));
    assert_eq!(world.deployment.status.finished_at, finished_at);
    let diagnostics = world.deployment.status.rollback.as_ref().unwrap().diagnostics.as_ref().unwrap();
    assert_eq!(diagnostics.code, Code::ApprovalTicketExpired);
    world.ask_rollback("r-2", "dora");
    assert!(matches!(world.wait(), Wait::Review { .. }));
}

#[rstest]
#[case::nothing_before_it(|world: &mut World| world.environment().status.services[0].previous = None)]
#[case::another_is_current(
    |world: &mut World| {
        world.environment().status.services[0].current = Some(crate::fixture::running("web-v3", "d3"));
    }
)]
fn a_rollback_that_cannot_be_made_is_refused_and_the_history_says_why(#[case] spoil: fn(&mut World)) {
    let mut world = applying();
    world.attempt_succeeds().run();
    spoil(&mut world);
    let before = world.history.len();
    world.ask_rollback("r-1", "alice").run();
    assert_eq!(world.words()[before..], ["release.rollback_refused"]);
    let refused = world.event(Action::ReleaseRollbackRefused);
    assert_eq!((refused.actor_id.as_str(), refused.detail["note"].as_str()), ("alice", "customers complain"));
    assert_eq!(refused.detail["code"], "rollback_unavailable");
    assert!(refused.detail["message"].contains("operation.rollback instead"));
    let rollback = world.deployment.status.rollback.as_ref().unwrap();
    assert_eq!(rollback.state, RollbackState::Rejected);
    assert_eq!(rollback.diagnostics.as_ref().unwrap().code, Code::RollbackUnavailable);
    assert_eq!(world.phase(), Phase::Succeeded);
    assert!(!world.holds());
}

#[test]
fn a_recreated_object_cannot_roll_back_what_its_twin_brought() {
    let mut world = World::new(production());
    world.twin = crate::decide::Twin::Known { uid: uid("d1"), phase: Phase::Succeeded };
    world.run();
    world.ask_rollback("r-1", "alice").run();
    assert_eq!(world.words(), ["release.adopted", "release.rollback_refused"]);
    assert_eq!(state(&world), RollbackState::Rejected);
}

#[test]
fn a_rollback_takes_a_failed_environment_and_frees_it() {
    let mut world = applying();
    govern(world.environment(), |policy| policy.on_failure = OnFailure::Hold);
    world.attempt_fails(failure(Code::HealthCheckFailed)).run();
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Failed);
    world.ask_rollback("r-1", "alice").run();
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Active);
    assert_eq!(world.environment().status.failed, None);
}

#[test]
fn a_rollback_skips_the_freeze_but_waits_for_the_environment_and_its_claim() {
    let mut world = applying();
    world.attempt_succeeds().run();
    govern(world.environment(), |policy| {
        policy.freeze_windows = vec![FreezeWindow { start: at(0), end: at(600), reason: "sale".to_owned() }];
    });
    let claim = Claim { deployment: uid("d9"), attempt: "d9-a1".to_owned(), epoch: 1 };
    world.environment().status.claim = Some(claim);
    world.ask_rollback("r-1", "alice");
    assert_eq!(world.wait().code(), Some(Code::EnvironmentBusy));
    world.environment().status.claim = None;
    world.environment().status.readiness = Readiness::NotReady;
    assert_eq!(world.wait().code(), Some(Code::EnvironmentNotActive));
    world.environment().status.readiness = Readiness::Ready;
    world.run();
    assert_eq!(state(&world), RollbackState::Running);
}

#[test]
fn a_rollback_while_applying_stops_the_runtime_first() {
    let mut world = applying();
    world.ask_rollback("r-1", "alice").run();
    assert_eq!((world.phase(), state(&world)), (Phase::Applying, RollbackState::Running));
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Active);
}

#[test]
fn a_rollback_while_applying_that_fails_leaves_both_failed() {
    let mut world = applying();
    world.ask_rollback("r-1", "alice").run();
    world.attempt_fails(Failure { changed: false, ..failure(Code::ApplyRejected) }).run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.words().last(), Some(&"release.rollback_failed"));
    assert_eq!(world.settled, [Outcome::Failed]);
}

#[test]
fn the_work_goes_on_until_a_rollback_while_applying_is_reviewed() {
    let mut world = applying_in_production();
    world.ask_rollback("r-1", "dora");
    assert!(matches!(world.wait(), Wait::Attempt { .. }));
    assert_eq!(state(&world), RollbackState::Requested);
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Approve, &subject).run();
    assert_eq!(world.words().last(), Some(&"release.approved"));
    assert_eq!((world.phase(), state(&world)), (Phase::Applying, RollbackState::Running));
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn a_review_that_comes_too_late_for_a_rollback_while_applying_disturbs_nothing() {
    let mut world = applying_in_production();
    world.ask_rollback("r-1", "dora").run();
    let subject = world.rollback_ref();
    world.later(31).run();
    assert_eq!(state(&world), RollbackState::Expired);
    assert_eq!(world.deployment.status.finished_at, None, "the attempt still runs");
    world.review("bob", Verdict::Approve, &subject).run();
    assert_eq!(world.words().last(), Some(&"release.review_void"));
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::Succeeded);
}

#[test]
fn a_refused_rollback_while_applying_leaves_room_for_another() {
    let mut world = applying_in_production();
    world.ask_rollback("r-1", "dora").run();
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Reject, &subject).run();
    assert_eq!((world.phase(), state(&world)), (Phase::Applying, RollbackState::Rejected));
    world.ask_rollback("r-2", "dora").run();
    assert_eq!(state(&world), RollbackState::Requested);
}

#[test]
fn a_rollback_that_waits_for_review_gives_back_the_claim_of_work_that_has_ended() {
    let mut world = applying_in_production();
    world.ask_rollback("r-1", "dora").run();
    world.attempt_succeeds();
    assert!(matches!(world.wait(), Wait::Review { .. }));
    assert!(!world.holds());
    let status = &world.environment().status;
    assert_eq!(status.phase, EnvironmentPhase::Active);
    assert_eq!(status.services[0].current.as_ref().unwrap().name.as_str(), "web-v2");
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Approve, &subject).run();
    assert!(world.holds(), "it is taken again when the rollback begins");
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
    assert!(matches!(world.settled[..], [Outcome::Succeeded(_), Outcome::RolledBack { .. }]));
    assert_eq!(world.environment().status.services[0].current.as_ref().unwrap().name.as_str(), "web-v1");
}

#[test]
fn a_rollback_that_waited_while_another_deployment_came_is_not_made() {
    let mut world = applying_in_production();
    world.ask_rollback("r-1", "dora").run();
    world.attempt_succeeds().run();
    let web = &mut world.environment().status.services[0];
    web.previous = web.current.replace(crate::fixture::running("web-v3", "d3"));
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Approve, &subject).run();
    let rollback = world.deployment.status.rollback.as_ref().unwrap();
    assert_eq!(rollback.state, RollbackState::Rejected);
    assert_eq!(rollback.diagnostics.as_ref().unwrap().code, Code::RollbackUnavailable);
    assert_eq!((world.phase(), world.started.len()), (Phase::Succeeded, 1));
    assert!(world.words().contains(&"release.rollback_refused"), "{:?}", world.words());
    assert_eq!(world.environment().status.services[0].current.as_ref().unwrap().name.as_str(), "web-v3");
}

#[test]
fn a_claim_for_a_rollback_that_has_to_wait_after_all_is_given_back_untouched() {
    let mut world = applying();
    world.attempt_succeeds().run();
    world.ask_rollback("r-1", "alice");
    while !world.holds() {
        world.step();
    }
    world.environment().status.readiness = Readiness::NotReady;
    world.content = None;
    assert_eq!(world.wait().code(), Some(Code::EnvironmentNotActive));
    assert!(!world.holds());
    assert!(matches!(world.settled[..], [Outcome::Succeeded(_), Outcome::Untouched]));
}

#[test]
fn a_rollback_that_waits_for_review_leaves_what_failed_meanwhile_failed() {
    let mut world = applying_in_production();
    govern(world.environment(), |policy| policy.on_failure = OnFailure::Hold);
    world.ask_rollback("r-1", "dora").run();
    world.attempt_fails(failure(Code::HealthCheckFailed));
    assert!(matches!(world.wait(), Wait::Review { .. }));
    assert!(!world.holds());
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Failed);
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Approve, &subject).run();
    world.attempt_fails(Failure { changed: false, ..failure(Code::ApplyRejected) }).run();
    assert_eq!(world.settled, [Outcome::Failed, Outcome::Failed], "what the rollback did is not known to be nothing");
}

#[test]
fn an_abort_is_the_last_word_but_a_rollback_that_was_asked_for_before_is_still_made() {
    let mut world = applying_in_production();
    world.ask_rollback("r-1", "dora").run();
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Failed);
    assert!(world.words().contains(&"release.aborted"));
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Approve, &subject).run();
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn every_rollback_has_attempts_of_its_own() {
    let mut world = applying();
    world.attempt_fails(failure(Code::HealthCheckFailed)).run();
    world.attempt_fails(failure(Code::ApplyRejected)).run();
    for id in ["r-1", "r-2"] {
        world.ask_rollback(id, "alice").run();
        assert_eq!(state(&world), RollbackState::Running, "what became of the one before is not asked");
        world.attempt_fails(Failure { retryable: true, ..failure(Code::Conflict) }).run();
        world.later(1).run();
        world.attempt_fails(failure(Code::ApplyRejected)).run();
    }
    let ids: Vec<_> = world.started.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["d2-a1", "d2-r1", "d2-r1.1", "d2-r1.2", "d2-r2.1", "d2-r2.2"]);
}

#[test]
fn a_rollback_is_taken_up_again_after_a_restart() {
    let mut world = applying();
    world.attempt_succeeds().run();
    world.ask_rollback("r-1", "alice").run();
    world.restart().run();
    let ids: Vec<_> = world.started.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["d2-a1", "d2-r1.1", "d2-r1.1"]);
    world.attempt(Progress::Stopped { changed: true }).run();
    assert_eq!(world.started.len(), 4);
}
