//! Who may change what, as a reviewer can read it: role × action × phase, and what is refused to everyone.

mod creation;

use rstest::rstest;

use super::{Caller, Verb, admit};
use crate::code::Code;
use crate::deployment::{Confirmation, Deployment, Finish, Report};
use crate::environment::Environment;
use crate::fixture::{act, actor, at, by_hand, deployment_in, golden, note, preview, production, review, running};
use crate::phase::Phase;
use crate::review::Verdict;
use crate::rollback::{Origin, Rollback, RollbackRequest, RollbackState};

/// alice asked, ci created the object for her, bob reviews, olga is on call, mallory is nobody.
const PEOPLE: [&str; 5] = ["alice", "ci", "bob", "olga", "mallory"];

/// The verbs as the chart's roles give them out; alice may approve too, and still not her own.
fn verbs(who: &str) -> Vec<Verb> {
    match who {
        "alice" => vec![Verb::Deploy, Verb::Rollback, Verb::Approve],
        "ci" => vec![Verb::Deploy, Verb::ActAs, Verb::Approve],
        "bob" => vec![Verb::Approve],
        "olga" => vec![Verb::Deploy, Verb::Rollback, Verb::Approve, Verb::BreakGlass, Verb::Reset],
        _ => Vec::new(),
    }
}

fn caller(who: &str) -> Caller {
    Caller { actor: actor(who), verbs: verbs(who) }
}

fn stored(phase: Phase) -> Deployment {
    let mut deployment = deployment_in(phase);
    deployment.request.submitted_by = actor("ci");
    deployment
}

/// One thing that someone says about a stored Deployment.
type Say = fn(&mut Deployment, &str);

fn subject() -> String {
    preview().reference.to_string()
}

fn confirm(new: &mut Deployment, who: &str) {
    new.intents.confirmations.push(Confirmation { preview_ref: preview().reference, actor: actor(who), note: None });
}

fn approve(new: &mut Deployment, who: &str) {
    new.intents.reviews.push(review(who, Verdict::Approve, &subject()));
}

fn reject(new: &mut Deployment, who: &str) {
    new.intents.reviews.push(review(who, Verdict::Reject, &subject()));
}

fn break_glass(new: &mut Deployment, who: &str) {
    new.intents.break_glass = Some(act(who));
}

fn override_freeze(new: &mut Deployment, who: &str) {
    new.intents.override_freeze = Some(act(who));
}

fn report(who: &str) -> Report {
    Report { actor: actor(who), note: None }
}

fn start(new: &mut Deployment, who: &str) {
    new.intents.start = Some(report(who));
}

fn succeed(new: &mut Deployment, who: &str) {
    new.intents.finish = Some(Finish::Succeeded(report(who)));
}

fn fail(new: &mut Deployment, who: &str) {
    new.intents.finish = Some(Finish::Failed(act(who)));
}

fn ask_rollback(new: &mut Deployment, who: &str) {
    let id = format!("r-{}", new.intents.rollbacks.len());
    new.intents.rollbacks.push(RollbackRequest { id, actor: actor(who), note: note("why") });
}

fn abort(new: &mut Deployment, who: &str) {
    new.intents.abort = Some(act(who));
}

fn outcome(old: &Deployment, say: Say, who: &str, environment: &Environment) -> Result<(), Code> {
    let mut new = old.clone();
    say(&mut new, who);
    admit(Some(old), &new, &caller(who), Some(environment)).map_err(|refusal| refusal.code())
}

#[test]
fn who_may_say_what_in_which_phase() {
    let actions: [(&str, Say, Environment); 10] = [
        ("confirm", confirm, production()),
        ("approve", approve, production()),
        ("reject", reject, production()),
        ("break glass", break_glass, production()),
        ("override freeze", override_freeze, production()),
        ("start", start, by_hand()),
        ("succeed", succeed, by_hand()),
        ("fail", fail, by_hand()),
        ("rollback", ask_rollback, production()),
        ("abort", abort, production()),
    ];
    let mut lines = vec![
        "alice asked; ci created the object for her; bob reviews; olga is on call; mallory has no verb.".to_owned(),
        "yes: accepted, verb: forbidden, phase: invalid_transition, self: self_approval".to_owned(),
    ];
    for (action, say, environment) in actions {
        lines.push(String::new());
        lines.push(format!("{action:<19}{}", PEOPLE.map(|who| format!("{who:<8}")).concat().trim_end()));
        for phase in Phase::ALL {
            let cells = PEOPLE.map(|who| format!("{:<8}", word(outcome(&stored(phase), say, who, &environment))));
            lines.push(format!("  {:<17}{}", phase.as_str(), cells.concat().trim_end()));
        }
    }
    golden("admission.txt", &lines);
}

fn word(outcome: Result<(), Code>) -> &'static str {
    match outcome {
        Ok(()) => "yes",
        Err(Code::Forbidden) => "verb",
        Err(Code::InvalidTransition) => "phase",
        Err(Code::SelfApproval) => "self",
        Err(other) => other.as_str(),
    }
}

#[test]
fn nobody_speaks_in_anothers_name() {
    let cases: [(Say, Phase); 8] = [
        (confirm, Phase::Previewed),
        (approve, Phase::PendingApproval),
        (reject, Phase::PendingApproval),
        (break_glass, Phase::PendingApproval),
        (override_freeze, Phase::Approved),
        (ask_rollback, Phase::Succeeded),
        (abort, Phase::Approved),
        (|new, who| new.intents.after_review = Some(act(who)), Phase::Succeeded),
    ];
    for (say, phase) in cases {
        let old = stored(phase);
        let mut new = old.clone();
        say(&mut new, "bob");
        let olga = Caller { actor: actor("olga"), verbs: Verb::ALL.to_vec() };
        let refusal = admit(Some(&old), &new, &olga, Some(&production())).unwrap_err();
        assert_eq!(refusal.code(), Code::Forbidden);
        assert!(refusal.to_string().contains("must be the caller, olga, and not bob"), "{refusal}");
    }
    let by_hand_cases: [(Say, Phase); 2] = [(start, Phase::Approved), (succeed, Phase::Applying)];
    for (say, phase) in by_hand_cases {
        let old = stored(phase);
        let mut new = old.clone();
        say(&mut new, "bob");
        let refusal = admit(Some(&old), &new, &caller("olga"), Some(&by_hand())).unwrap_err();
        assert_eq!(refusal.code(), Code::Forbidden);
    }
}

#[test]
fn what_was_asked_never_changes() {
    let old = stored(Phase::Previewed);
    let mut new = old.clone();
    new.request.rollback_plan = "none".to_owned();
    let refusal = admit(Some(&old), &new, &caller("olga"), Some(&production())).unwrap_err();
    assert_eq!(refusal.code(), Code::ValidationFailed);
    assert_eq!(refusal.to_string(), "spec cannot be changed: create a new Deployment");
}

#[test]
fn what_was_said_once_stays_said() {
    let says: [Say; 8] = [confirm, approve, break_glass, override_freeze, start, succeed, ask_rollback, abort];
    for say in says {
        let mut old = stored(Phase::Applying);
        let new = old.clone();
        say(&mut old, "olga");
        let refusal = admit(Some(&old), &new, &caller("olga"), Some(&by_hand())).unwrap_err();
        assert_eq!(refusal.code(), Code::ValidationFailed);
        assert!(refusal.to_string().ends_with("add another entry instead"), "{refusal}");
    }
}

#[test]
fn a_second_word_does_not_replace_the_first() {
    let mut old = stored(Phase::PendingApproval);
    approve(&mut old, "bob");
    let mut new = old.clone();
    new.intents.reviews[0].verdict = Verdict::Reject;
    assert!(admit(Some(&old), &new, &caller("bob"), Some(&production())).is_err());
}

#[rstest]
#[case::confirm(confirm, "alice", Phase::Previewed)]
#[case::approve(approve, "bob", Phase::PendingApproval)]
fn what_names_an_older_preview_is_refused(#[case] say: Say, #[case] who: &str, #[case] phase: Phase) {
    let mut old = stored(phase);
    old.status.preview.as_mut().unwrap().reference.number = 2;
    assert_eq!(outcome(&old, say, who, &production()), Err(Code::PreviewMismatch));
    old.status.preview = None;
    assert_eq!(outcome(&old, say, who, &production()), Err(Code::PreviewRequired));
}

#[test]
fn a_rejection_needs_a_note() {
    fn without_a_note(new: &mut Deployment, who: &str) {
        reject(new, who);
        new.intents.reviews[0].note = None;
    }
    let old = stored(Phase::PendingApproval);
    assert_eq!(outcome(&old, without_a_note, "bob", &production()), Err(Code::NoteRequired));
}

#[test]
fn no_review_follows_a_rejection_or_the_last_approval() {
    for decided in [approve, reject] {
        let mut old = stored(Phase::PendingApproval);
        decided(&mut old, "bob");
        assert_eq!(outcome(&old, approve, "olga", &production()), Err(Code::Conflict));
        assert_eq!(outcome(&old, reject, "olga", &production()), Err(Code::Conflict));
    }
    let mut old = stored(Phase::PendingApproval);
    old.status.ticket.as_mut().unwrap().required = 2;
    approve(&mut old, "bob");
    assert_eq!(outcome(&old, approve, "olga", &production()), Ok(()));
}

#[test]
fn nothing_follows_an_abort_but_a_second_look_at_a_broken_glass() {
    let mut old = stored(Phase::Applying);
    break_glass(&mut old, "olga");
    abort(&mut old, "alice");
    assert_eq!(outcome(&old, ask_rollback, "olga", &production()), Err(Code::Conflict));
    assert_eq!(outcome(&old, after_review, "bob", &production()), Ok(()));
}

#[test]
fn what_an_abort_has_left_failed_is_rolled_back() {
    let mut old = stored(Phase::Failed);
    abort(&mut old, "alice");
    assert_eq!(outcome(&old, ask_rollback, "olga", &production()), Ok(()));
    assert_eq!(outcome(&old, break_glass, "olga", &production()), Err(Code::Conflict));
    assert_eq!(outcome(&old, approve, "bob", &production()), Err(Code::Conflict));
    let mut old = waiting_rollback();
    old.status.phase = Phase::Failed;
    abort(&mut old, "alice");
    assert_eq!(outcome(&old, approve_rollback, "bob", &production()), Ok(()));
}

fn after_review(new: &mut Deployment, who: &str) {
    new.intents.after_review = Some(act(who));
}

#[rstest]
#[case::a_reviewer("bob", Ok(()))]
#[case::whoever_broke_it("olga", Err(Code::SelfApproval))]
#[case::the_requester("alice", Err(Code::SelfApproval))]
#[case::the_submitter("ci", Err(Code::SelfApproval))]
#[case::nobody("mallory", Err(Code::Forbidden))]
fn a_broken_glass_is_reviewed_by_someone_else(#[case] who: &str, #[case] expected: Result<(), Code>) {
    let mut old = stored(Phase::Succeeded);
    assert_eq!(outcome(&old, after_review, "bob", &production()), Err(Code::ValidationFailed), "nothing was broken");
    break_glass(&mut old, "olga");
    assert_eq!(outcome(&old, after_review, who, &production()), expected);
}

#[test]
fn start_and_finish_are_for_people_who_work_by_hand() {
    let cases: [(Say, Phase); 3] = [(start, Phase::Approved), (succeed, Phase::Applying), (fail, Phase::Applying)];
    for (say, phase) in cases {
        assert_eq!(outcome(&stored(phase), say, "olga", &production()), Err(Code::ValidationFailed));
        assert_eq!(outcome(&stored(phase), say, "olga", &by_hand()), Ok(()));
    }
}

/// A rollback by hand that dora asked for and that waits for review.
fn waiting_rollback() -> Deployment {
    let mut old = stored(Phase::Succeeded);
    old.intents.rollbacks.push(RollbackRequest { id: "r-0".to_owned(), actor: actor("dora"), note: note("why") });
    old.status.handled_rollbacks.push("r-0".to_owned());
    let origin = Origin::Manual { actor: actor("dora") };
    old.status.rollback = Some(Rollback::new("r-0", origin, running("web-v1", "d1"), at(60)));
    old
}

fn approve_rollback(new: &mut Deployment, who: &str) {
    let subject = new.status.rollback.as_ref().unwrap().reference.clone();
    new.intents.reviews.push(review(who, Verdict::Approve, &subject));
}

#[test]
fn one_rollback_is_open_at_a_time() {
    let mut old = waiting_rollback();
    assert_eq!(outcome(&old, ask_rollback, "olga", &production()), Err(Code::Conflict));
    old.status.rollback.as_mut().unwrap().state = RollbackState::Failed;
    assert_eq!(outcome(&old, ask_rollback, "olga", &production()), Ok(()));
    ask_rollback(&mut old, "olga");
    assert_eq!(outcome(&old, ask_rollback, "olga", &production()), Err(Code::Conflict), "asked, and not taken up yet");
    let twice: Say = |new, who| {
        ask_rollback(new, who);
        ask_rollback(new, who);
    };
    assert_eq!(outcome(&stored(Phase::Succeeded), twice, "olga", &production()), Err(Code::Conflict));
}

#[rstest]
#[case::a_reviewer("bob", Ok(()))]
#[case::the_requester_of_the_deployment("alice", Ok(()))]
#[case::the_submitter_of_the_deployment("ci", Ok(()))]
#[case::nobody("mallory", Err(Code::Forbidden))]
fn a_rollback_is_reviewed_by_anyone_but_whoever_asked(#[case] who: &str, #[case] expected: Result<(), Code>) {
    assert_eq!(outcome(&waiting_rollback(), approve_rollback, who, &production()), expected);
    let mut old = waiting_rollback();
    old.status.rollback.as_mut().unwrap().origin = Origin::Manual { actor: actor("bob") };
    assert_eq!(outcome(&old, approve_rollback, "bob", &production()), Err(Code::SelfApproval));
}

#[test]
fn a_rollback_that_is_decided_takes_no_further_review() {
    let mut old = waiting_rollback();
    approve_rollback(&mut old, "bob");
    assert_eq!(outcome(&old, approve_rollback, "olga", &production()), Err(Code::Conflict));
    let mut old = waiting_rollback();
    old.status.rollback.as_mut().unwrap().state = RollbackState::Running;
    assert_eq!(outcome(&old, approve_rollback, "bob", &production()), Err(Code::Conflict));
    let without_a_note: Say = |new, who| {
        approve_rollback(new, who);
        (new.intents.reviews[0].verdict, new.intents.reviews[0].note) = (Verdict::Reject, None);
    };
    assert_eq!(outcome(&waiting_rollback(), without_a_note, "bob", &production()), Err(Code::NoteRequired));
}

#[test]
fn a_rollback_under_way_cannot_be_aborted() {
    let mut old = waiting_rollback();
    (old.status.phase, old.status.rollback.as_mut().unwrap().state) = (Phase::Applying, RollbackState::Running);
    assert_eq!(outcome(&old, abort, "olga", &production()), Err(Code::Conflict));
}
