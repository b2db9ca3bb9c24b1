//! From the request to its review.

use rstest::rstest;

use super::world::World;
use crate::code::Code;
use crate::decide::{Effect, Twin, Work};
use crate::environment::{Outcome, Readiness, RuntimeKind};
use crate::event::Action;
use crate::fixture::{at, by_hand, development, environment, failure, govern, note, production, uid};
use crate::phase::Phase;
use crate::policy::{Confirm, Tier};
use crate::runtime::Failure;
use crate::wait::Wait;

#[test]
fn what_was_applied_is_on_record_as_it_was_previewed_whatever_became_of_the_release() {
    for since in [None, Some("another of that name".to_owned())] {
        let mut world = World::new(development());
        world.run();
        let previewed = world.deployment.status.preview.as_ref().unwrap().release.clone();
        assert!(previewed.is_some());
        world.content = since;
        world.attempt_succeeds().run();
        let [Outcome::Succeeded(running)] = &world.settled[..] else { panic!("{:?}", world.settled) };
        assert_eq!((running.name.as_str(), Some(&running.digest)), ("web-v2", previewed.as_ref()));
    }
}

#[test]
fn development_goes_from_created_to_applying_in_one_decision_once_previewed_and_claimed() {
    let mut world = World::new(development());
    assert_eq!(world.step().effect, Some(Effect::Preview));
    assert_eq!(world.step().effect, Some(Effect::Claim { attempt: "d2-a1".to_owned() }));
    assert_eq!(world.words(), [""; 0], "what only asks or claims writes nothing of the Deployment");
    let decision = world.step();
    let words: Vec<_> = decision.events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(words, ["release.created", "release.previewed", "release.confirmed", "release.applying"]);
    assert!(matches!(decision.effect, Some(Effect::Run { work: Work::Apply, .. })));
    world.attempt_succeeds().run();
    assert_eq!(world.phase(), Phase::Succeeded);
    assert_eq!(world.history.len(), 5);
    assert!(matches!(world.settled[..], [Outcome::Succeeded(_)]));
    let web = &world.environment().status.services[0];
    assert_eq!(web.current.as_ref().unwrap().name.as_str(), "web-v2");
    assert_eq!(web.previous.as_ref().unwrap().name.as_str(), "web-v1");
}

#[test]
fn staging_needs_no_review_either() {
    let mut world = World::new(environment(Tier::Staging, RuntimeKind::Kubernetes));
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    assert_eq!(world.deployment.status.ticket, None);
}

#[test]
fn production_waits_for_a_person_and_then_for_a_reviewer() {
    let mut world = World::new(production());
    assert!(matches!(world.wait(), Wait::Confirmation { .. }));
    assert_eq!(world.phase(), Phase::Previewed);
    world.later(1).confirm("alice");
    let wait = world.wait();
    let (subject, end) = (world.preview_ref(), Some(at(31)));
    assert_eq!(wait, Wait::Review { have: 0, need: 1, subject, until: end, due: end, late: false });
    world.later(1).approve("bob").run();
    assert_eq!(
        world.words(),
        [
            "release.created",
            "release.previewed",
            "release.confirmed",
            "release.pending_approval",
            "release.approved",
            "release.applying",
        ]
    );
    let actors: Vec<_> = world.history.iter().map(|event| event.actor_id.as_str()).collect();
    assert_eq!(actors, ["alice", "controller", "alice", "controller", "bob", "controller"]);
    let caused: Vec<_> = world.history.iter().map(|event| event.detail.get("causedBy").map(String::as_str)).collect();
    assert_eq!(caused, [None, Some("d2/1"), None, Some("d2/3"), None, Some("d2/5")], "what people did has no cause");
    assert_eq!(world.event(Action::ReleasePendingApproval).detail["causedBy"], "d2/3");
    assert_eq!(world.event(Action::ReleaseApplying).detail["causedBy"], "d2/5");
}

#[test]
fn where_confirmation_is_automatic_the_ticket_opens_at_once() {
    let mut production = production();
    govern(&mut production, |policy| policy.confirm = Confirm::Auto);
    let mut world = World::new(production);
    assert!(matches!(world.wait(), Wait::Review { .. }));
    assert_eq!(world.event(Action::ReleaseConfirmed).actor_id.as_str(), "controller");
}

#[test]
fn what_a_confirmation_says_is_part_of_the_history() {
    let mut world = waiting_in(Phase::Previewed);
    world.confirm("alice").deployment.intents.confirmations[0].note = Some(note("as agreed on Monday"));
    world.run();
    assert_eq!(world.event(Action::ReleaseConfirmed).detail["note"], "as agreed on Monday");
}

#[test]
fn a_confirmation_of_an_older_preview_confirms_nothing() {
    let mut world = World::new(production());
    world.run();
    world.confirm("alice").content = Some("changed meanwhile".to_owned());
    assert!(matches!(world.wait(), Wait::Confirmation { reference, .. } if reference.number == 2));
    assert_eq!(world.words(), ["release.created", "release.previewed", "release.previewed"]);
}

#[test]
fn what_is_missing_is_waited_for() {
    let mut world = World::new(development());
    world.content = None;
    assert_eq!(world.wait(), Wait::Release { name: "web-v2".to_owned() });
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::NotFound);
    world.content = Some("v2".to_owned());
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    assert_eq!(world.deployment.status.diagnostics, None);

    let mut world = World::new(development());
    world.environment = None;
    assert_eq!(world.wait(), Wait::Environment { name: "shop".to_owned() });
}

#[rstest]
#[case::may_pass(true)]
#[case::only_another_deployment_mends_it(false)]
fn a_preview_that_fails_is_said_and_leaves_no_event(#[case] retryable: bool) {
    let mut world = World::new(development());
    let failure = Failure { retryable, ..failure(Code::CredentialsRejected) };
    world.answer = Err(failure.clone());
    let expected = if retryable { Wait::PreviewFailed(failure) } else { Wait::Unpreviewable(failure) };
    assert_eq!(world.wait(), expected);
    assert_eq!(world.words(), ["release.created"]);
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::CredentialsRejected);
}

#[test]
fn the_rules_of_creation_are_asked_again_before_anything_is_previewed() {
    let mut world = World::new(production());
    world.deployment.request.risk = None;
    let Wait::Gate { refusal, .. } = world.wait() else { panic!("no gate") };
    assert_eq!(refusal.code(), Code::ValidationFailed);
    assert_eq!(world.phase(), Phase::Pending);
}

#[rstest]
#[case::succeeded(Phase::Succeeded)]
#[case::failed(Phase::Failed)]
#[case::rolled_back(Phase::RolledBack)]
#[case::rejected(Phase::Rejected)]
fn a_recreated_object_takes_the_outcome_of_its_twin_with_exactly_one_event(#[case] phase: Phase) {
    for environment in [development(), production(), by_hand()] {
        let mut world = World::new(environment);
        world.twin = Twin::Known { uid: uid("d0"), phase };
        world.run();
        assert_eq!(world.words(), ["release.adopted"]);
        assert_eq!(world.history[0].detail["of"], "d0");
        assert_eq!(world.phase(), phase);
        assert_eq!(world.deployment.status.adopted_from, Some(uid("d0")));
        assert!(world.started.is_empty() && world.settled.is_empty());
    }
}

#[test]
fn an_object_that_may_have_a_twin_waits_for_its_release() {
    let mut world = World::new(development());
    (world.twin, world.content) = (Twin::Perhaps, None);
    assert!(matches!(world.wait(), Wait::Release { .. }));
    assert_eq!(world.words(), [""; 0]);
    world.twin = Twin::None;
    world.content = Some("v2".to_owned());
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[test]
fn what_is_waited_for_does_not_depend_on_a_restart() {
    let mut world = World::new(production());
    let before = world.wait();
    assert_eq!(world.restart().wait(), before);
    world.confirm("alice");
    let before = world.wait();
    assert_eq!(world.restart().wait(), before);
}

#[rstest]
#[case::pending(Phase::Pending)]
#[case::previewed(Phase::Previewed)]
#[case::pending_approval(Phase::PendingApproval)]
#[case::approved(Phase::Approved)]
fn an_abort_before_the_start_ends_it_at_once(#[case] phase: Phase) {
    let mut world = waiting_in(phase);
    world.later(1).abort("alice").run();
    assert_eq!(world.phase(), Phase::Aborted);
    let last = world.history.last().unwrap();
    assert_eq!((last.action, last.actor_id.as_str()), (Action::ReleaseAborted, "alice"));
    assert_eq!(last.detail["note"], "because");
    let diagnostics = world.deployment.status.diagnostics.as_ref().unwrap();
    assert_eq!((diagnostics.code, diagnostics.message.as_str()), (Code::Aborted, "alice stopped it: because"));
    assert_eq!(world.deployment.status.finished_at, Some(world.now));
    assert!(world.started.is_empty());
}

#[test]
fn nothing_is_previewed_in_an_environment_that_is_a_way_around_an_older_one() {
    let mut world = World::new(development());
    let status = &mut world.environment().status;
    (status.readiness, status.readiness_message) = (Readiness::NotReady, "asks for less".to_owned());
    status.yields_to = Some("team/production".to_owned());
    let wait = world.wait();
    assert_eq!((wait.code(), wait.reason()), (Some(Code::EnvironmentNotActive), "EnvironmentNotActive"));
    assert!(wait.message().ends_with("asks for less"), "{}", wait.message());
    assert_eq!((world.phase(), world.words()), (Phase::Pending, vec!["release.created"]));
    let status = &mut world.environment().status;
    (status.readiness, status.yields_to) = (Readiness::Ready, None);
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[test]
fn nothing_is_previewed_before_anyone_has_looked_at_the_environment() {
    let mut world = World::new(development());
    world.environment().status.readiness = Readiness::Unknown;
    assert_eq!(world.wait().code(), Some(Code::EnvironmentNotActive));
    assert_eq!(world.phase(), Phase::Pending);
}

#[test]
fn an_abort_between_claim_and_start_gives_the_environment_back() {
    let mut world = World::new(development());
    world.step();
    world.step();
    assert!(world.holds());
    world.abort("alice").run();
    assert_eq!(world.phase(), Phase::Aborted);
    assert_eq!(world.settled, [Outcome::Untouched]);
}

/// A Deployment to production that waits in `phase`.
pub(super) fn waiting_in(phase: Phase) -> World {
    let mut world = World::new(production());
    match phase {
        Phase::Pending => world.content = None,
        Phase::Previewed => {}
        Phase::PendingApproval | Phase::Approved => {
            world.run();
            world.confirm("alice").run();
            if phase == Phase::Approved {
                world.environment().status.readiness = crate::environment::Readiness::NotReady;
                world.approve("bob");
            }
        }
        Phase::Applying | Phase::Succeeded | Phase::Failed | Phase::RolledBack | Phase::Rejected | Phase::Aborted => {
            panic!("{phase} is not a wait")
        }
    }
    world.run();
    assert_eq!(world.phase(), phase);
    world
}
