//! Several services in one Environment: one queue, and nobody touches another's objects.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use slipway_crd::{Deployment, Release};
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, Stage};

#[tokio::test]
async fn each_service_has_its_own_release_and_inventory_and_prunes_only_that() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    deploy(&stage, "api-v1", "api", &["api", "api-extra"]).await;
    stage.phase("api-v1", Phase::Succeeded).await;
    deploy(&stage, "web-v1", "web", &["web", "web-extra"]).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    deploy(&stage, "api-v2", "api", &["api"]).await;
    stage.phase("api-v2", Phase::Succeeded).await;

    stage.gone::<ConfigMap>("api-extra").await;
    for kept in ["api", "web", "web-extra"] {
        stage.get::<ConfigMap>(kept).await;
    }
    let environment = stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let services = environment.status.unwrap().services;
    let told: Vec<_> = services
        .iter()
        .map(|service| {
            let name =
                |release: &Option<slipway_crd::running::RunningRelease>| release.as_ref().map(|r| r.name.clone());
            (
                service.service.clone(),
                name(&service.current_release),
                name(&service.previous_release),
                service.inventory.len(),
            )
        })
        .collect();
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(told, [("api".into(), some("api-v2"), some("api-v1"), 1), ("web".into(), some("web-v1"), None, 2)]);
}

#[tokio::test]
async fn an_object_of_another_service_is_not_taken() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    deploy(&stage, "web-v1", "web", &["shared"]).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    deploy(&stage, "api-v1", "api", &["shared"]).await;
    let refused = stage.waits("api-v1", "Unpreviewable").await;
    let status = refused.status.unwrap();
    let said = status.diagnostics.unwrap();
    assert_eq!((status.phase, said.code.as_str()), (Phase::Pending, "object_owned"));
    assert!(said.message.contains("v1/ConfigMap/shared belongs to"), "{}", said.message);
    let shared: ConfigMap = stage.get("shared").await;
    assert_eq!(shared.data.unwrap()["of"], "web-v1");
}

#[tokio::test]
async fn what_left_the_release_stays_if_it_belongs_to_someone_else_by_now() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    deploy(&stage, "web-v1", "web", &["web", "given", "left"]).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    let owner = json!({"metadata": {"annotations": {"slipway.dev/owner": "elsewhere/dev/api"}}});
    let api: kube::Api<ConfigMap> = kube::Api::namespaced(stage.admin.clone(), &stage.namespace);
    let patch = kube::api::Patch::Merge(&owner);
    api.patch("given", &kube::api::PatchParams::default(), &patch).await.unwrap();
    deploy(&stage, "web-v2", "web", &["web"]).await;
    stage.phase("web-v2", Phase::Succeeded).await;
    stage.gone::<ConfigMap>("left").await;
    stage.get::<ConfigMap>("given").await;
}

#[tokio::test]
async fn deployments_to_one_environment_run_one_at_a_time_in_the_order_of_approval() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let slow =
        workload("slow", "1").with("spec.template.metadata.annotations", json!({"slipway.dev/ready-after": "4s"}));
    stage.apply(ALICE, &release("slow-v1", "slow", &[slow])).await;
    let mut uids = vec![apply(&stage, "slow-v1", "slow").await];
    stage.phase("slow-v1", Phase::Applying).await;
    for (name, service) in [("web-v1", "web"), ("api-v1", "api")] {
        uids.push(deploy(&stage, name, service, &[service]).await);
        let queued = stage.waits(name, "Queued").await;
        let status = queued.status.unwrap();
        let said = status.diagnostics.unwrap();
        assert_eq!((status.phase, said.code.as_str()), (Phase::Approved, "environment_busy"));
        assert!(said.message.contains("slow-v1") || said.message.contains(&uids[0]), "{}", said.message);
    }
    let mut spans = Vec::new();
    for (name, uid) in ["slow-v1", "web-v1", "api-v1"].into_iter().zip(&uids) {
        stage.phase(name, Phase::Succeeded).await;
        let history = stage.recorded(uid, "release.applied").await;
        let at = |action: &str| history.iter().find(|event| event.action.as_str() == action).unwrap().occurred_at;
        spans.push((at("release.applying"), at("release.applied")));
    }
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
}

#[tokio::test]
async fn nobody_waits_for_one_whose_release_is_gone() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let slow =
        workload("slow", "1").with("spec.template.metadata.annotations", json!({"slipway.dev/ready-after": "6s"}));
    stage.apply(ALICE, &release("slow-v1", "slow", &[slow])).await;
    apply(&stage, "slow-v1", "slow").await;
    stage.phase("slow-v1", Phase::Applying).await;
    for (name, service) in [("web-v1", "web"), ("api-v1", "api")] {
        deploy(&stage, name, service, &[service]).await;
        stage.waits(name, "Queued").await;
    }
    stage.vanish::<Release>("web-v1").await;
    let left = stage.waits("web-v1", "ReleaseNotFound").await;
    stage.phase("api-v1", Phase::Succeeded).await;
    assert_eq!(left.status.unwrap().phase, Phase::Approved);

    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"of": "web-v1"}))])).await;
    stage.phase("web-v1", Phase::Succeeded).await;
}

#[tokio::test]
async fn another_environment_does_not_wait() {
    let stage = Stage::open().await;
    for name in ["dev", "test"] {
        stage.apply(ALICE, &environment(name, &stage.namespace)).await;
    }
    stage.apply(ALICE, &release("stuck-v1", "stuck", &[workload("stuck", "never-ready")])).await;
    apply(&stage, "stuck-v1", "stuck").await;
    stage.phase("stuck-v1", Phase::Applying).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "test", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    let stuck: Deployment = stage.get("stuck-v1").await;
    assert_eq!(stuck.status.unwrap().phase, Phase::Applying);
}

async fn deploy(stage: &Stage, name: &str, service: &str, configs: &[&str]) -> String {
    let manifests: Vec<_> = configs.iter().map(|config_name| config(config_name, &json!({"of": name}))).collect();
    stage.apply(ALICE, &release(name, service, &manifests)).await;
    apply(stage, name, service).await
}

async fn apply(stage: &Stage, name: &str, service: &str) -> String {
    stage.apply(ALICE, &deployment(name, service, "dev", name)).await.metadata.uid.unwrap()
}
