//! Who may say what about a Deployment: `domain::admission::admit`, in the API server's words.
//!
//! The order is the domain's, so that both give the same reason where several are true.

use serde_json::Value;
use slipway_domain::admission::{BY_HAND_ONLY, Verb};
use slipway_domain::intent::Intent;
use slipway_domain::phase::Phase;
use slipway_domain::refusal::Refusal;
use slipway_domain::rollback::RollbackState;

use super::caller::{CALLER, may};
use super::path::{at, present};
use super::policy::{Refusing, THERE};
use super::request;
use super::sentence::{fact, forbidden, invalid, literal, not_the_caller, stand_in, validation};
use crate::environment_index::Terms;

pub(super) const DEPLOYMENTS: &[&str] = &["deployments"];
/// Entries that are only ever added, by field.
pub(super) const LISTS: [&str; 3] = ["confirmations", "reviews", "rollbacks"];
/// Entries that are said once, by path.
pub(super) const SINGLES: [&str; 6] =
    ["manual.start", "manual.finish", "breakGlass", "afterReview", "overrideFreeze", "abort"];
/// The Environment that the Deployment names.
pub(super) const ENVIRONMENT: &str = "object.spec.environmentRef.name";
/// What stands for a phase in a sentence of the domain.
const ANY_PHASE: Phase = Phase::RolledBack;

/// The policies about Deployments.
pub(super) fn policies() -> Vec<Refusing> {
    vec![request::asked(), request::asked_there(), said(), said_there()]
}

/// What is said about a Deployment, by what it shows itself.
fn said() -> Refusing {
    let mut policy = Refusing::new("slipway-deployment-said", DEPLOYMENTS, &["UPDATE"]);
    // What moves only metadata, as the controller does, decides nothing.
    policy.condition("something-is-said", "object.spec != oldObject.spec");
    for (name, expression) in saying() {
        policy.variable(name, expression);
    }
    policy.refuse(request_stays());
    for field in LISTS {
        let gone = format!(
            "!has(oldObject.spec.{field}) || oldObject.spec.{field}.all(then, has(object.spec.{field}) && then in object.spec.{field})"
        );
        policy.refuse(entry_stays(field, &gone));
    }
    for path in SINGLES {
        let (was, is) = (present("oldObject", path), present("object", path));
        policy.refuse(entry_stays(path, &format!("!({was}) || ({is} && object.spec.{path} == oldObject.spec.{path})")));
    }
    let all = [aborted(), confirmed(), reviewed(), of_rollback(), of_preview(), reported(), rolled_back(), decided()];
    all.into_iter().flatten().for_each(|validation| policy.refuse(validation));
    policy
}

/// What is known of what is said, and of the Deployment it is said about.
fn saying() -> Vec<(&'static str, String)> {
    let fresh = |list: &str| {
        format!(
            "has(object.spec.{list}) ? object.spec.{list}.filter(now, !has(oldObject.spec.{list}) \
             || !(now in oldObject.spec.{list})) : []"
        )
    };
    let once = |path: &str| format!("{} && !({})", present("object", path), present("oldObject", path));
    let status = "has(oldObject.status)";
    vec![
        ("caller", CALLER.to_owned()),
        ("environment", ENVIRONMENT.to_owned()),
        ("phase", format!("{status} && has(oldObject.status.phase) ? oldObject.status.phase : 'Pending'")),
        ("preview", format!("{status} && has(oldObject.status.preview) ? oldObject.status.preview.ref : ''")),
        (
            "needed",
            format!(
                "{status} && {} ? oldObject.status.approval.required : 1",
                at("oldObject.status", "approval.required")
            ),
        ),
        (
            "rollback",
            format!("{status} && {} ? oldObject.status.rollback.ref : ''", at("oldObject.status", "rollback.ref")),
        ),
        ("rollbackState", format!("{status} && has(oldObject.status.rollback) ? oldObject.status.rollback.state : ''")),
        (
            "rollbackActor",
            format!("{status} && {} ? oldObject.status.rollback.actor : ''", at("oldObject.status", "rollback.actor")),
        ),
        ("requester", "has(oldObject.spec.requester) ? oldObject.spec.requester : ''".to_owned()),
        ("submitter", "has(oldObject.spec.submittedBy) ? oldObject.spec.submittedBy : ''".to_owned()),
        ("reviewed", "has(oldObject.spec.reviews) ? oldObject.spec.reviews : []".to_owned()),
        ("confirmations", fresh("confirmations")),
        ("reviews", fresh("reviews")),
        (
            "ofPreview",
            "variables.reviews.filter(review, variables.rollback == '' || review.previewRef != variables.rollback)"
                .to_owned(),
        ),
        (
            "ofRollback",
            "variables.reviews.filter(review, variables.rollback != '' && review.previewRef == variables.rollback)"
                .to_owned(),
        ),
        ("rollbacks", fresh("rollbacks")),
        ("start", once("manual.start")),
        ("finish", once("manual.finish")),
        ("breakGlass", once("breakGlass")),
        ("afterReview", once("afterReview")),
        ("overrideFreeze", once("overrideFreeze")),
        ("abort", once("abort")),
        ("deploy", may(Verb::Deploy)),
        ("approve", may(Verb::Approve)),
        ("undo", may(Verb::Rollback)),
        ("breakglass", may(Verb::BreakGlass)),
    ]
}

/// After an abort nothing more is accepted but a second look at a broken glass and, once it has failed, the way back: a
/// rollback, and the reviews of it.
fn aborted() -> Vec<Value> {
    let nothing = format!(
        "!has(oldObject.spec.abort) || (variables.confirmations.size() + variables.ofPreview.size() == 0 \
         && (variables.phase == '{}' || variables.rollbacks.size() + variables.ofRollback.size() == 0) \
         && !variables.start && !variables.finish && !variables.breakGlass && !variables.overrideFreeze)",
        Phase::Failed.as_str()
    );
    let over = Refusal::Decided { subject: "this deployment, by its abort,".to_owned() };
    vec![validation(&nothing, &over, &[])]
}

fn confirmed() -> Vec<Value> {
    let new = "variables.confirmations";
    let named = format!("{new}.map(entry, entry.actor)");
    [speaks(Intent::Confirm, &format!("{new}.size() > 0"), &named), stands(new)].concat()
}

fn reviewed() -> Vec<Value> {
    let all = "variables.reviews";
    let (new, named) = (format!("{all}.size() > 0"), format!("{all}.map(entry, entry.reviewer)"));
    vec![in_own_name(Intent::Approve, &new, &named), allowed(Intent::Approve, &new)]
}

/// A rollback is judged by anyone but whoever asked for it.
fn of_rollback() -> Vec<Value> {
    let of = "variables.ofRollback";
    let waits = format!("{of}.size() == 0 || variables.rollbackState == '{}'", RollbackState::Requested.as_str());
    vec![
        not_their_own(&format!("{of}.all(entry, entry.reviewer != variables.rollbackActor)")),
        decided_already(&waits, "variables.rollback"),
        note_for_no(of),
        nothing_after_no(of, "variables.rollback"),
    ]
}

/// A preview is judged by anyone but requester and submitter; whoever submitted for someone else may still say no.
fn of_preview() -> Vec<Value> {
    let of = "variables.ofPreview";
    let said = |decision: &str| format!("{of}.exists(entry, entry.decision == '{decision}')");
    let four_eyes = format!(
        "{of}.all(entry, entry.reviewer != variables.requester \
         && (entry.decision != 'Approve' || entry.reviewer != variables.submitter))"
    );
    let judged = vec![
        timely(Intent::Approve, &said("Approve")),
        timely(Intent::Reject, &said("Reject")),
        not_their_own(&four_eyes),
        note_for_no(of),
    ];
    let enough = "variables.reviewed.filter(then, then.previewRef == variables.preview).size() < variables.needed";
    let settled = vec![
        nothing_after_no(of, "variables.preview"),
        decided_already(&format!("{of}.size() == 0 || {enough}"), "variables.preview"),
    ];
    [judged, stands(of), settled].concat()
}

fn reported() -> Vec<Value> {
    let finished = |result: &str| format!("variables.finish && object.spec.manual.finish.result == '{result}'");
    let reporter = "[object.spec.manual.finish.actor]";
    [
        speaks(Intent::Start, "variables.start", "[object.spec.manual.start.actor]"),
        speaks(Intent::Succeed, &finished("Succeeded"), reporter),
        speaks(Intent::Fail, &finished("Failed"), reporter),
    ]
    .concat()
}

fn rolled_back() -> Vec<Value> {
    let new = "variables.rollbacks";
    let open = RollbackState::ALL.iter().filter(|state| state.open()).map(|state| literal(state.as_str()));
    let open = open.collect::<Vec<_>>().join(", ");
    let handled = "!has(oldObject.spec.rollbacks) || oldObject.spec.rollbacks.all(then, has(oldObject.status) \
                   && has(oldObject.status.handledRollbacks) && then.id in oldObject.status.handledRollbacks)";
    let one = format!("{new}.size() == 1 && !(variables.rollbackState in [{open}]) && ({handled})");
    let mut all = speaks(Intent::Rollback, &format!("{new}.size() > 0"), &format!("{new}.map(entry, entry.actor)"));
    all.push(validation(&format!("{new}.size() == 0 || ({one})"), &Refusal::RollbackOpen, &[]));
    all
}

/// Decisions that are made once.
fn decided() -> Vec<Value> {
    let once =
        |intent, entry: &str| speaks(intent, &format!("variables.{entry}"), &format!("[object.spec.{entry}.actor]"));
    let looker = "object.spec.afterReview.actor";
    let others =
        format!("!variables.afterReview || ({looker} != variables.requester && {looker} != variables.submitter)");
    let glass = "!variables.afterReview || has(oldObject.spec.breakGlass)";
    let breaker = format!("!variables.afterReview || {looker} != oldObject.spec.breakGlass.actor");
    let second_look = vec![
        not_their_own(&others),
        invalid("spec.afterReview", "is for what has skipped review", glass),
        not_their_own(&breaker),
    ];
    let running = format!("!variables.abort || variables.rollbackState != '{}'", RollbackState::Running.as_str());
    [
        once(Intent::BreakGlass, "breakGlass"),
        once(Intent::AfterReview, "afterReview"),
        second_look,
        once(Intent::OverrideFreeze, "overrideFreeze"),
        once(Intent::Abort, "abort"),
        vec![validation(&running, &Refusal::RollbackOpen, &[])],
    ]
    .concat()
}

/// What is said about a Deployment, by what its Environment asks for.
fn said_there() -> Refusing {
    let mut policy = Refusing::new("slipway-deployment-said-there", DEPLOYMENTS, &["UPDATE"]);
    let touched = "object.spec != oldObject.spec && (has(object.spec.manual) || has(oldObject.status) \
                   && has(oldObject.status.rollback))";
    policy.ask_there(touched);
    for (name, expression) in saying() {
        policy.variable(name, expression);
    }
    // Where the other policy refuses, this one says nothing: of two refusals the API server shows any.
    policy.variable("soundReview", all_hold(&[aborted(), reviewed(), of_rollback()].concat()));
    policy.variable("soundReport", all_hold(&[aborted(), reported()].concat()));
    let before = "variables.reviewed.filter(then, then.previewRef == variables.rollback).size()";
    let approvals = Terms::approvals(THERE);
    let enough = format!(
        "variables.ofRollback.size() == 0 || !variables.soundReview || {before} < ({approvals} > 1 ? {approvals} : 1)"
    );
    policy.refuse(decided_already(&enough, "variables.rollback"));
    let by_hand =
        format!("!(variables.start || variables.finish) || !variables.soundReport || {}", Terms::by_hand(THERE));
    policy.refuse(invalid("spec.manual", BY_HAND_ONLY, &by_hand));
    policy
}

/// The condition that none of these refuses.
fn all_hold(validations: &[Value]) -> String {
    let expressions = validations.iter().filter_map(|validation| validation["expression"].as_str());
    expressions.map(|expression| format!("({expression})")).collect::<Vec<_>>().join(" && ")
}

/// What everybody who says something must be: named as who they are, allowed to, and in time.
fn speaks(intent: Intent, fresh: &str, named: &str) -> Vec<Value> {
    vec![in_own_name(intent, fresh, named), allowed(intent, fresh), timely(intent, fresh)]
}

fn in_own_name(intent: Intent, fresh: &str, named: &str) -> Value {
    let holds = format!("!({fresh}) || {named}.all(name, name == variables.caller)");
    let other = format!("{named}.filter(name, name != variables.caller)[0]");
    not_the_caller(intent.actor_field(), &holds, &other)
}

fn allowed(intent: Intent, fresh: &str) -> Value {
    let variable = match intent.verb() {
        Verb::Approve => "variables.approve",
        Verb::Rollback => "variables.undo",
        Verb::BreakGlass => "variables.breakglass",
        Verb::Deploy | Verb::Reset | Verb::Backup | Verb::Govern | Verb::ActAs => "variables.deploy",
    };
    forbidden(intent.verb(), &format!("!({fresh}) || {variable}"))
}

fn timely(intent: Intent, fresh: &str) -> Value {
    let phases = intent.phases().iter().map(|phase| literal(phase.as_str())).collect::<Vec<_>>().join(", ");
    let refusal = Refusal::WrongPhase { action: intent.as_str(), phase: ANY_PHASE, possible: intent.phases() };
    let holds = format!("!({fresh}) || variables.phase in [{phases}]");
    validation(&holds, &refusal, &[fact(ANY_PHASE.as_str(), "variables.phase")])
}

/// What is judged is the preview that stands.
fn stands(new: &str) -> Vec<Value> {
    let other = Refusal::PreviewMismatch { named: "NAMED".to_owned(), current: "CURRENT".to_owned() };
    let facts = [
        fact("NAMED", format!("{new}.filter(entry, entry.previewRef != variables.preview)[0].previewRef")),
        fact("CURRENT", "variables.preview"),
    ];
    vec![
        validation(&format!("{new}.size() == 0 || variables.preview != ''"), &Refusal::PreviewRequired, &[]),
        validation(&format!("{new}.all(entry, entry.previewRef == variables.preview)"), &other, &facts),
    ]
}

fn not_their_own(holds: &str) -> Value {
    let refusal = Refusal::SelfApproval { reviewer: stand_in("CALLER") };
    validation(holds, &refusal, &[fact("CALLER", "variables.caller")])
}

fn note_for_no(new: &str) -> Value {
    let holds = format!("{new}.all(entry, entry.decision != 'Reject' || has(entry.note))");
    validation(&holds, &Refusal::NoteRequired { action: Intent::Reject.as_str() }, &[])
}

fn nothing_after_no(new: &str, subject: &str) -> Value {
    let no = format!("variables.reviewed.exists(then, then.previewRef == {subject} && then.decision == 'Reject')");
    decided_already(&format!("{new}.size() == 0 || !{no}"), subject)
}

fn decided_already(holds: &str, subject: &str) -> Value {
    validation(holds, &Refusal::Decided { subject: "SUBJECT".to_owned() }, &[fact("SUBJECT", subject)])
}

/// What was asked stays; only entries are added.
fn request_stays() -> Value {
    let entries: Vec<_> = LISTS.into_iter().chain(SINGLES.map(top)).map(literal).collect();
    let added = format!("field in [{}]", entries.join(", "));
    let holds = format!(
        "object.spec.all(field, {added} || (field in oldObject.spec && object.spec[field] == oldObject.spec[field])) \
         && oldObject.spec.all(field, {added} || field in object.spec)"
    );
    validation(&holds, &Refusal::Immutable { field: "spec".to_owned(), hint: "create a new Deployment" }, &[])
}

fn entry_stays(path: &str, holds: &str) -> Value {
    let hint = "what was said once stays; add another entry instead";
    validation(holds, &Refusal::Immutable { field: format!("spec.{path}"), hint }, &[])
}

/// The field that holds the entry.
fn top(path: &'static str) -> &'static str {
    path.split('.').next().unwrap_or(path)
}
