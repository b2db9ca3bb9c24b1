//! What becomes of a Release while something needs it.

use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use slipway_crd::{Deployment, Release};
use slipway_domain::environment::EnvironmentPhase;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, Stage};

#[tokio::test]
async fn one_that_is_deleted_while_it_is_applied_stays_until_nothing_can_go_back_to_it() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let slow =
        workload("web", "1").with("spec.template.metadata.annotations", json!({"slipway.dev/ready-after": "4s"}));
    stage.apply(ALICE, &release("web-v1", "web", &[slow])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.until("web", "is there", |_: &Workload| true).await;
    stage.delete::<Release>("web-v1").await;
    stage.until("web-v1", "is still there", |release: &Release| release.metadata.deletion_timestamp.is_some()).await;

    stage.phase("web-v1", Phase::Succeeded).await;
    let current = stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let status = current.status.unwrap();
    assert_eq!(status.phase, EnvironmentPhase::Active);
    assert_eq!(status.services[0].current_release.as_ref().unwrap().name, "web-v1");
    assert!(
        stage
            .until("web-v1", "says who needs it", needed_by("environment dev"))
            .await
            .metadata
            .deletion_timestamp
            .is_some()
    );

    for name in ["web-v2", "web-v3"] {
        stage.apply(ALICE, &release(name, "web", &[workload("web", name)])).await;
        stage.apply(ALICE, &deployment(name, "web", "dev", name)).await;
        stage.phase(name, Phase::Succeeded).await;
    }
    stage.gone::<Release>("web-v1").await;
    stage.verify();
}

#[tokio::test]
async fn one_that_is_deleted_while_a_deployment_waits_for_it_stays_until_that_has_ended() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.confirm", "Manual")).await;
    stage.apply(ALICE, &deployment("pending", "web", "nowhere", "web-v1")).await;
    stage.waits("pending", "EnvironmentNotFound").await;
    stage.apply(ALICE, &deployment("previewed", "web", "dev", "web-v1")).await;
    stage.waits("previewed", "ConfirmationRequired").await;
    stage.delete::<Release>("web-v1").await;
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "not any more"}}});
    for name in ["pending", "previewed"] {
        stage.until("web-v1", "says who needs it", needed_by(&format!("deployment {name}"))).await;
        assert!(stage.get::<Release>("web-v1").await.metadata.deletion_timestamp.is_some());
        stage.say::<Deployment>(ALICE, name, abort.clone()).await;
        stage.phase(name, Phase::Aborted).await;
    }
    stage.gone::<Release>("web-v1").await;
    stage.verify();
}

/// Whether a Release that is to go says that this keeps it.
fn needed_by(who: &str) -> impl Fn(&Release) -> bool {
    move |release| {
        let conditions = release.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
        ready.is_some_and(|ready| ready.reason == "InUse" && ready.message.contains(who))
    }
}

#[tokio::test]
async fn one_that_vanished_while_nobody_looked_is_missed() {
    let mut stage = vanished().await;
    stage.start().await;
    let failed = stage.phase("web-v1", Phase::Failed).await;
    let said = failed.status.unwrap().diagnostics.unwrap();
    assert_eq!(said.code, "artifact_missing");
    assert!(said.message.contains("web-v1 does not exist any more"), "{}", said.message);
    stage.verify();
}

#[tokio::test]
async fn another_one_of_the_same_name_is_not_what_was_previewed() {
    let mut stage = vanished().await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("other", &json!({}))])).await;
    stage.start().await;
    let failed = stage.phase("web-v1", Phase::Failed).await;
    let said = failed.status.unwrap().diagnostics.unwrap();
    assert_eq!(said.code, "preview_mismatch", "{}", said.message);
    assert!(stage.find::<ConfigMap>("other").await.is_none());
    stage.verify();
}

/// A controller that was stopped in the middle of a release, and the Release taken away by force since.
async fn vanished() -> Stage {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[workload("web", "never-ready")])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.until("web", "is there", |_: &Workload| true).await;
    stage.stop().await;
    assert_eq!(stage.get::<Deployment>("web-v1").await.status.unwrap().phase, Phase::Applying);
    stage.vanish::<Release>("web-v1").await;
    stage
}
