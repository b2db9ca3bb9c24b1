//! Two Environments that change the same things.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::Readiness;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release};
use slipway_tests::stage::{ALICE, Stage, eventually};

use super::production::{confirm, previewed};

#[tokio::test]
async fn a_newer_one_that_asks_for_less_is_held_until_it_asks_for_as_much_and_never_holds_the_older_one() {
    let stage = Stage::open().await;
    previewed(&stage, |environment| environment).await;
    confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;

    a_second_after(&stage, "prod").await;
    let side = environment("side", &stage.namespace).with("spec.tier", "production");
    stage.apply(ALICE, &side.clone().with("spec.policy.confirm", "Auto")).await;
    stage.apply(ALICE, &release("api-v1", "api", &[config("api", &json!({}))])).await;
    let asked = deployment("api-v1", "api", "side", "api-v1").with("spec.risk", "none known");
    stage.apply(ALICE, &asked).await;
    let held = stage.waits("api-v1", "EnvironmentNotActive").await.status.unwrap();
    assert_eq!((held.phase, held.preview), (Phase::Pending, None));
    let told = stage.environment("side", "is not ready", |status| status.readiness == Readiness::NotReady).await;
    let status = told.status.unwrap();
    assert_eq!(status.yields_to, Some(format!("{}/prod", stage.namespace)));
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "AsksForLess"));
    assert!(ready.message.contains("(spec.policy.confirm)"), "{}", ready.message);

    // The older one goes on, whatever the newer asks for.
    let prod = stage.environment("prod", "is ready", |status| status.readiness == Readiness::Ready).await;
    assert_eq!(prod.status.unwrap().yields_to, None);

    stage.apply(ALICE, &side.with("spec.policy.confirm", "Manual").with("spec.policy.approval.count", 2)).await;
    let previewed = |deployment: &Deployment| {
        deployment.status.as_ref().is_some_and(|status| status.phase == Phase::Previewed && status.preview.is_some())
    };
    stage.until("api-v1", "is previewed", previewed).await;
    let prod = stage.environment("prod", "is ready", |status| status.readiness == Readiness::Ready).await;
    assert_eq!(prod.status.unwrap().yields_to, None, "nobody stops what is there with something new");
    assert!(stage.find::<ConfigMap>("api").await.is_none());
}

#[tokio::test]
async fn where_the_older_one_becomes_stricter_or_goes_the_newer_one_is_told_at_once() {
    let stage = Stage::open().await;
    let first = environment("first", &stage.namespace);
    stage.apply(ALICE, &first).await;
    stage.environment("first", "is ready", |status| status.readiness == Readiness::Ready).await;
    a_second_after(&stage, "first").await;
    stage.apply(ALICE, &environment("second", &stage.namespace)).await;
    stage.environment("second", "is ready", |status| status.readiness == Readiness::Ready).await;
    stage.apply(ALICE, &first.with("spec.policy.approval.required", true)).await;
    stage.environment("second", "is not ready", |status| status.yields_to.is_some()).await;
    stage.delete::<Environment>("first").await;
    stage.gone::<Environment>("first").await;
    stage.environment("second", "is ready", |status| status.readiness == Readiness::Ready).await;
}

/// Waits until what is created now is younger than this Environment: the API server counts in seconds.
async fn a_second_after(stage: &Stage, name: &str) {
    let born = stage.get::<Environment>(name).await.metadata.creation_timestamp.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(stage.admin.clone(), &stage.namespace);
    let probe: ConfigMap = serde_json::from_value(config("clock", &json!({}))).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let later = async || {
        let now = api.create(&dry, &probe).await.unwrap().metadata.creation_timestamp.unwrap();
        (now.0 > born.0).then_some(())
    };
    eventually("the server's clock has moved", later).await;
}
