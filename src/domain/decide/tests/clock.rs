//! Tickets, freezes and times to answer, to the second: what ends at a moment is over at that moment, and not before.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::before::waiting_in;
use super::rollback::succeeded_in_production;
use super::world::World;
use crate::environment::Readiness;
use crate::fixture::{act, at, by_hand, govern, production};
use crate::gate::{self, DriftRecord, Evidence};
use crate::phase::Phase;
use crate::policy::FreezeWindow;
use crate::rollback::RollbackState;
use crate::wait::Wait;

/// So many seconds from a moment.
fn off(moment: Timestamp, seconds: i64) -> Timestamp {
    moment + SignedDuration::from_secs(seconds)
}

/// A window from minute 10 to minute 60.
fn frozen() -> World {
    let mut environment = production();
    govern(&mut environment, |policy| {
        policy.approval.expires_after = None;
        policy.freeze_windows = vec![FreezeWindow { start: at(10), end: at(60), reason: "sale".to_owned() }];
    });
    let mut world = World::new(environment);
    world.run();
    world.confirm("alice").run();
    world
}

#[rstest]
#[case::a_second_before_its_end(-1, Phase::PendingApproval)]
#[case::at_its_end(0, Phase::Previewed)]
#[case::a_second_after_its_end(1, Phase::Previewed)]
fn a_ticket_is_good_until_just_before_its_end(#[case] seconds: i64, #[case] expected: Phase) {
    let mut world = waiting_in(Phase::PendingApproval);
    let end = world.deployment.status.ticket.as_ref().unwrap().expires_at.unwrap();
    world.now = off(end, seconds);
    world.run();
    assert_eq!(world.phase(), expected);
}

#[rstest]
#[case::a_second_before_its_end(-1, Phase::Applying)]
#[case::at_its_end(0, Phase::Previewed)]
fn an_approval_counts_until_just_before_the_end_of_its_ticket(#[case] seconds: i64, #[case] expected: Phase) {
    let mut world = waiting_in(Phase::PendingApproval);
    let end = world.deployment.status.ticket.as_ref().unwrap().expires_at.unwrap();
    world.now = off(end, seconds);
    world.approve("bob").run();
    assert_eq!(world.phase(), expected);
    assert_eq!(world.words().contains(&"release.review_void"), expected == Phase::Previewed);
}

#[rstest]
#[case::a_second_before_its_end(-1, Phase::Applying)]
#[case::at_its_end(0, Phase::Previewed)]
fn what_is_approved_has_its_turn_until_just_before_the_end_of_its_ticket(
    #[case] seconds: i64,
    #[case] expected: Phase,
) {
    let mut world = waiting_in(Phase::Approved);
    let end = world.deployment.status.ticket.as_ref().unwrap().expires_at.unwrap();
    world.environment().status.readiness = Readiness::Ready;
    world.now = off(end, seconds);
    world.run();
    assert_eq!(world.phase(), expected);
}

#[rstest]
#[case::a_second_before_it_begins(at(10), -1, Phase::Applying)]
#[case::at_its_beginning(at(10), 0, Phase::Approved)]
#[case::a_second_before_its_end(at(60), -1, Phase::Approved)]
#[case::at_its_end(at(60), 0, Phase::Applying)]
fn a_freeze_holds_from_its_beginning_until_just_before_its_end(
    #[case] moment: Timestamp,
    #[case] seconds: i64,
    #[case] expected: Phase,
) {
    let mut world = frozen();
    world.now = off(moment, seconds);
    world.approve("bob").run();
    assert_eq!(world.phase(), expected);
}

#[test]
fn a_freeze_is_looked_at_again_at_its_end() {
    let mut world = frozen();
    world.now = at(10);
    world.approve("bob");
    assert_eq!(world.wait().until(), Some(at(60)));
}

#[test]
fn a_freeze_that_is_overridden_before_it_begins_does_not_hold() {
    let mut world = frozen();
    world.deployment.intents.override_freeze = Some(act("olga"));
    world.run();
    world.now = at(30);
    world.approve("bob").run();
    assert_eq!(world.phase(), Phase::Applying);
    let said = world.event(crate::event::Action::ReleaseFreezeOverridden);
    assert_eq!((said.actor_id.as_str(), said.detail["note"].as_str()), ("olga", "because"));
}

#[rstest]
#[case::a_second_before(-1, false)]
#[case::at_that_moment(0, true)]
fn a_review_that_is_late_says_so_from_the_moment_it_was_due(#[case] seconds: i64, #[case] expected: bool) {
    let mut environment = production();
    govern(&mut environment, |policy| policy.sla = Some(Duration::from_mins(10)));
    let mut world = World::new(environment);
    world.run();
    world.confirm("alice");
    let wait = world.wait();
    assert_eq!(wait.until(), Some(at(10)), "what is late is looked at when it is");
    world.now = off(at(10), seconds);
    let wait = world.wait();
    assert!(matches!(wait, Wait::Review { late, .. } if late == expected), "{wait:?}");
    assert_eq!(wait.message().contains("it was due at"), expected, "{}", wait.message());
    assert_eq!(wait.until(), Some(if expected { at(30) } else { at(10) }));
    assert_eq!(world.phase(), Phase::PendingApproval, "late is not over");
}

#[test]
fn work_by_hand_may_be_late_and_never_expires() {
    let mut world = World::new(by_hand());
    world.run();
    world.now = at(60 * 24 * 365);
    let wait = world.wait();
    assert!(matches!(wait, Wait::Review { late: true, until: None, .. }), "{wait:?}");
    assert_eq!(wait.until(), None, "and there is nothing more to look for");
}

#[rstest]
#[case::a_second_before_its_end(-1, RollbackState::Requested)]
#[case::at_its_end(0, RollbackState::Expired)]
fn a_rollback_waits_for_review_until_just_before_its_end(#[case] seconds: i64, #[case] expected: RollbackState) {
    let mut world = succeeded_in_production();
    world.later(5).ask_rollback("r-1", "dora").run();
    let asked = world.deployment.status.rollback.as_ref().unwrap().requested_at;
    world.now = off(asked, 30 * 60 + seconds);
    world.run();
    assert_eq!(world.deployment.status.rollback.as_ref().unwrap().state, expected);
}

#[rstest]
#[case::at_its_end(0, true)]
#[case::a_second_after_its_end(1, false)]
fn a_record_is_fresh_to_the_second(#[case] seconds: i64, #[case] expected: bool) {
    let drift = DriftRecord { checked_at: at(0), clean: true, max_age: Duration::from_mins(10) };
    let evidence = Evidence { backup: None, drift: Some(drift) };
    let promote = crate::deployment::Operation::Promote { from: "staging".parse().unwrap() };
    let refused = gate::evidence(&promote, &evidence, off(at(10), seconds)).unwrap_err();
    let stale = refused.code() == crate::code::Code::DriftStale;
    assert_eq!(!stale, expected, "{refused}");
}
