//! A Deployment goes only when its history is complete.

use rstest::rstest;

use super::before::waiting_in;
use super::failing::applying;
use super::world::World;
use crate::code::Code;
use crate::decide::Twin;
use crate::environment::Outcome;
use crate::event::Action;
use crate::fixture::{act, by_hand, development, failure, uid};
use crate::phase::Phase;

fn delete(world: &mut World) {
    world.deployment.deleting = true;
    world.run();
    assert!(world.gone);
    assert_eq!(world.words().last(), Some(&"release.deleted"));
    assert!(!world.holds());
    let events = world.history.len();
    world.run();
    assert_eq!(world.history.len(), events, "the deletion is the last event");
}

#[rstest]
#[case(Phase::Pending)]
#[case(Phase::Previewed)]
#[case(Phase::PendingApproval)]
#[case(Phase::Approved)]
fn deleted_before_its_start_it_is_aborted_first(#[case] phase: Phase) {
    let mut world = waiting_in(phase);
    delete(&mut world);
    let aborted = world.event(Action::ReleaseAborted);
    assert_eq!(aborted.actor_id.as_str(), "controller");
    assert!(aborted.detail["note"].contains("deleted before it had ended"));
}

#[test]
fn deleted_before_anyone_looked_its_whole_life_is_three_events() {
    let mut world = World::new(development());
    delete(&mut world);
    assert_eq!(world.words(), ["release.created", "release.aborted", "release.deleted"]);
}

#[test]
fn deleted_while_it_may_have_a_twin_it_does_not_wait_for_its_release() {
    let mut world = World::new(development());
    (world.twin, world.content) = (Twin::Perhaps, None);
    delete(&mut world);
}

#[test]
fn deleted_right_after_it_took_the_outcome_of_its_twin() {
    let mut world = World::new(development());
    world.twin = Twin::Known { uid: uid("d0"), phase: Phase::Succeeded };
    delete(&mut world);
    assert_eq!(world.words(), ["release.adopted", "release.deleted"]);
}

#[test]
fn deleted_between_claim_and_start_the_environment_is_given_back() {
    let mut world = World::new(development());
    world.step();
    world.step();
    delete(&mut world);
    assert_eq!(world.settled, [Outcome::Untouched]);
}

#[test]
fn deleted_while_applying_the_runtime_is_stopped_and_the_environment_needs_a_look() {
    let mut world = applying();
    delete(&mut world);
    assert_eq!(world.event(Action::ReleaseFailed).detail["code"], "aborted");
    assert_eq!(world.settled, [Outcome::Failed]);
}

#[test]
fn deleted_after_its_end_only_the_deletion_is_added() {
    let mut world = applying();
    world.attempt_succeeds().run();
    let events = world.history.len();
    delete(&mut world);
    assert_eq!(world.history.len(), events + 1);
    assert_eq!(world.phase(), Phase::Succeeded);
}

#[test]
fn deleted_before_anyone_looked_at_its_broken_glass_the_history_says_so() {
    let broken = || {
        let mut world = waiting_in(Phase::PendingApproval);
        world.deployment.intents.break_glass = Some(act("olga"));
        world.run();
        world.attempt_succeeds().run();
        world
    };
    let mut world = broken();
    delete(&mut world);
    assert_eq!(world.event(Action::ReleaseDeleted).detail["breakGlass"], "nobody has looked at it");
    let mut world = broken();
    world.deployment.intents.after_review = Some(act("bob"));
    world.run();
    delete(&mut world);
    assert_eq!(world.event(Action::ReleaseDeleted).detail.get("breakGlass"), None);
}

#[test]
fn deleted_while_it_is_rolled_back_the_rollback_is_finished_first() {
    let mut world = applying();
    world.attempt_fails(failure(Code::HealthCheckFailed)).run();
    world.deployment.deleting = true;
    world.run();
    assert!(!world.gone);
    world.attempt_succeeds();
    delete(&mut world);
    assert_eq!(world.phase(), Phase::RolledBack);
    assert!(matches!(world.settled[..], [Outcome::RolledBack { .. }]));
}

#[test]
fn deleted_while_a_rollback_waits_the_claim_is_given_back() {
    let mut world = applying();
    world.attempt_succeeds().run();
    world.ask_rollback("r-1", "alice");
    while !world.holds() {
        world.step();
    }
    delete(&mut world);
    let current = world.environment().status.services[0].current.clone().unwrap();
    assert_eq!(current.name.as_str(), "web-v2");
}

#[test]
fn deleted_while_people_are_at_work_it_fails_first() {
    let mut world = World::new(by_hand());
    world.run();
    world.approve("bob").run();
    world.deployment.intents.start = Some(super::by_hand::report("alice"));
    world.run();
    delete(&mut world);
    assert!(world.words().contains(&"release.failed"));
}

#[test]
fn deleted_after_its_environment_is_gone_it_goes_too() {
    let mut world = applying();
    world.attempt_succeeds().run();
    world.environment = None;
    delete(&mut world);
}
