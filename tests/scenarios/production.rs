//! Production: nothing runs that was not looked at, and nobody looks at their own work.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release};
use slipway_tests::stage::{ALICE, BOB, CAROL, Stage};

#[tokio::test]
async fn a_change_is_confirmed_and_approved_by_someone_else_and_then_runs() {
    let stage = Stage::open().await;
    let uid = previewed(&stage, |environment| environment).await;
    let waiting = stage.waits("web-v1", "ConfirmationRequired").await;
    let preview = waiting.status.as_ref().unwrap().preview.clone().unwrap();
    assert_eq!(preview.changes.counts.added, 1);
    assert!(stage.find::<ConfigMap>("web").await.is_none());

    let reference = confirm(&stage).await;
    let waiting = stage.phase("web-v1", Phase::PendingApproval).await;
    let approval = waiting.status.unwrap().approval.unwrap();
    assert_eq!((approval.required, approval.count), (Some(1), Some(0)));
    let (opened, expires, due) = (approval.opened_at.unwrap(), approval.expires_at.unwrap(), approval.due_at.unwrap());
    assert_eq!(expires.duration_since(opened).as_mins(), 30);
    assert_eq!(due.duration_since(opened).as_mins(), 30);
    assert_eq!(approval.ticket.unwrap(), format!("{uid}-1"));

    review(&stage, BOB, "Approve", &reference).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    let approval = done.status.unwrap().approval.unwrap();
    assert_eq!((approval.reviewed_by.as_deref(), approval.count), (Some(BOB), Some(1)));
    let history = stage.recorded(&uid, "release.applied").await;
    let told: Vec<_> = history.iter().map(|event| (event.action.as_str(), event.actor_id.as_str())).collect();
    assert_eq!(
        told,
        [
            ("release.created", ALICE),
            ("release.previewed", "controller"),
            ("release.confirmed", ALICE),
            ("release.pending_approval", "controller"),
            ("release.approved", BOB),
            ("release.applying", "controller"),
            ("release.applied", "controller"),
        ]
    );
    assert_eq!(history[2].detail["note"], "as agreed");
    stage.verify();
}

#[tokio::test]
async fn nobody_approves_their_own_request() {
    let stage = Stage::open().await;
    let uid = previewed(&stage, |environment| environment).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    let own = json!({"reviewer": ALICE, "decision": "Approve", "previewRef": reference});
    let answer = stage.try_say::<Deployment>(ALICE, "web-v1", json!({"spec": {"reviews": [own]}})).await;
    // The API server refuses it where the policies are installed; where they are not it counts for nothing.
    if answer.is_ok() {
        let history = stage.recorded(&uid, "release.review_void").await;
        let void = history.last().unwrap();
        assert_eq!((void.action.as_str(), void.actor_id.as_str()), ("release.review_void", ALICE));
        let now: Deployment = stage.get("web-v1").await;
        let status = now.status.unwrap();
        assert_eq!((status.phase, status.approval.unwrap().count), (Phase::PendingApproval, Some(0)));
    }
    review(&stage, BOB, "Approve", &reference).await;
    stage.phase("web-v1", Phase::Succeeded).await;
}

#[tokio::test]
async fn a_rejection_is_the_end() {
    let stage = Stage::open().await;
    let uid = previewed(&stage, |environment| environment).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    review(&stage, BOB, "Reject", &reference).await;
    stage.phase("web-v1", Phase::Rejected).await;
    let history = stage.recorded(&uid, "release.rejected").await;
    assert_eq!(history.last().unwrap().detail["note"], "looked at it");
    let late = json!({"reviewer": CAROL, "decision": "Approve", "previewRef": reference});
    if stage
        .try_say::<Deployment>(CAROL, "web-v1", add("reviews", &[review_of(BOB, "Reject", &reference), late]))
        .await
        .is_ok()
    {
        stage.recorded(&uid, "release.review_void").await;
    }
    assert_eq!(stage.get::<Deployment>("web-v1").await.status.unwrap().phase, Phase::Rejected);
    assert!(stage.find::<ConfigMap>("web").await.is_none());
    stage.verify();
}

#[tokio::test]
async fn without_a_risk_note_nothing_is_previewed() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &production(&stage)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    let answer = stage.try_apply(ALICE, &deployment("web-v1", "web", "prod", "web-v1")).await;
    if let Err(refused) = answer {
        assert!(refused.to_string().contains("risk"), "{refused}");
        return;
    }
    let refused = stage
        .until("web-v1", "is refused", |deployment: &Deployment| {
            deployment.status.as_ref().is_some_and(|status| status.diagnostics.is_some() && status.audit.seq > 0)
                && deployment.status.as_ref().unwrap().diagnostics.as_ref().unwrap().code != "not_found"
        })
        .await;
    let status = refused.status.unwrap();
    let said = status.diagnostics.unwrap();
    assert_eq!((status.phase, said.code.as_str()), (Phase::Pending, "validation_failed"));
    assert!(said.message.contains("spec.risk"), "{}", said.message);
    assert!(status.conditions.iter().any(|c| c.type_ == "Stalled" && c.status == "True"), "{:?}", status.conditions);
}

#[tokio::test]
async fn a_policy_that_changes_voids_what_was_confirmed_and_approved() {
    let stage = Stage::open().await;
    let two = |environment: Value| environment.with("spec.policy.approval.count", 2);
    let uid = previewed(&stage, two).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    review(&stage, BOB, "Approve", &reference).await;
    stage.recorded(&uid, "release.approved").await;
    stage.apply(ALICE, &two(production(&stage)).with("spec.policy.sla", "1h")).await;
    let again = stage
        .until("web-v1", "is previewed again", |deployment: &Deployment| {
            let preview = deployment.status.as_ref().and_then(|status| status.preview.as_ref());
            preview.is_some_and(|preview| preview.reference != reference)
        })
        .await;
    let status = again.status.unwrap();
    assert_eq!(status.phase, Phase::Previewed);
    let second = status.preview.unwrap().reference;
    assert!(second.starts_with("2-"), "{second}");

    // Everyone may decide again.
    let confirmation = |reference: &str| json!({"previewRef": reference, "actor": ALICE, "note": "as agreed"});
    stage
        .say::<Deployment>(ALICE, "web-v1", add("confirmations", &[confirmation(&reference), confirmation(&second)]))
        .await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    let reviews = json!([review_of(BOB, "Approve", &reference), review_of(BOB, "Approve", &second)]);
    stage.say::<Deployment>(BOB, "web-v1", json!({"spec": {"reviews": reviews}})).await;
    stage
        .until("web-v1", "has one approval", |deployment: &Deployment| {
            deployment
                .status
                .as_ref()
                .and_then(|status| status.approval.as_ref())
                .is_some_and(|approval| approval.count == Some(1))
        })
        .await;
    let reviews = [BOB, BOB, CAROL].into_iter().zip([&reference, &second, &second]);
    let reviews: Vec<Value> = reviews.map(|(reviewer, reference)| review_of(reviewer, "Approve", reference)).collect();
    stage.say::<Deployment>(CAROL, "web-v1", json!({"spec": {"reviews": reviews}})).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.verify();
}

#[tokio::test]
async fn a_ticket_that_runs_out_waits_for_a_person() {
    let stage = Stage::open().await;
    let brief = |environment: Value| {
        environment.with("spec.policy.approval.expiresAfter", "2s").with("spec.policy.confirm", "Auto")
    };
    let uid = previewed(&stage, brief).await;
    let again = stage
        .until("web-v1", "is previewed again", |deployment: &Deployment| {
            let status = deployment.status.as_ref();
            status.is_some_and(|status| {
                status.phase == Phase::Previewed && status.preview.as_ref().is_some_and(|preview| preview.awaits_person)
            })
        })
        .await;
    let reference = again.status.unwrap().preview.unwrap().reference;
    assert!(reference.starts_with("2-"), "{reference}");
    let waiting = stage.waits("web-v1", "ConfirmationRequired").await;
    assert_eq!(waiting.status.unwrap().phase, Phase::Previewed);
    stage
        .say::<Deployment>(
            ALICE,
            "web-v1",
            json!({"spec": {"confirmations": [{"previewRef": reference, "actor": ALICE}]}}),
        )
        .await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    review(&stage, BOB, "Approve", &reference).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    let history = stage.recorded(&uid, "release.applied").await;
    let again = history.iter().filter(|event| event.action.as_str() == "release.previewed").nth(1).unwrap();
    assert_eq!(again.detail["reason"], "the ticket for review ran out");
}

#[tokio::test]
async fn broken_glass_skips_the_review_and_is_looked_at_afterwards() {
    let stage = Stage::open().await;
    let uid = previewed(&stage, |environment| environment).await;
    confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    let glass = json!({"spec": {"breakGlass": {"actor": CAROL, "note": "the shop is down"}}});
    stage.say::<Deployment>(CAROL, "web-v1", glass).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    assert_eq!(json!(done.status.unwrap().break_glass), "Unreviewed");
    let after = json!({"spec": {"afterReview": {"actor": BOB, "note": "it was right"}}});
    stage.say::<Deployment>(BOB, "web-v1", after).await;
    stage
        .until("web-v1", "is reviewed", |deployment: &Deployment| {
            json!(deployment.status.as_ref().and_then(|status| status.break_glass.as_ref())) == "Reviewed"
        })
        .await;
    stage.recorded(&uid, "release.break_glass_reviewed").await;
    stage.verify();
}

#[tokio::test]
async fn a_rollback_by_hand_waits_for_its_own_review() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &production(&stage)).await;
    for name in ["web-v1", "web-v2"] {
        stage.apply(ALICE, &release(name, "web", &[config("web", &json!({"version": name}))])).await;
        stage.apply(ALICE, &deployment(name, "web", "prod", name).with("spec.risk", "none known")).await;
        let waiting = stage.waits(name, "ConfirmationRequired").await;
        let reference = waiting.status.unwrap().preview.unwrap().reference;
        let confirmation = json!([{"previewRef": reference, "actor": ALICE}]);
        stage.say::<Deployment>(ALICE, name, json!({"spec": {"confirmations": confirmation}})).await;
        stage.phase(name, Phase::PendingApproval).await;
        stage.say::<Deployment>(BOB, name, json!({"spec": {"reviews": [review_of(BOB, "Approve", &reference)]}})).await;
        stage.phase(name, Phase::Succeeded).await;
        stage.environment("prod", "is free", |status| status.claim.is_none()).await;
    }
    let rollback = json!({"spec": {"rollbacks": [{"id": "now", "actor": CAROL, "note": "errors rise"}]}});
    stage.say::<Deployment>(CAROL, "web-v2", rollback).await;
    let asked = stage
        .until("web-v2", "has a rollback", |deployment: &Deployment| {
            deployment.status.as_ref().is_some_and(|status| status.rollback.is_some())
        })
        .await;
    assert_eq!(stage.get::<ConfigMap>("web").await.data.unwrap()["version"], "web-v2");
    let first = asked.status.as_ref().unwrap().preview.clone().unwrap().reference;
    let reference = asked.status.unwrap().rollback.unwrap().reference;
    // Requester and submitter may judge it; only whoever asked for it may not.
    let reviews = json!([review_of(BOB, "Approve", &first), review_of(ALICE, "Approve", &reference)]);
    stage.say::<Deployment>(ALICE, "web-v2", json!({"spec": {"reviews": reviews}})).await;
    stage.phase("web-v2", Phase::RolledBack).await;
    assert_eq!(stage.get::<ConfigMap>("web").await.data.unwrap()["version"], "web-v1");
    stage.environment("prod", "is free", |status| status.claim.is_none()).await;
    stage.verify();
}

#[tokio::test]
async fn a_freeze_holds_what_is_approved_until_someone_overrides_it() {
    let stage = Stage::open().await;
    let window = json!([{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"}]);
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.freezeWindows", window)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    let uid = stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await.metadata.uid.unwrap();
    let waiting = stage.waits("web-v1", "Frozen").await;
    let said = waiting.status.unwrap().diagnostics.unwrap();
    assert_eq!((said.code.as_str(), said.message.contains("holidays")), ("environment_frozen", true));
    let go = json!({"spec": {"overrideFreeze": {"actor": CAROL, "note": "the shop is down"}}});
    stage.say::<Deployment>(CAROL, "web-v1", go).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    let history = stage.recorded(&uid, "release.applied").await;
    assert_eq!(history[3].action.as_str(), "release.freeze_overridden");
    assert_eq!(history[3].actor_id.as_str(), CAROL);
}

#[tokio::test]
async fn a_freeze_that_ends_lets_go_by_itself() {
    let stage = Stage::open().await;
    let end = jiff::Timestamp::now() + std::time::Duration::from_secs(5);
    let window = json!([{"start": "2020-01-01T00:00:00Z", "end": end.to_string(), "reason": "a short one"}]);
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.freezeWindows", window)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    assert!(done.status.unwrap().started_at.unwrap() >= end);
}

pub(super) fn production(stage: &Stage) -> Value {
    environment("prod", &stage.namespace).with("spec.tier", "production")
}

/// A change to production that is asked for; what the Environment asks for is `change`d.
pub(super) async fn previewed(stage: &Stage, change: impl Fn(Value) -> Value) -> String {
    stage.apply(ALICE, &change(production(stage))).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
    let asked = deployment("web-v1", "web", "prod", "web-v1").with("spec.risk", "none known");
    stage.apply(ALICE, &asked).await.metadata.uid.unwrap()
}

/// Confirms the preview that stands; which one that is.
pub(super) async fn confirm(stage: &Stage) -> String {
    let waiting = stage.waits("web-v1", "ConfirmationRequired").await;
    let reference = waiting.status.unwrap().preview.unwrap().reference;
    let confirmation = json!([{"previewRef": reference, "actor": ALICE, "note": "as agreed"}]);
    stage.say::<Deployment>(ALICE, "web-v1", json!({"spec": {"confirmations": confirmation}})).await;
    reference
}

/// Adds a review to those that are there.
pub(super) async fn review(stage: &Stage, person: &str, decision: &str, reference: &str) {
    let now: Deployment = stage.get("web-v1").await;
    let mut reviews: Vec<Value> = now.spec.reviews.iter().map(|review| json!(review)).collect();
    reviews.push(review_of(person, decision, reference));
    stage.say::<Deployment>(person, "web-v1", json!({"spec": {"reviews": reviews}})).await;
}

pub(super) fn review_of(reviewer: &str, decision: &str, reference: &str) -> Value {
    json!({"reviewer": reviewer, "decision": decision, "previewRef": reference, "note": "looked at it"})
}

fn add(list: &str, both: &[Value; 2]) -> Value {
    let list = [(list.to_owned(), json!(both))];
    json!({"spec": Value::Object(list.into_iter().collect())})
}
