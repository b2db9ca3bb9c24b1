//! Rollbacks that a person asks for.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::environment::EnvironmentPhase;
use slipway_domain::phase::Phase;
use slipway_domain::rollback::RollbackState;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, BOB, Stage, eventually};

#[tokio::test]
async fn what_is_held_after_a_failure_is_rolled_back_by_hand() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.onFailure", "Hold")).await;
    succeeds(&stage, "web-v1", &[config("web", &json!({"version": "1"})), workload("web", "1")]).await;
    let second = [config("web", &json!({"version": "2"})), workload("web", "crashing")];
    let uid = deploy(&stage, "web-v2", &second).await;
    let failed = stage.phase("web-v2", Phase::Failed).await;
    let said = failed.status.unwrap().diagnostics.unwrap();
    assert!(said.message.contains("onFailure: Hold"), "{}", said.message);
    stage
        .environment("dev", "failed", |status| status.phase == EnvironmentPhase::Failed && status.claim.is_none())
        .await;
    assert_eq!(version(&stage).await, "2");

    roll_back(&stage, "web-v2", "now").await;
    let done = stage.phase("web-v2", Phase::RolledBack).await;
    assert_eq!(done.status.unwrap().rollback.unwrap().state, RollbackState::Completed);
    let environment = stage.environment("dev", "is active", |status| status.phase == EnvironmentPhase::Active).await;
    assert_eq!(environment.status.unwrap().services[0].current_release.as_ref().unwrap().name, "web-v1");
    assert_eq!(version(&stage).await, "1");
    let history = stage.recorded(&uid, "release.rollback_completed").await;
    let asked = history.iter().find(|event| event.action.as_str() == "release.rollback_requested").unwrap();
    assert_eq!((asked.actor_id.as_str(), asked.detail["note"].as_str()), (BOB, "errors rise"));
}

#[tokio::test]
async fn what_an_abort_has_left_failed_is_rolled_back_by_hand() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    succeeds(&stage, "web-v1", &[config("web", &json!({"version": "1"})), workload("web", "1")]).await;
    let second = [config("web", &json!({"version": "2"})), workload("web", "never-ready")];
    deploy(&stage, "web-v2", &second).await;
    stage.phase("web-v2", Phase::Applying).await;
    let changed = async || (version(&stage).await == "2").then_some(());
    eventually("the second version is there", changed).await;
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "wrong version"}}});
    stage.say::<Deployment>(ALICE, "web-v2", abort).await;
    stage.phase("web-v2", Phase::Failed).await;
    stage
        .environment("dev", "failed", |status| status.phase == EnvironmentPhase::Failed && status.claim.is_none())
        .await;
    roll_back(&stage, "web-v2", "now").await;
    stage.phase("web-v2", Phase::RolledBack).await;
    stage.environment("dev", "is active", |status| status.phase == EnvironmentPhase::Active).await;
    assert_eq!(version(&stage).await, "1");
    stage.verify();
}

#[tokio::test]
async fn a_deployment_that_succeeded_is_rolled_back_by_hand_and_an_older_one_is_not() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let first = succeeds(&stage, "web-v1", &[config("web", &json!({"version": "1"}))]).await;
    succeeds(&stage, "web-v2", &[config("web", &json!({"version": "2"})), config("new", &json!({}))]).await;

    // It does not run any more: there is nothing of it to take back.
    roll_back(&stage, "web-v1", "too-late").await;
    let refused = stage
        .until("web-v1", "is refused", |deployment: &Deployment| {
            deployment.status.as_ref().is_some_and(|status| status.rollback.is_some())
        })
        .await;
    let status = refused.status.unwrap();
    let rollback = status.rollback.unwrap();
    assert_eq!((rollback.state, status.phase), (RollbackState::Rejected, Phase::Succeeded));
    assert_eq!(rollback.diagnostics.unwrap().code, "rollback_unavailable");
    let history = stage.recorded(&first, "release.rollback_refused").await;
    assert_eq!(history.last().unwrap().actor_id.as_str(), BOB);

    roll_back(&stage, "web-v2", "now").await;
    stage.phase("web-v2", Phase::RolledBack).await;
    let environment = stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let status = environment.status.unwrap();
    assert_eq!((status.phase, status.operations), (EnvironmentPhase::Active, 6));
    assert_eq!(status.services[0].current_release.as_ref().unwrap().name, "web-v1");
    assert_eq!(status.services[0].previous_release, None);
    assert_eq!(version(&stage).await, "1");
    stage.gone::<ConfigMap>("new").await;
    stage.verify();

    // What runs again can be replaced again.
    succeeds(&stage, "web-v3", &[config("web", &json!({"version": "3"}))]).await;
    assert_eq!(version(&stage).await, "3");
}

#[tokio::test]
async fn an_older_release_is_reached_by_a_deployment_of_its_own() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    for number in ["1", "2", "3"] {
        succeeds(&stage, &format!("web-v{number}"), &[config("web", &json!({"version": number}))]).await;
    }
    let back = deployment("back-to-v1", "web", "dev", "web-v1")
        .with("spec.operation", json!({"rollback": {"toReleaseRef": {"name": "web-v1"}}}));
    stage.apply(ALICE, &back).await;
    stage.phase("back-to-v1", Phase::Succeeded).await;
    assert_eq!(version(&stage).await, "1");
}

#[tokio::test]
async fn a_rollback_while_applying_stops_the_runtime_first() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    succeeds(&stage, "web-v1", &[config("web", &json!({"version": "1"})), workload("web", "1")]).await;
    deploy(&stage, "web-v2", &[config("web", &json!({"version": "2"})), workload("web", "never-ready")]).await;
    stage
        .until("web", "is of version 2", |config: &ConfigMap| {
            config.data.as_ref().is_some_and(|data| data["version"] == "2")
        })
        .await;
    stage.phase("web-v2", Phase::Applying).await;
    roll_back(&stage, "web-v2", "now").await;
    stage.phase("web-v2", Phase::RolledBack).await;
    let environment = stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    assert_eq!(environment.status.unwrap().phase, EnvironmentPhase::Active);
    assert_eq!(version(&stage).await, "1");
    stage.verify();
}

async fn succeeds(stage: &Stage, name: &str, manifests: &[Value]) -> String {
    let uid = deploy(stage, name, manifests).await;
    stage.phase(name, Phase::Succeeded).await;
    stage
        .environment("dev", "is free", |status| {
            let current = status.services.iter().filter_map(|service| service.current_release.as_ref());
            status.claim.is_none() && current.into_iter().any(|release| release.name == name)
        })
        .await;
    stage.recorded(&uid, "release.applied").await;
    uid
}

async fn deploy(stage: &Stage, name: &str, manifests: &[Value]) -> String {
    stage.apply(ALICE, &release(name, "web", manifests)).await;
    stage.apply(ALICE, &deployment(name, "web", "dev", name)).await.metadata.uid.unwrap()
}

async fn roll_back(stage: &Stage, name: &str, id: &str) {
    let rollback = json!({"spec": {"rollbacks": [{"id": id, "actor": BOB, "note": "errors rise"}]}});
    stage.say::<Deployment>(BOB, name, rollback).await;
}

async fn version(stage: &Stage) -> String {
    stage.get::<ConfigMap>("web").await.data.unwrap()["version"].clone()
}
