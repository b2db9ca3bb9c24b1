//! A tool applies the same files again and again, deletes and recreates: nothing runs twice.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use slipway_crd::{Deployment, Release};
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, BOB, Stage};

#[tokio::test]
async fn applying_the_same_files_again_writes_nothing_and_says_nothing() {
    let stage = Stage::open().await;
    let files = files(&stage, &[config("web", &json!({"a": "b"})), workload("web", "1")]);
    for file in &files {
        stage.apply(ALICE, file).await;
    }
    stage.phase("web-v1", Phase::Succeeded).await;
    settled(&stage).await;
    let (versions, events) = (stage.versions().await, stage.archive().len());
    for person in [ALICE, BOB, ALICE] {
        for file in &files {
            stage.apply(person, file).await;
        }
    }
    assert_eq!(stage.versions().await, versions);
    // Something that is really new comes after all that was not.
    stage.apply(ALICE, &deployment("marker", "web", "dev", "web-v1")).await;
    stage.phase("marker", Phase::Succeeded).await;
    settled(&stage).await;
    let kept = |version: &String| !version.starts_with("Deployment/marker") && !version.starts_with("Environment");
    let now: Vec<String> = stage.versions().await.into_iter().filter(kept).collect();
    assert_eq!(now, versions.into_iter().filter(kept).collect::<Vec<_>>());
    assert_eq!(stage.archive().len(), events + 5);
}

#[tokio::test]
async fn a_deployment_that_is_recreated_takes_the_outcome_it_had() {
    let stage = Stage::open().await;
    let files = files(&stage, &[config("web", &json!({"a": "b"}))]);
    for file in &files {
        stage.apply(ALICE, file).await;
    }
    let first = uid(&stage.phase("web-v1", Phase::Succeeded).await);
    settled(&stage).await;
    let before: ConfigMap = stage.get("web").await;
    let adopted = recreated(&stage, &files[2], Phase::Succeeded).await;
    assert_eq!(stage.history(&uid(&adopted))[0].detail["of"], first);
    assert_eq!(stage.get::<ConfigMap>("web").await.metadata.resource_version, before.metadata.resource_version);
    // And once more, from the one that had taken it.
    recreated(&stage, &files[2], Phase::Succeeded).await;
    stage.verify();
}

#[tokio::test]
async fn what_was_rolled_back_stays_so_when_it_is_recreated() {
    let stage = Stage::open().await;
    let first = files(&stage, &[config("web", &json!({"version": "1"})), workload("web", "1")]);
    for file in &first {
        stage.apply(ALICE, file).await;
    }
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.apply(ALICE, &release("web-v2", "web", &[workload("web", "crashing")])).await;
    let second = deployment("web-v2", "web", "dev", "web-v2");
    stage.apply(ALICE, &second).await;
    stage.phase("web-v2", Phase::RolledBack).await;
    settled(&stage).await;
    recreated(&stage, &second, Phase::RolledBack).await;
}

#[tokio::test]
async fn what_failed_stays_failed_when_it_is_recreated() {
    let stage = Stage::open().await;
    let files = files(&stage, &[workload("web", "crashing")]);
    for file in &files {
        stage.apply(ALICE, file).await;
    }
    stage.phase("web-v1", Phase::Failed).await;
    settled(&stage).await;
    recreated(&stage, &files[2], Phase::Failed).await;
}

#[tokio::test]
async fn what_was_rejected_stays_rejected_when_it_is_recreated() {
    let stage = Stage::open().await;
    let files = files(&stage, &[config("web", &json!({"a": "b"}))]);
    stage.apply(ALICE, &files[0].clone().with("spec.policy.approval.required", true)).await;
    stage.apply(ALICE, &files[1]).await;
    stage.apply(ALICE, &files[2]).await;
    let waiting = stage.phase("web-v1", Phase::PendingApproval).await;
    let reference = waiting.status.unwrap().preview.unwrap().reference;
    let review = json!({"reviewer": BOB, "decision": "Reject", "previewRef": reference, "note": "not on a Friday"});
    stage.say::<Deployment>(BOB, "web-v1", json!({"spec": {"reviews": [review]}})).await;
    stage.phase("web-v1", Phase::Rejected).await;
    recreated(&stage, &files[2], Phase::Rejected).await;
    assert!(stage.find::<ConfigMap>("web").await.is_none());
}

#[tokio::test]
async fn what_was_aborted_begins_anew_and_so_does_another_release_of_the_same_name() {
    let stage = Stage::open().await;
    let files = files(&stage, &[config("web", &json!({"version": "1"}))]);
    stage.apply(ALICE, &files[2]).await;
    stage.waits("web-v1", "EnvironmentNotFound").await;
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "too early"}}});
    stage.say::<Deployment>(ALICE, "web-v1", abort).await;
    stage.phase("web-v1", Phase::Aborted).await;
    stage.delete::<Deployment>("web-v1").await;
    stage.gone::<Deployment>("web-v1").await;
    for file in &files {
        stage.apply(ALICE, file).await;
    }
    stage.phase("web-v1", Phase::Succeeded).await;
    settled(&stage).await;

    // Another release under the same name is another change. It has to leave its Environment first.
    stage.delete::<Deployment>("web-v1").await;
    stage.gone::<Deployment>("web-v1").await;
    stage.apply(ALICE, &release("web-v2", "web", &[config("web", &json!({"version": "2"}))])).await;
    for name in ["web-v2", "web-v3"] {
        stage.apply(ALICE, &deployment(name, "web", "dev", "web-v2").with("spec.variables.NAME", name)).await;
        stage.phase(name, Phase::Succeeded).await;
    }
    settled(&stage).await;
    stage.delete::<Release>("web-v1").await;
    stage.gone::<Release>("web-v1").await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"version": "3"}))])).await;
    let again = stage.apply(ALICE, &files[2]).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    assert_eq!(stage.actions(&again.metadata.uid.unwrap())[0], "release.created");
    assert_eq!(stage.get::<ConfigMap>("web").await.data.unwrap()["version"], "3");
}

#[tokio::test]
async fn what_is_recreated_before_its_release_waits_for_it_and_does_not_run_again() {
    let stage = Stage::open().await;
    let files = files(&stage, &[config("web", &json!({"a": "b"}))]);
    for file in &files {
        stage.apply(ALICE, file).await;
    }
    stage.phase("web-v1", Phase::Succeeded).await;
    settled(&stage).await;
    stage.delete::<Deployment>("web-v1").await;
    stage.gone::<Deployment>("web-v1").await;
    stage.delete::<slipway_crd::Environment>("dev").await;
    stage.gone::<slipway_crd::Environment>("dev").await;
    stage.delete::<Release>("web-v1").await;
    stage.gone::<Release>("web-v1").await;
    for file in [&files[2], &files[0], &files[1]] {
        stage.apply(ALICE, file).await;
    }
    let adopted = stage.phase("web-v1", Phase::Succeeded).await;
    stage.recorded(&uid(&adopted), "release.adopted").await;
    assert_eq!(stage.actions(&uid(&adopted)), ["release.adopted"]);
}

fn files(stage: &Stage, manifests: &[Value]) -> [Value; 3] {
    [
        environment("dev", &stage.namespace),
        release("web-v1", "web", manifests),
        deployment("web-v1", "web", "dev", "web-v1"),
    ]
}

/// Deletes and applies again: one event, nothing run.
async fn recreated(stage: &Stage, file: &Value, phase: Phase) -> Deployment {
    let name = file["metadata"]["name"].as_str().unwrap();
    let old = uid(&stage.get(name).await);
    stage.delete::<Deployment>(name).await;
    stage.gone::<Deployment>(name).await;
    assert_eq!(stage.actions(&old).last().unwrap(), "release.deleted");
    let new = stage.apply(ALICE, file).await.metadata.uid.unwrap();
    assert_ne!(new, old);
    let adopted = stage.phase(name, phase).await;
    stage.recorded(&new, "release.adopted").await;
    assert_eq!(stage.actions(&new), ["release.adopted"]);
    adopted
}

/// Nobody has the Environment, and it has been written for the last time.
async fn settled(stage: &Stage) {
    stage.environment("dev", "is free", |status| status.claim.is_none() && status.operations > 0).await;
}

fn uid(deployment: &Deployment) -> String {
    deployment.metadata.uid.clone().unwrap()
}
