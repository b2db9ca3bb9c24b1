//! What an approved Deployment waits for before it starts, in the order in which it is asked.

use rstest::rstest;

use super::before::waiting_in;
use super::world::World;
use crate::code::Code;
use crate::decide::Effect;
use crate::deployment::Operation;
use crate::environment::{Claim, EnvironmentPhase, Outcome, Readiness};
use crate::event::Action;
use crate::fixture::{act, at, development, govern, uid};
use crate::gate::{BackupRecord, DriftRecord};
use crate::phase::Phase;
use crate::policy::FreezeWindow;
use crate::queue::Waiting;
use crate::wait::Wait;
use std::time::Duration;

fn closed(world: &mut World) -> Code {
    match world.wait() {
        Wait::Gate { refusal, .. } => refusal.code(),
        other => panic!("not a gate: {other:?}"),
    }
}

fn freeze(world: &mut World) {
    govern(world.environment(), |policy| {
        policy.freeze_windows = vec![FreezeWindow { start: at(0), end: at(60), reason: "sale".to_owned() }];
    });
}

fn taken(world: &mut World) {
    let claim = Claim { deployment: uid("d9"), attempt: "d9-a1".to_owned(), epoch: 1 };
    world.environment().status.claim = Some(claim);
    world.environment().status.phase = EnvironmentPhase::Deploying;
}

fn not_ready(world: &mut World) {
    world.environment().status.readiness = Readiness::NotReady;
}

fn failed(world: &mut World) {
    world.environment().status.phase = EnvironmentPhase::Failed;
}

fn promote(world: &mut World) {
    world.deployment.request.operation = Operation::Promote { from: "staging".parse().unwrap() };
}

#[rstest]
#[case::failed(failed, Code::EnvironmentNotActive)]
#[case::not_ready(not_ready, Code::EnvironmentNotActive)]
#[case::deleting(|world: &mut World| world.environment().deleting = true, Code::EnvironmentNotActive)]
#[case::restoring(
    |world: &mut World| world.environment().status.phase = EnvironmentPhase::Restoring, Code::EnvironmentNotActive
)]
#[case::frozen(freeze, Code::EnvironmentFrozen)]
#[case::taken(taken, Code::EnvironmentBusy)]
#[case::queued(
    |world: &mut World| world.queue = vec![Waiting { uid: uid("d1"), name: "web-v1".into(), approved_at: at(-1) }],
    Code::EnvironmentBusy
)]
#[case::no_drift_check(promote, Code::DriftRequired)]
fn a_closed_gate_is_waited_for_and_named(#[case] close: fn(&mut World), #[case] code: Code) {
    let mut world = World::new(development());
    close(&mut world);
    assert_eq!(closed(&mut world), code);
    assert_eq!(world.phase(), Phase::Approved);
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, code);
    assert!(world.started.is_empty() && !world.holds());
}

#[test]
fn gates_are_asked_in_order_and_the_first_that_is_closed_is_named() {
    let mut world = World::new(development());
    for close in [promote, taken, freeze, not_ready, failed] {
        close(&mut world);
    }
    assert_eq!(closed(&mut world), Code::EnvironmentNotActive);
    world.environment().status.phase = EnvironmentPhase::Deploying;
    assert_eq!(closed(&mut world), Code::EnvironmentNotActive);
    world.environment().status.readiness = Readiness::Ready;
    assert_eq!(closed(&mut world), Code::EnvironmentFrozen);
    world.later(60);
    assert_eq!(closed(&mut world), Code::EnvironmentBusy);
    world.environment().status.claim = None;
    assert_eq!(closed(&mut world), Code::DriftRequired);
}

#[test]
fn a_promotion_needs_a_clean_fresh_drift_check_and_then_a_fresh_backup() {
    let mut world = World::new(development());
    promote(&mut world);
    let drift = |minutes, clean| Some(DriftRecord { checked_at: at(minutes), clean, max_age: Duration::from_mins(10) });
    let backup = |minutes| Some(BackupRecord { completed_at: at(minutes), max_age: Duration::from_mins(10) });
    assert_eq!(closed(&mut world), Code::DriftRequired);
    world.evidence.drift = drift(-1, false);
    assert_eq!(closed(&mut world), Code::DriftDetected);
    world.evidence.drift = drift(-11, true);
    assert_eq!(closed(&mut world), Code::DriftStale);
    world.evidence.drift = drift(-1, true);
    assert_eq!(closed(&mut world), Code::BackupRequired);
    world.evidence.backup = backup(-11);
    assert_eq!(closed(&mut world), Code::BackupStale);
    world.evidence.backup = backup(-1);
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[test]
fn no_override_opens_the_gates_that_guard_data() {
    let mut world = World::new(development());
    promote(&mut world);
    world.deployment.intents.override_freeze = Some(act("olga"));
    world.deployment.intents.break_glass = Some(act("olga"));
    assert_eq!(closed(&mut world), Code::DriftRequired);
}

#[test]
fn a_freeze_ends_by_itself_or_is_overridden() {
    let mut world = World::new(development());
    freeze(&mut world);
    assert_eq!(closed(&mut world), Code::EnvironmentFrozen);
    assert_eq!(world.wait().until(), Some(at(60)));
    world.later(60).run();
    assert_eq!(world.phase(), Phase::Applying);

    let mut world = World::new(development());
    freeze(&mut world);
    world.run();
    world.deployment.intents.override_freeze = Some(act("olga"));
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    let words = world.words();
    assert_eq!(words[words.len() - 2..], ["release.freeze_overridden", "release.applying"]);
}

fn overrides(world: &World) -> Vec<&str> {
    let said = world.history.iter().filter(|event| event.action == Action::ReleaseFreezeOverridden);
    said.map(|event| event.actor_id.as_str()).collect()
}

#[rstest]
#[case::at_once(Phase::Pending)]
#[case::before_its_preview_is_confirmed(Phase::Previewed)]
#[case::before_its_review(Phase::PendingApproval)]
#[case::when_it_is_held(Phase::Approved)]
fn an_override_is_recorded_once_and_when_a_freeze_would_have_held_it(#[case] said_in: Phase) {
    let mut world = waiting_in(said_in);
    govern(world.environment(), |policy| {
        policy.freeze_windows = vec![FreezeWindow { start: at(0), end: at(600), reason: "sale".to_owned() }];
    });
    world.environment().status.readiness = Readiness::Ready;
    world.deployment.intents.override_freeze = Some(act("olga"));
    world.content = Some("v2".to_owned());
    world.run();
    assert_eq!(overrides(&world), [""; 0], "nothing is held yet");
    world.confirm("alice").run();
    world.approve("bob").run();
    assert_eq!((world.phase(), overrides(&world)), (Phase::Applying, vec!["olga"]));
    world.later(1).run();
    assert_eq!(overrides(&world), ["olga"]);
}

#[rstest]
#[case::no_freeze(|_: &mut World| {})]
#[case::a_freeze_that_is_over(|world: &mut World| {
    freeze(world);
    world.later(60);
})]
#[case::a_freeze_that_a_broken_glass_goes_through(|world: &mut World| {
    govern(world.environment(), |policy| (policy.approval.required, policy.approval.count) = (true, 1));
    freeze(world);
    world.deployment.intents.break_glass = Some(act("carol"));
})]
fn an_override_where_no_freeze_holds_anything_is_none(#[case] change: fn(&mut World)) {
    let mut world = World::new(development());
    change(&mut world);
    world.deployment.intents.override_freeze = Some(act("olga"));
    world.run();
    assert_eq!((world.phase(), overrides(&world)), (Phase::Applying, vec![]));
    assert!(!world.deployment.status.freeze_overridden);
}

#[test]
fn the_queue_goes_by_time_of_approval() {
    let mut world = World::new(development());
    not_ready(&mut world);
    world.later(5).run();
    world.environment().status.readiness = Readiness::Ready;
    let other = |minutes| vec![Waiting { uid: uid("d9"), name: "api-v1".into(), approved_at: at(minutes) }];
    world.queue = other(4);
    assert_eq!(closed(&mut world), Code::EnvironmentBusy);
    world.queue = other(6);
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[rstest]
#[case::frozen(freeze)]
#[case::not_ready(not_ready)]
#[case::release_gone(|world: &mut World| world.content = None)]
fn a_claim_that_cannot_start_after_all_is_given_back_untouched(#[case] close: fn(&mut World)) {
    let mut world = World::new(development());
    assert_eq!(world.step().effect, Some(Effect::Preview));
    world.step();
    assert!(world.holds());
    close(&mut world);
    world.run();
    assert!(!world.holds());
    assert_eq!(world.settled, [Outcome::Untouched]);
    assert!(world.started.is_empty());
    assert_eq!(world.environment().status.phase, EnvironmentPhase::Active);
}
