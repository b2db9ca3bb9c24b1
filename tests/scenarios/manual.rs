//! People do the work; Slipway keeps the record and the rules.

use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, deployment, manual};
use slipway_tests::stage::{ALICE, BOB, Stage};

#[tokio::test]
async fn work_by_hand_is_approved_started_reported_and_rolled_back() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &manual("plant")).await;
    let uid = approved(&stage, "line-v1").await;
    say(&stage, "line-v1", json!({"manual": {"start": {"actor": ALICE}}})).await;
    stage.phase("line-v1", Phase::Applying).await;
    let finish = json!({"manual": {"start": {"actor": ALICE}, "finish": {"result": "Succeeded", "actor": ALICE, "note": "done"}}});
    say(&stage, "line-v1", finish).await;
    stage.phase("line-v1", Phase::Succeeded).await;
    say(&stage, "line-v1", json!({"rollbacks": [{"id": "back", "actor": ALICE, "note": "it was slower"}]})).await;
    stage.phase("line-v1", Phase::RolledBack).await;
    stage.recorded(&uid, "release.rollback_completed").await;
    let told: Vec<_> =
        stage.history(&uid).iter().map(|event| (event.action.to_string(), event.status.clone())).collect();
    let told: Vec<_> = told.iter().map(|(action, status)| (action.as_str(), status.as_str())).collect();
    assert_eq!(
        told,
        [
            ("release.created", "pending"),
            ("release.previewed", "previewed"),
            ("release.confirmed", "previewed"),
            ("release.pending_approval", "pending_approval"),
            ("release.approved", "approved"),
            ("release.applying", "started"),
            ("release.applied", "succeeded"),
            ("release.rollback_completed", "rolled_back"),
        ]
    );
    let environment: slipway_crd::Environment = stage.get("plant").await;
    let status = environment.status.unwrap();
    assert_eq!((status.phase.to_string().as_str(), status.operations), ("Active", 0));
    stage.verify();
}

#[tokio::test]
async fn work_by_hand_that_fails_says_why_and_the_next_one_goes_on() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &manual("plant")).await;
    let uid = approved(&stage, "line-v1").await;
    // Two at a time: nothing is claimed.
    approved(&stage, "line-v2").await;
    say(&stage, "line-v1", json!({"manual": {"start": {"actor": ALICE}}})).await;
    stage.phase("line-v1", Phase::Applying).await;
    say(&stage, "line-v1", json!({"manual": {"finish": {"result": "Failed", "actor": ALICE, "note": "a pump broke"}}}))
        .await;
    let failed = stage.phase("line-v1", Phase::Failed).await;
    let history = stage.recorded(&uid, "release.failed").await;
    assert_eq!(history.last().unwrap().detail["note"], "a pump broke");
    assert!(failed.status.unwrap().finished_at.is_some());
    say(&stage, "line-v2", json!({"manual": {"start": {"actor": ALICE}}})).await;
    stage.phase("line-v2", Phase::Applying).await;
}

#[tokio::test]
async fn a_version_that_is_recreated_takes_the_outcome_it_had() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &manual("plant")).await;
    approved(&stage, "line-v1").await;
    say(&stage, "line-v1", json!({"manual": {"start": {"actor": ALICE}}})).await;
    stage.phase("line-v1", Phase::Applying).await;
    say(&stage, "line-v1", json!({"manual": {"finish": {"result": "Succeeded", "actor": ALICE}}})).await;
    let done = stage.phase("line-v1", Phase::Succeeded).await;
    stage.recorded(&done.metadata.uid.unwrap(), "release.applied").await;
    stage.delete::<Deployment>("line-v1").await;
    stage.gone::<Deployment>("line-v1").await;
    let uid = stage.apply(ALICE, &by_version("line-v1")).await.metadata.uid.unwrap();
    stage.phase("line-v1", Phase::Succeeded).await;
    stage.recorded(&uid, "release.adopted").await;
    assert_eq!(stage.actions(&uid), ["release.adopted"]);
}

fn by_version(name: &str) -> Value {
    deployment(name, "line", "plant", name).with("spec.operation", json!({"deploy": {"version": "1.4"}}))
}

async fn approved(stage: &Stage, name: &str) -> String {
    let uid = stage.apply(ALICE, &by_version(name)).await.metadata.uid.unwrap();
    let waiting = stage.phase(name, Phase::PendingApproval).await;
    let status = waiting.status.unwrap();
    let reference = status.preview.unwrap().reference;
    assert_eq!(status.approval.unwrap().expires_at, None);
    say_as(stage, BOB, name, json!({"reviews": [{"reviewer": BOB, "decision": "Approve", "previewRef": reference}]}))
        .await;
    stage.phase(name, Phase::Approved).await;
    uid
}

async fn say(stage: &Stage, name: &str, spec: Value) {
    say_as(stage, ALICE, name, spec).await;
}

async fn say_as(stage: &Stage, person: &str, name: &str, spec: Value) {
    stage.say::<Deployment>(person, name, json!({"spec": spec})).await;
}
