//! When a release cannot be applied, is unhealthy, or is stopped.

use rstest::rstest;

use super::world::World;
use crate::attempt::Progress;
use crate::code::Code;
use crate::decide::{Effect, Work};
use crate::environment::{EnvironmentPhase, Outcome};
use crate::event::Action;
use crate::fixture::{at, development, failure, govern};
use crate::phase::Phase;
use crate::policy::OnFailure;
use crate::rollback::{Origin, RollbackState};
use crate::runtime::{Applied, Failure};
use crate::wait::Wait;

/// A Deployment to development whose first attempt runs.
pub(super) fn applying() -> World {
    let mut world = World::new(development());
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    world
}

fn unhealthy() -> Failure {
    failure(Code::HealthCheckFailed)
}

#[test]
fn an_unhealthy_release_fails_and_asks_for_its_rollback_in_one_decision() {
    let mut world = applying();
    world.later(2).attempt_fails(unhealthy());
    let decision = world.step();
    let words: Vec<_> = decision.events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(words, ["release.failed", "release.rollback_requested"]);
    assert_eq!(decision.status.phase, Phase::Failed);
    let rollback = decision.status.rollback.unwrap();
    assert_eq!((rollback.origin, rollback.state), (Origin::Automatic, RollbackState::Running));
    let Some(Effect::Run { attempt, work: Work::Rollback { to } }) = decision.effect else { panic!("no rollback") };
    assert_eq!((attempt.id.as_str(), to.name.as_str()), ("d2-r1", "web-v1"));
    assert!(world.holds(), "the claim is kept for it");
    assert_eq!(world.event(Action::ReleaseRollbackRequested).detail["causedBy"], "d2/5");
    assert_eq!(world.event(Action::ReleaseFailed).detail["causedBy"], "d2/4");
}

#[test]
fn a_rollback_that_worked_leaves_the_environment_active_with_the_release_before() {
    let mut world = applying();
    world.attempt_fails(unhealthy()).run();
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
    assert_eq!(world.words().last(), Some(&"release.rollback_completed"));
    let status = &world.environment().status;
    assert_eq!(status.phase, EnvironmentPhase::Active);
    assert_eq!(status.services[0].current.as_ref().unwrap().name.as_str(), "web-v1");
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::HealthCheckFailed);
}

#[test]
fn a_rollback_that_failed_leaves_both_failed() {
    let mut world = applying();
    world.attempt_fails(unhealthy()).run();
    world.attempt_fails(failure(Code::ApplyRejected)).run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.words().last(), Some(&"release.rollback_failed"));
    assert_eq!(world.event(Action::ReleaseRollbackFailed).detail["cause"], "apply_rejected");
    let diagnostics = world.deployment.status.diagnostics.as_ref().unwrap();
    assert_eq!(diagnostics.code, Code::ReleaseRollbackFailed);
    assert_eq!(diagnostics.message, "release web-v1 could not be brought back: it broke [apply_rejected]");
    assert_eq!(world.settled, [Outcome::Failed]);
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Failed);
}

#[test]
fn with_no_release_before_it_the_diagnosis_says_so() {
    let mut world = World::new(development());
    world.environment().status.services.clear();
    world.run();
    world.attempt_fails(unhealthy()).run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.deployment.status.rollback, None);
    let diagnostics = world.deployment.status.diagnostics.as_ref().unwrap();
    assert!(diagnostics.message.contains("no earlier release of web to go back to"), "{}", diagnostics.message);
    assert_eq!(world.settled, [Outcome::Failed]);
}

#[test]
fn on_failure_hold_keeps_the_failed_state_for_a_person() {
    let mut world = applying();
    govern(world.environment(), |policy| policy.on_failure = OnFailure::Hold);
    world.attempt_fails(unhealthy()).run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.words().last(), Some(&"release.failed"));
    assert!(world.deployment.status.diagnostics.as_ref().unwrap().message.contains("onFailure: Hold"));
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Failed);
}

#[test]
fn a_failure_that_changed_nothing_leaves_the_environment_as_it_was() {
    let mut world = applying();
    world.attempt_fails(Failure { changed: false, ..failure(Code::PreviewMismatch) }).run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.deployment.status.rollback, None);
    assert_eq!(world.settled, [Outcome::Untouched]);
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Active);
}

#[test]
fn a_failure_that_may_pass_is_tried_again_later_and_not_for_ever() {
    let mut world = applying();
    let flaky = Failure { retryable: true, ..failure(Code::SshUnreachable) };
    world.attempt_fails(flaky.clone());
    assert_eq!(world.wait(), Wait::Backoff { until: at(1), failure: Some(Code::SshUnreachable) });
    assert_eq!(world.later(1).run().wait, None);
    world.attempt_fails(flaky.clone());
    assert_eq!(world.wait().until(), Some(at(6)));
    world.later(5).run();
    let ids: Vec<_> = world.started.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["d2-a1", "d2-a2", "d2-a3"]);
    world.attempt_fails(flaky).run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.event(Action::ReleaseFailed).detail["code"], "ssh_unreachable");
}

#[test]
fn a_rollback_is_tried_again_too() {
    let mut world = applying();
    world.attempt_fails(unhealthy()).run();
    world.attempt_fails(Failure { retryable: true, ..failure(Code::Conflict) });
    assert!(matches!(world.wait(), Wait::Backoff { .. }));
    world.later(1).run();
    assert_eq!(world.started.last().unwrap().0, "d2-r2");
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn an_attempt_whose_process_is_gone_is_taken_up_again_under_its_id() {
    let mut world = applying();
    world.restart().run();
    let ids: Vec<_> = world.started.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["d2-a1", "d2-a1"]);
}

#[test]
fn without_the_claim_nothing_is_touched() {
    let mut world = applying();
    world.environment().status.claim = None;
    world.run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::OutcomeUnknown);
    assert_eq!((world.deployment.status.rollback, world.started.len()), (None, 1));

    let mut world = applying();
    world.attempt_fails(unhealthy()).run();
    world.environment().status.claim = None;
    world.run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.deployment.status.rollback.unwrap().state, RollbackState::Failed);
}

#[rstest]
#[case::while_it_runs(None, true)]
#[case::before_it_changed_anything(Some(Progress::Stopped { changed: false }), false)]
#[case::after_the_process_was_gone(Some(Progress::Absent), true)]
#[case::just_after_it_had_worked(
    Some(Progress::Succeeded(Applied { written: vec!["v1/ConfigMap/web".parse().unwrap()], pruned: vec![] })), true
)]
fn an_abort_while_applying_stops_the_runtime_and_never_rolls_back(
    #[case] progress: Option<Progress>,
    #[case] changed: bool,
) {
    let mut world = applying();
    if let Some(progress) = progress {
        world.attempt(progress);
    }
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Failed);
    let words = world.words();
    assert_eq!(words[words.len() - 2..], ["release.aborted", "release.failed"]);
    assert_eq!(world.event(Action::ReleaseAborted).actor_id.as_str(), "alice");
    assert_eq!(world.event(Action::ReleaseFailed).detail["code"], "aborted");
    assert_eq!(world.event(Action::ReleaseFailed).detail["causedBy"], "d2/5");
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::Aborted);
    assert_eq!(world.deployment.status.rollback, None);
    let expected = if changed { Outcome::Failed } else { Outcome::Untouched };
    assert_eq!(world.settled, [expected]);
}

#[test]
fn a_runtime_that_is_being_stopped_is_said_to_be() {
    let mut world = applying();
    let decision = world.abort("alice").step();
    assert_eq!((decision.effect, decision.wait), (Some(Effect::Stop), Some(Wait::Stopping)));
}

#[test]
fn nothing_rolls_back_by_itself_after_success() {
    let mut world = applying();
    world.attempt_succeeds().run();
    world.attempt_fails(unhealthy()).later(600).run();
    assert_eq!(world.phase(), Phase::Succeeded);
    assert_eq!(world.words().last(), Some(&"release.applied"));
}
