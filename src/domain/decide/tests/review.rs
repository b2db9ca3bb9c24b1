//! Four eyes, tickets, and what voids them.

use std::time::Duration;

use rstest::rstest;

use super::before::waiting_in;
use super::world::World;
use crate::code::Code;
use crate::deployment::Glass;
use crate::environment::Readiness;
use crate::event::Action;
use crate::fixture::{act, actor, at, govern, production};
use crate::phase::Phase;
use crate::policy::{Confirm, FreezeWindow};
use crate::review::Verdict;
use crate::wait::Wait;

/// What the diagnostics say.
fn told(world: &World) -> (Code, String) {
    let diagnostics = world.deployment.status.diagnostics.as_ref().unwrap();
    (diagnostics.code, diagnostics.message.clone())
}

#[test]
fn requester_cannot_approve_their_own_production_deployment() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.approve("alice");
    assert!(matches!(world.wait(), Wait::Review { have: 0, .. }));
    let void = world.event(Action::ReleaseReviewVoid);
    assert_eq!(void.detail["code"], "self_approval");
    assert_eq!(void.detail["reason"], "alice made this request and cannot review it: ask someone else");
}

#[test]
fn what_is_missing_for_a_review_is_said_with_its_code() {
    let world = waiting_in(Phase::PendingApproval);
    let (code, message) = told(&world);
    assert_eq!(code, Code::ApprovalRequired);
    assert!(message.contains("0 of 1 approvals"), "{message}");
}

#[test]
fn submitter_cannot_approve_what_they_submitted_for_another_but_can_stop_it() {
    let submitted = || {
        let mut world = waiting_in(Phase::PendingApproval);
        world.deployment.request.submitted_by = actor("carol");
        world
    };
    let mut world = submitted();
    world.approve("carol").run();
    assert_eq!(world.phase(), Phase::PendingApproval);
    let mut world = submitted();
    let subject = world.preview_ref();
    world.review("carol", Verdict::Reject, &subject).run();
    assert_eq!(world.phase(), Phase::Rejected);
}

#[test]
fn two_approvals_take_two_people() {
    let mut environment = production();
    govern(&mut environment, |policy| policy.approval.count = 2);
    let mut world = World::new(environment);
    world.run();
    world.confirm("alice").run();
    world.approve("bob");
    assert!(matches!(world.wait(), Wait::Review { have: 1, need: 2, .. }));
    assert_eq!(world.event(Action::ReleaseApproved).detail["approvals"], "1 of 2");
    world.approve("bob");
    assert!(matches!(world.wait(), Wait::Review { have: 1, need: 2, .. }), "the same person counts once");
    world.approve("carol").run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[test]
fn one_rejection_ends_it() {
    let mut world = waiting_in(Phase::PendingApproval);
    let subject = world.preview_ref();
    world.review("bob", Verdict::Reject, &subject).run();
    assert_eq!(world.phase(), Phase::Rejected);
    world.approve("carol").run();
    assert_eq!(world.phase(), Phase::Rejected);
    assert_eq!(world.words().last(), Some(&"release.review_void"));
    assert_eq!(world.event(Action::ReleaseReviewVoid).detail["code"], "conflict");
}

#[test]
fn a_rejection_that_nobody_has_read_when_it_is_aborted_still_rejects() {
    let mut world = waiting_in(Phase::PendingApproval);
    let subject = world.preview_ref();
    world.review("bob", Verdict::Reject, &subject).abort("alice").run();
    assert_eq!(world.phase(), Phase::Rejected);
    assert_eq!(world.words().last(), Some(&"release.rejected"));
    assert_eq!(world.event(Action::ReleaseRejected).actor_id.as_str(), "bob");
}

#[test]
fn an_approval_that_nobody_has_read_when_it_is_aborted_is_on_record_and_starts_nothing() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.approve("bob").abort("alice").run();
    assert_eq!(world.phase(), Phase::Aborted);
    assert!(world.words().ends_with(&["release.approved", "release.aborted"]), "{:?}", world.words());
    assert!(world.started.is_empty());
}

#[rstest]
#[case::it_came_too_late(|world: &mut World| { world.later(31); })]
#[case::nobody_is_believed(|world: &mut World| {
    world.guard = crate::guard::Guard::Broken { breaches: Vec::new(), until: None };
})]
fn a_rejection_that_does_not_count_does_not_stop_an_abort(#[case] spoil: fn(&mut World)) {
    let mut world = waiting_in(Phase::PendingApproval);
    let subject = world.preview_ref();
    spoil(&mut world);
    world.review("bob", Verdict::Reject, &subject).abort("alice").run();
    assert_eq!(world.phase(), Phase::Aborted);
}

#[test]
fn a_rejection_without_a_note_does_not_count() {
    let mut world = waiting_in(Phase::PendingApproval);
    let subject = world.preview_ref();
    world.review("bob", Verdict::Reject, &subject).deployment.intents.reviews[0].note = None;
    world.run();
    assert_eq!(world.phase(), Phase::PendingApproval);
    let void = world.event(Action::ReleaseReviewVoid);
    assert_eq!(
        (void.detail["code"].as_str(), void.detail["reason"].as_str()),
        ("note_required", "reject needs a note that says why: add one")
    );
}

#[test]
fn a_late_review_is_recorded_as_void_and_counts_for_nothing() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.later(31).approve("bob");
    assert!(matches!(world.wait(), Wait::Confirmation { reference, .. } if reference.number == 2));
    let void = world.event(Action::ReleaseReviewVoid);
    assert_eq!((void.actor_id.as_str(), void.status.as_str()), ("bob", "previewed"));
    assert!(void.detail["previewRef"].starts_with("1-"));
    assert_eq!(void.detail["code"], "preview_mismatch");
    // The same person may decide again about what stands now.
    world.confirm("alice").run();
    world.approve("bob").run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[rstest]
#[case::by_hand(Confirm::Manual)]
#[case::automatic(Confirm::Auto)]
fn an_expired_ticket_waits_for_a_person_however_confirmation_is_made(#[case] confirm: Confirm) {
    let mut environment = production();
    govern(&mut environment, |policy| policy.confirm = confirm);
    let mut world = World::new(environment);
    world.run();
    if confirm == Confirm::Manual {
        world.confirm("alice").run();
    }
    assert_eq!(world.phase(), Phase::PendingApproval);
    assert!(matches!(world.later(29).wait(), Wait::Review { .. }));
    let ends = world.deployment.status.ticket.as_ref().unwrap().expires_at.unwrap();
    assert!(matches!(world.later(1).wait(), Wait::Confirmation { .. }));
    assert_eq!(world.event(Action::ReleasePreviewed).detail["reason"], "the ticket for review ran out");
    assert_eq!(told(&world).0, Code::ApprovalTicketExpired);
    // Neither time nor a change of what would be applied stands in for that person.
    world.later(60).content = Some("v2 mended".to_owned());
    assert!(matches!(world.wait(), Wait::Confirmation { reference, .. } if reference.number == 3));
    let (code, message) = told(&world);
    assert_eq!(code, Code::ApprovalTicketExpired);
    assert!(message.contains(&format!("ran out at {ends}")) && message.contains("confirm preview 3-"), "{message}");
    world.confirm("alice");
    assert!(matches!(world.wait(), Wait::Review { .. }));
}

#[test]
fn a_ticket_that_ran_out_while_the_plan_changed_waits_for_a_person_too() {
    let mut environment = production();
    govern(&mut environment, |policy| policy.confirm = Confirm::Auto);
    let mut world = World::new(environment);
    world.run();
    world.later(31).content = Some("v2 mended".to_owned());
    assert!(matches!(world.wait(), Wait::Confirmation { .. }));
}

#[test]
fn the_ticket_also_runs_while_an_approved_deployment_waits_for_its_turn() {
    let mut world = waiting_in(Phase::Approved);
    assert_eq!(world.wait().until(), Some(at(30)));
    assert!(matches!(world.later(30).wait(), Wait::Confirmation { .. }));
    assert_eq!(world.phase(), Phase::Previewed);
    world.environment().status.readiness = Readiness::Ready;
    world.run();
    assert!(world.started.is_empty(), "the old approval starts nothing");
}

#[test]
fn the_ticket_ends_a_wait_for_a_freeze_that_ends_later() {
    let mut environment = production();
    govern(&mut environment, |policy| {
        policy.freeze_windows = vec![FreezeWindow { start: at(0), end: at(600), reason: "sale".to_owned() }];
    });
    let mut world = World::new(environment);
    world.run();
    world.confirm("alice").run();
    world.approve("bob");
    assert_eq!(world.wait().until(), Some(at(30)));
}

#[test]
fn the_ticket_runs_no_further_than_to_the_claim() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.approve("bob");
    while !world.holds() {
        world.step();
    }
    world.later(60).restart().run();
    assert_eq!(world.phase(), Phase::Applying);
}

#[rstest]
#[case::while_it_is_reviewed(Phase::PendingApproval)]
#[case::once_it_is_approved(Phase::Approved)]
fn a_changed_plan_voids_confirmation_and_approvals(#[case] phase: Phase) {
    let mut world = waiting_in(phase);
    let old = world.preview_ref();
    world.content = Some("something else".to_owned());
    assert!(matches!(world.wait(), Wait::Confirmation { reference, .. } if reference.number == 2));
    assert_eq!(world.phase(), Phase::Previewed);
    let (code, message) = told(&world);
    assert_eq!(code, Code::PreviewExpired);
    assert!(message.contains(&old) && message.contains("confirm preview 2-"), "{message}");
    assert_eq!(world.deployment.status.ticket, None);
    assert_eq!(world.event(Action::ReleasePreviewed).detail["reason"], "what would be applied has changed");
    world.confirm("alice").run();
    world.environment().status.readiness = Readiness::Ready;
    assert!(matches!(world.wait(), Wait::Review { have: 0, .. }));
    world.review("carol", Verdict::Approve, &old).run();
    assert_eq!(world.phase(), Phase::PendingApproval, "an approval of the old preview");
    assert_eq!(world.words().last(), Some(&"release.review_void"));
}

#[test]
fn a_changed_policy_voids_what_was_approved() {
    let mut world = waiting_in(Phase::Approved);
    govern(world.environment(), |policy| policy.approval.count = 2);
    assert!(matches!(world.wait(), Wait::Confirmation { .. }));
    world.confirm("alice");
    assert!(matches!(world.wait(), Wait::Review { have: 0, need: 2, .. }));
}

#[test]
fn an_environment_that_was_recreated_voids_what_was_approved() {
    let mut world = waiting_in(Phase::Approved);
    let old = world.preview_ref();
    world.environment().id.uid = crate::fixture::uid("e2");
    world.environment().status.readiness = Readiness::Ready;
    assert!(matches!(world.wait(), Wait::Confirmation { reference, .. } if reference.number == 2));
    world.confirm("alice").run();
    world.review("carol", Verdict::Approve, &old).run();
    assert_eq!(world.phase(), Phase::PendingApproval, "what was said of the other one");
    assert!(world.started.is_empty());
}

#[test]
fn a_release_that_vanished_is_waited_for_and_not_applied() {
    let mut world = waiting_in(Phase::Approved);
    world.environment().status.readiness = Readiness::Ready;
    world.content = None;
    assert!(matches!(world.wait(), Wait::Release { .. }));
    assert_eq!(world.deployment.status.diagnostics.as_ref().unwrap().code, Code::NotFound);
}

#[test]
fn break_glass_skips_review_and_stays_open_until_a_reviewer_looked() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.deployment.intents.break_glass = Some(act("olga"));
    world.run();
    assert_eq!(world.phase(), Phase::Applying);
    assert_eq!(world.event(Action::ReleaseBreakGlass).actor_id.as_str(), "olga");
    assert_eq!(world.deployment.status.break_glass, Some(Glass::Unreviewed));
    world.attempt_succeeds().run();
    for wrong in ["alice", "olga"] {
        world.deployment.intents.after_review = Some(act(wrong));
        world.run();
        assert_eq!(world.deployment.status.break_glass, Some(Glass::Unreviewed), "{wrong}");
    }
    world.deployment.intents.after_review = Some(act("bob"));
    world.run();
    assert_eq!(world.deployment.status.break_glass, Some(Glass::Reviewed));
    assert_eq!(world.words().last(), Some(&"release.break_glass_reviewed"));
    assert_eq!(world.phase(), Phase::Succeeded);
}

#[test]
fn break_glass_needs_a_confirmed_preview_and_says_so_once() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.environment().status.readiness = Readiness::NotReady;
    world.deployment.intents.break_glass = Some(act("olga"));
    world.run();
    assert_eq!(world.phase(), Phase::Approved);
    world.content = Some("something else".to_owned());
    assert!(matches!(world.wait(), Wait::Confirmation { .. }));
    world.confirm("alice").run();
    assert_eq!(world.phase(), Phase::Approved);
    let said = world.history.iter().filter(|event| event.action == Action::ReleaseBreakGlass);
    let by: Vec<_> = said.map(|event| event.actor_id.as_str()).collect();
    assert_eq!(by, ["olga", "controller"], "olga said it once; the rest follows from it");
    assert_eq!(world.event(Action::ReleaseBreakGlass).detail["actor"], "olga");
}

#[test]
fn where_review_was_skipped_no_ticket_runs_out() {
    let mut world = waiting_in(Phase::PendingApproval);
    world.environment().status.readiness = Readiness::NotReady;
    world.deployment.intents.break_glass = Some(act("olga"));
    world.run();
    assert_eq!(world.wait().until(), None);
    world.later(90).run();
    assert_eq!(world.phase(), Phase::Approved);
}

#[test]
fn a_ticket_says_when_it_is_due_and_when_it_ends() {
    let mut environment = production();
    govern(&mut environment, |policy| policy.sla = Some(Duration::from_mins(10)));
    let mut world = World::new(environment);
    world.run();
    world.later(5).confirm("alice").run();
    let ticket = world.deployment.status.ticket.as_ref().unwrap();
    assert_eq!(ticket.id, "d2-1");
    assert_eq!((ticket.opened_at, ticket.due_at, ticket.expires_at), (at(5), Some(at(15)), Some(at(35))));
}
