//! Where people do the work and Slipway keeps the record.

use super::world::World;
use crate::code::Code;
use crate::deployment::{Finish, Operation, Report};
use crate::event::Action;
use crate::fixture::{act, actor, at, by_hand, govern};
use crate::phase::Phase;
use crate::policy::FreezeWindow;
use crate::review::Verdict;
use crate::wait::Wait;

pub(super) fn report(who: &str) -> Report {
    Report { actor: actor(who), note: None }
}

/// Approved, and people began.
fn begun() -> World {
    let mut world = World::new(by_hand());
    world.run();
    world.approve("bob").run();
    world.deployment.intents.start = Some(report("alice"));
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    world
}

#[test]
fn it_waits_for_review_at_once_and_its_ticket_never_expires() {
    let mut world = World::new(by_hand());
    let wait = world.wait();
    let subject = world.preview_ref();
    assert_eq!(wait, Wait::Review { have: 0, need: 1, subject, until: None, due: Some(at(30)), late: false });
    assert_eq!(
        world.words(),
        ["release.created", "release.previewed", "release.confirmed", "release.pending_approval"]
    );
    assert!(matches!(world.later(60 * 24 * 30).wait(), Wait::Review { .. }));
}

#[test]
fn people_report_start_and_success_and_nothing_is_claimed() {
    let mut world = begun();
    assert_eq!(world.wait(), Wait::Report);
    world.deployment.intents.finish = Some(Finish::Succeeded(report("alice")));
    world.run();
    assert_eq!(world.phase(), Phase::Succeeded);
    let words = world.words();
    assert_eq!(words[words.len() - 3..], ["release.approved", "release.applying", "release.applied"]);
    assert!(world.started.is_empty() && world.settled.is_empty());
}

#[test]
fn people_report_failure_with_a_reason() {
    let mut world = begun();
    world.deployment.intents.finish = Some(Finish::Failed(act("alice")));
    world.run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.event(Action::ReleaseFailed).detail["note"], "because");
}

#[test]
fn a_rollback_is_recorded_at_once_as_a_single_event() {
    for finish in [Finish::Succeeded(report("alice")), Finish::Failed(act("alice"))] {
        let mut world = begun();
        world.deployment.intents.finish = Some(finish);
        world.run();
        let before = world.history.len();
        world.ask_rollback("r-1", "dora").run();
        assert_eq!(world.phase(), Phase::RolledBack);
        assert_eq!(world.history.len(), before + 1);
        assert_eq!(world.event(Action::ReleaseRollbackCompleted).actor_id.as_str(), "dora");
    }
}

#[test]
fn a_rollback_may_come_before_anyone_reported_an_end() {
    let mut world = begun();
    world.ask_rollback("r-1", "dora").run();
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn a_rejection_ends_it() {
    let mut world = World::new(by_hand());
    world.run();
    let subject = world.preview_ref();
    world.review("bob", Verdict::Reject, &subject).run();
    assert_eq!(world.phase(), Phase::Rejected);
}

#[test]
fn an_abort_while_people_are_at_work_ends_in_failed() {
    let mut world = begun();
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.words().last(), Some(&"release.aborted"));
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::Aborted);
}

#[test]
fn a_start_that_was_reported_before_the_abort_is_on_record() {
    let mut world = World::new(by_hand());
    world.run();
    world.approve("bob").run();
    world.deployment.intents.start = Some(report("alice"));
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Failed, "somebody has been at work");
    assert!(world.words().ends_with(&["release.applying", "release.aborted"]), "{:?}", world.words());
}

#[test]
fn a_start_that_does_not_count_does_not_stop_an_abort() {
    let mut world = World::new(by_hand());
    world.run();
    world.approve("bob").run();
    world.content = None;
    world.deployment.intents.start = Some(report("alice"));
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Aborted);
}

#[test]
fn an_end_that_was_reported_before_the_abort_counts() {
    let mut world = begun();
    world.deployment.intents.finish = Some(Finish::Succeeded(report("alice")));
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Succeeded);
}

#[test]
fn a_bare_version_will_do_and_gates_three_to_five_are_not_asked() {
    let mut environment = by_hand();
    govern(&mut environment, |policy| {
        policy.freeze_windows = vec![FreezeWindow { start: at(0), end: at(600), reason: "sale".to_owned() }];
    });
    environment.status.readiness = crate::environment::Readiness::Unknown;
    let mut world = World::new(environment);
    world.deployment.request.operation = Operation::DeployVersion { version: "2.1".to_owned() };
    world.run();
    world.approve("bob");
    assert_eq!(world.wait(), Wait::Report);
    world.deployment.intents.start = Some(report("alice"));
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[test]
fn a_review_after_the_end_is_recorded_as_void() {
    let mut world = begun();
    world.deployment.intents.finish = Some(Finish::Succeeded(report("alice")));
    world.run();
    world.approve("carol").run();
    assert_eq!(world.words().last(), Some(&"release.review_void"));
}
