//! While the API server does not check who says what, nobody is believed; afterwards, only what was said since.

use rstest::rstest;

use super::before::waiting_in;
use super::world::World;
use crate::attempt::Progress;
use crate::code::Code;
use crate::deployment::{Confirmation, Finish, Glass, Report};
use crate::digest::Digest;
use crate::environment::{Environment, Outcome};
use crate::event::Action;
use crate::fixture::{act, actor, at, by_hand, development, govern, guard, production, running};
use crate::guard::{Breach, Guard, Problem};
use crate::phase::Phase;
use crate::policy::FreezeWindow;
use crate::refusal::Refusal;
use crate::review::Verdict;
use crate::rollback::RollbackState;
use crate::wait::Wait;

fn broken() -> Guard {
    let what = "ValidatingAdmissionPolicy slipway-review".to_owned();
    Guard::Broken { breaches: vec![Breach { what, problem: Problem::Missing }], until: None }
}

/// The policies are back, put there at minute 50.
fn mended() -> Guard {
    Guard::InForce { fingerprint: Digest::of(b"recreated"), since: at(50) }
}

fn breaks(world: &mut World) -> &mut World {
    world.guard = broken();
    world
}

fn is_mended(world: &mut World) -> &mut World {
    world.guard = mended();
    world
}

/// Nothing happens, and it is said why.
fn waits_for_policies(world: &mut World) {
    let events = world.history.len();
    let wait = world.wait();
    assert!(matches!(wait, Wait::Policies { .. }), "{wait:?}");
    assert_eq!(world.history.len(), events, "{:?}", world.words());
}

/// Where people work by hand and nobody reviews it.
fn unreviewed() -> Environment {
    let mut environment = by_hand();
    govern(&mut environment, |policy| (policy.approval.required, policy.approval.count) = (false, 0));
    environment
}

/// web-v2 runs, brought by the Deployment.
fn succeeded(environment: Environment) -> World {
    let mut world = World::new(environment);
    world.run();
    if world.phase() == Phase::Previewed {
        world.confirm("alice").run();
        world.approve("bob").run();
    }
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::Succeeded);
    world
}

#[test]
fn no_confirmation_is_acted_upon() {
    let mut world = waiting_in(Phase::Previewed);
    breaks(&mut world).confirm("alice");
    waits_for_policies(&mut world);
    let said = world.deployment.status.diagnostics.clone().unwrap();
    assert_eq!(said.code, Code::PoliciesNotInForce);
    assert!(said.message.contains("slipway-review is missing") && said.message.contains("kubectl apply"), "{said:?}");
}

#[test]
fn no_review_is_acted_upon_and_none_is_recorded() {
    for verdict in [Verdict::Approve, Verdict::Reject] {
        let mut world = waiting_in(Phase::PendingApproval);
        let subject = world.preview_ref();
        breaks(&mut world).review("bob", verdict, &subject).review("carol", verdict, "1-other");
        waits_for_policies(&mut world);
        assert_eq!(world.phase(), Phase::PendingApproval);
    }
}

#[test]
fn no_glass_is_broken() {
    let mut world = waiting_in(Phase::PendingApproval);
    breaks(&mut world).deployment.intents.break_glass = Some(act("carol"));
    waits_for_policies(&mut world);
}

#[test]
fn what_was_approved_before_does_not_start() {
    let mut world = waiting_in(Phase::PendingApproval);
    let frozen = FreezeWindow { start: at(0), end: at(10), reason: "sale".to_owned() };
    // The window is not in the digest: an Environment that is edited would be another plan.
    world.environment().policy.freeze_windows = vec![frozen];
    world.approve("bob").run();
    assert_eq!(world.phase(), Phase::Approved);
    breaks(world.later(20));
    waits_for_policies(&mut world);
    assert!(!world.holds() && world.started.is_empty());
}

#[test]
fn a_claim_that_was_taken_just_before_is_given_back() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.approve("bob");
    while !world.holds() {
        world.step();
    }
    breaks(&mut world).run();
    assert_eq!((world.holds(), world.settled.last()), (false, Some(&Outcome::Untouched)));
    assert_eq!(world.started, []);
}

#[test]
fn an_abort_works() {
    for phase in [Phase::Previewed, Phase::PendingApproval] {
        let mut world = waiting_in(phase);
        breaks(&mut world).abort("alice").run();
        assert_eq!(world.phase(), Phase::Aborted);
    }
    let mut world = World::new(development());
    world.run();
    breaks(&mut world).abort("alice").run();
    assert_eq!(world.phase(), Phase::Failed);
}

#[test]
fn where_nobody_is_asked_it_goes_on() {
    let mut world = World::new(development());
    breaks(&mut world).run();
    assert_eq!(world.phase(), Phase::Applying);
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::Succeeded);
    let done = world.history.len();
    is_mended(&mut world).run();
    assert_eq!(world.history.len(), done, "{:?}", world.words());
}

#[test]
fn what_waits_in_the_queue_of_a_place_where_nobody_is_asked_keeps_its_place() {
    let mut world = World::new(development());
    world.environment().status.phase = crate::environment::EnvironmentPhase::Failed;
    world.run();
    assert_eq!(world.phase(), Phase::Approved);
    let since = world.deployment.status.approved_at;
    breaks(world.later(1)).run();
    is_mended(world.later(1)).run();
    assert_eq!((world.phase(), world.deployment.status.approved_at), (Phase::Approved, since));
}

#[test]
fn a_confirmation_that_nobody_asked_for_is_not_recorded_as_anyones() {
    let mut seen = World::new(development());
    seen.run();
    let preview_ref = seen.preview_ref().parse().unwrap();
    let confirmation = Confirmation { preview_ref, actor: actor("mallory"), note: None };
    let mut world = World::new(development());
    world.deployment.intents.confirmations.push(confirmation);
    breaks(&mut world).run();
    assert_eq!(world.event(Action::ReleaseConfirmed).actor_id.as_str(), "controller");
}

#[test]
fn a_running_attempt_and_a_rollback_by_itself_go_on() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.approve("bob").run();
    breaks(&mut world).attempt_fails(crate::fixture::failure(Code::HealthCheckFailed)).run();
    assert_eq!(world.started.len(), 2, "the automatic rollback");
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn no_rollback_by_hand_is_begun_while_applying() {
    let mut world = World::new(development());
    world.run();
    breaks(&mut world).ask_rollback("r-1", "carol").run();
    assert_eq!(world.deployment.status.rollback, None);
    let wait = world.attempt_succeeds().wait();
    assert!(matches!(wait, Wait::Policies { .. }), "{wait:?}");
    assert_eq!((world.phase(), world.deployment.status.rollback.as_ref()), (Phase::Succeeded, None));
    assert!(!world.holds(), "the Environment is given back all the same");
}

#[test]
fn no_rollback_by_hand_is_begun_after_the_end() {
    for environment in [development(), production()] {
        let mut world = succeeded(environment);
        breaks(&mut world).ask_rollback("r-1", "carol");
        waits_for_policies(&mut world);
        assert_eq!(world.deployment.status.rollback, None);
    }
}

#[test]
fn no_review_of_a_rollback_is_acted_upon() {
    let mut world = succeeded(production());
    world.ask_rollback("r-1", "carol").run();
    let subject = world.rollback_ref();
    breaks(&mut world).review("bob", Verdict::Approve, &subject);
    waits_for_policies(&mut world);
    assert_eq!(world.deployment.status.rollback.as_ref().unwrap().state, RollbackState::Requested);
}

#[test]
fn no_freeze_is_overridden() {
    let mut world = World::new(development());
    let frozen = FreezeWindow { start: at(0), end: at(100), reason: "sale".to_owned() };
    govern(world.environment(), |policy| policy.freeze_windows = vec![frozen]);
    breaks(&mut world).run();
    world.deployment.intents.override_freeze = Some(act("carol"));
    assert!(matches!(world.wait(), Wait::Gate { .. }));
    assert!(!world.deployment.status.freeze_overridden);
    assert!(matches!(is_mended(world.later(60)).wait(), Wait::Gate { .. }), "nor afterwards");
    assert_eq!(world.deployment.status.disregarded, ["request", "overrideFreeze"]);
}

#[test]
fn nobody_has_looked_at_a_broken_glass() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.deployment.intents.break_glass = Some(act("carol"));
    world.run();
    world.attempt_succeeds().run();
    breaks(&mut world).deployment.intents.after_review = Some(act("bob"));
    world.run();
    assert_eq!(world.deployment.status.break_glass, Some(Glass::Unreviewed));
    is_mended(&mut world).run();
    assert_eq!(world.deployment.status.break_glass, Some(Glass::Unreviewed), "nor afterwards");
    assert_eq!(world.deployment.status.disregarded, ["afterReview"]);
}

#[test]
fn no_work_by_hand_begins_or_ends() {
    let report = || Report { actor: actor("olga"), note: None };
    let mut world = World::new(unreviewed());
    world.run();
    assert_eq!(world.phase(), Phase::Approved);
    breaks(&mut world).deployment.intents.start = Some(report());
    waits_for_policies(&mut world);
    assert!(matches!(is_mended(&mut world).wait(), Wait::Report));
    assert_eq!(world.deployment.status.disregarded, ["manual.start"]);

    let mut world = World::new(unreviewed());
    world.deployment.intents.start = Some(report());
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    breaks(&mut world).deployment.intents.finish = Some(Finish::Succeeded(report()));
    waits_for_policies(&mut world);
    assert!(matches!(is_mended(&mut world).wait(), Wait::Report));
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Failed);
}

#[test]
fn an_approval_from_the_gap_is_void_and_a_new_one_of_the_new_preview_counts() {
    let mut world = waiting_in(Phase::PendingApproval);
    let first = world.preview_ref();
    breaks(&mut world).approve("bob").run();
    is_mended(world.later(5)).run();
    assert_eq!(world.phase(), Phase::Previewed);
    assert!(world.preview_ref().starts_with("2-") && world.preview_ref() != first);
    let void = world.event(Action::ReleaseReviewVoid);
    assert_eq!((void.actor_id.as_str(), void.detail["reviewer"].as_str()), ("controller", "bob"));
    assert_eq!(void.detail["code"], "policies_not_in_force");
    world.confirm("alice").run();
    world.approve("bob").run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[test]
fn policies_that_were_changed_while_nobody_looked_void_what_waits() {
    for phase in [Phase::Previewed, Phase::PendingApproval] {
        let mut world = waiting_in(phase);
        let first = world.preview_ref();
        match phase {
            Phase::Previewed => world.confirm("alice"),
            _ => world.approve("bob"),
        };
        is_mended(world.restart()).run();
        assert_eq!(world.phase(), Phase::Previewed);
        assert_ne!(world.preview_ref(), first);
        assert_eq!(world.started, []);
    }
}

#[test]
fn a_rollback_that_waits_for_its_review_is_asked_for_again() {
    let mut world = succeeded(production());
    world.ask_rollback("r-1", "carol").run();
    let subject = world.rollback_ref();
    breaks(&mut world).review("bob", Verdict::Approve, &subject).ask_rollback("r-2", "mallory").run();
    is_mended(&mut world).run();
    let rollback = world.deployment.status.rollback.clone().unwrap();
    assert_eq!((rollback.id.as_str(), rollback.state), ("r-2", RollbackState::Rejected));
    assert_eq!(rollback.diagnostics.unwrap().code, Code::PoliciesNotInForce);
    assert_eq!(world.phase(), Phase::Succeeded);
    world.ask_rollback("r-3", "carol").run();
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Approve, &subject).run();
    assert_eq!(world.deployment.status.rollback.as_ref().unwrap().state, RollbackState::Running);
}

#[test]
fn a_rollback_that_was_approved_before_waits_and_goes_on() {
    let mut world = succeeded(production());
    world.ask_rollback("r-1", "carol").run();
    let subject = world.rollback_ref();
    let claim = crate::environment::Claim { deployment: crate::fixture::uid("d9"), attempt: "d9-a1".into(), epoch: 1 };
    world.environment().status.claim = Some(claim);
    world.review("bob", Verdict::Approve, &subject).run();
    world.environment().status.claim = None;
    breaks(&mut world);
    waits_for_policies(&mut world);
    is_mended(&mut world).run();
    assert_eq!(world.deployment.status.rollback.as_ref().unwrap().state, RollbackState::Running);
}

#[test]
fn a_new_request_that_was_never_unguarded_is_heard_at_once() {
    let mut world = World::new(development());
    let frozen = FreezeWindow { start: at(0), end: at(100), reason: "sale".to_owned() };
    govern(world.environment(), |policy| policy.freeze_windows = vec![frozen]);
    world.deployment.intents.override_freeze = Some(act("carol"));
    world.run();
    assert_eq!((world.phase(), world.deployment.status.disregarded.len()), (Phase::Applying, 0));
}

#[test]
fn nobody_is_asked_about_a_request_that_may_be_anyones() {
    let mut world = World::new(production());
    breaks(&mut world).run();
    waits_for_policies(&mut world);
    let wait = is_mended(&mut world).wait();
    assert!(matches!(wait, Wait::Gate { refusal: Refusal::UnguardedRequest, .. }), "{wait:?}");
    assert!(wait.stalled());
    world.confirm("alice").run();
    assert_eq!(world.phase(), Phase::Previewed);
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Aborted);
}

#[test]
fn what_an_older_request_says_before_anyone_looked_is_not_heard() {
    let mut world = World::new(development());
    let frozen = FreezeWindow { start: at(0), end: at(100), reason: "sale".to_owned() };
    govern(world.environment(), |policy| policy.freeze_windows = vec![frozen]);
    world.deployment.intents.override_freeze = Some(act("carol"));
    is_mended(&mut world).run();
    assert_eq!(world.deployment.status.disregarded, ["request", "overrideFreeze"]);
}

#[rstest]
#[case::the_same_policies(guard())]
#[case::others_where_nothing_can_follow(mended())]
fn what_has_ended_is_not_written_for_a_note(#[case] now: Guard) {
    let mut world = succeeded(development());
    // Another Deployment has brought what runs now.
    let web = &mut world.environment().status.services[0];
    (web.previous, web.current) = (web.current.take(), Some(running("web-v3", "d3")));
    world.environment().status.failed = None;
    world.guard = now;
    assert_eq!(world.look().status, world.deployment.status);
}

#[test]
fn what_can_be_rolled_back_takes_note_of_other_policies_once() {
    let mut world = succeeded(development());
    is_mended(&mut world).run();
    assert_eq!(world.deployment.status.guard, mended().fingerprint().cloned());
    world.ask_rollback("r-1", "carol").run();
    assert_eq!(world.deployment.status.rollback.as_ref().unwrap().state, RollbackState::Running);
    assert_eq!(world.attempt(Progress::Running).run().events, []);
}

#[test]
fn a_rejection_of_a_rollback_without_a_note_is_void() {
    let mut world = succeeded(production());
    world.ask_rollback("r-1", "carol").run();
    let subject = world.rollback_ref();
    world.review("bob", Verdict::Reject, &subject);
    world.deployment.intents.reviews.last_mut().unwrap().note = None;
    assert!(matches!(world.wait(), Wait::Review { .. }));
    assert_eq!(world.event(Action::ReleaseReviewVoid).detail["code"], "note_required");
}
