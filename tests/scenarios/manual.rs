//! People do the work; Slipway keeps the record and the rules.

use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::event::Event;
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

#[tokio::test]
async fn work_by_hand_is_rejected_stopped_or_taken_back_and_nothing_is_ever_executed() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &manual("plant")).await;
    let rejected = stage.apply(ALICE, &by_version("rejected")).await.metadata.uid.unwrap();
    let waiting = stage.phase("rejected", Phase::PendingApproval).await;
    let reference = waiting.status.unwrap().preview.unwrap().reference;
    let mut no = json!({"reviewer": BOB, "decision": "Reject", "previewRef": reference});
    let silent = stage.try_say::<Deployment>(BOB, "rejected", json!({"spec": {"reviews": [no]}})).await;
    assert!(silent.unwrap_err().to_string().contains("a rejection needs a note"));
    no["note"] = json!("not in summer");
    say_as(&stage, BOB, "rejected", json!({"reviews": [no]})).await;
    stage.phase("rejected", Phase::Rejected).await;

    let begun = ["stopped", "failed", "undone"];
    for name in begun {
        approved(&stage, name).await;
        say(&stage, name, json!({"manual": {"start": {"actor": ALICE}}})).await;
        stage.phase(name, Phase::Applying).await;
    }
    say(&stage, "stopped", json!({"abort": {"actor": ALICE, "note": "wrong pump"}})).await;
    let stopped = stage.phase("stopped", Phase::Failed).await;
    assert_eq!(stopped.status.unwrap().diagnostics.unwrap().code, "aborted");
    let silent = json!({"spec": {"manual": {"finish": {"result": "Failed", "actor": ALICE}}}});
    let refused = stage.try_say::<Deployment>(ALICE, "failed", silent).await.unwrap_err();
    assert!(refused.to_string().contains("a failure needs a note"), "{refused}");
    say(&stage, "failed", json!({"manual": {"finish": {"result": "Failed", "actor": ALICE, "note": "a leak"}}})).await;
    stage.phase("failed", Phase::Failed).await;
    for name in ["failed", "undone"] {
        say(&stage, name, json!({"rollbacks": [{"id": "back", "actor": ALICE, "note": "as it was"}]})).await;
        stage.phase(name, Phase::RolledBack).await;
    }

    let told = |events: Vec<Event>| events.iter().map(|event| event.status.clone()).skip(3).collect::<Vec<_>>();
    assert_eq!(told(stage.recorded(&rejected, "release.rejected").await), ["pending_approval", "rejected"]);
    let ends = [
        ("stopped", "release.aborted", &["failed"][..]),
        ("failed", "release.rollback_completed", &["failed", "rolled_back"][..]),
        ("undone", "release.rollback_completed", &["rolled_back"][..]),
    ];
    for (name, last, end) in ends {
        let uid = stage.get::<Deployment>(name).await.metadata.uid.unwrap();
        let life = [&["pending_approval", "approved", "started"][..], end].concat();
        assert_eq!(told(stage.recorded(&uid, last).await), life, "{name}");
    }
    let status = stage.get::<slipway_crd::Environment>("plant").await.status.unwrap();
    assert_eq!((status.phase.to_string().as_str(), status.operations, status.services.len()), ("Active", 0, 0));
    assert_eq!(
        stage.kubectl_says(&["get", "configmaps,deployments.apps", "-o", "name"]),
        "configmap/kube-root-ca.crt\n"
    );
    stage.verify();
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
