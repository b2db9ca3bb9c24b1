//! Deployments that are stopped or deleted before their time, and what is left of them.

use serde_json::json;
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::EnvironmentPhase;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, Stage};

#[tokio::test]
async fn what_waits_is_aborted_at_once_and_nothing_of_it_is_applied() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let reviewed = environment("reviewed", &stage.namespace).with("spec.policy.approval.required", true);
    stage.apply(ALICE, &stage.apart(reviewed).await).await;
    stage.apply(ALICE, &release("stuck-v1", "stuck", &[workload("stuck", "never-ready")])).await;
    stage.apply(ALICE, &deployment("stuck-v1", "stuck", "dev", "stuck-v1")).await;
    stage.phase("stuck-v1", Phase::Applying).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    let queued = stage.apply(ALICE, &deployment("queued", "web", "dev", "web-v1")).await.metadata.uid.unwrap();
    stage.waits("queued", "Queued").await;
    let pending = stage.apply(ALICE, &deployment("pending", "web", "reviewed", "web-v1")).await.metadata.uid.unwrap();
    stage.phase("pending", Phase::PendingApproval).await;
    for (name, uid) in [("queued", queued), ("pending", pending)] {
        abort(&stage, name).await;
        let aborted = stage.phase(name, Phase::Aborted).await;
        assert!(aborted.status.unwrap().finished_at.is_some());
        let history = stage.recorded(&uid, "release.aborted").await;
        let last = history.last().unwrap();
        assert_eq!((last.actor_id.as_str(), last.detail["note"].as_str()), (ALICE, "wrong version"));
        stage.delete::<Deployment>(name).await;
        stage.gone::<Deployment>(name).await;
        assert_eq!(stage.actions(&uid).last().unwrap(), "release.deleted");
    }
    assert!(stage.find::<k8s_openapi::api::core::v1::ConfigMap>("web").await.is_none());
}

#[tokio::test]
async fn an_abort_while_applying_stops_the_runtime_and_fails_without_a_rollback() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let uid = stuck(&stage).await;
    abort(&stage, "stuck-v1").await;
    let failed = stage.phase("stuck-v1", Phase::Failed).await;
    let status = failed.status.unwrap();
    let said = status.diagnostics.unwrap();
    assert_eq!(
        (said.code.as_str(), said.message.contains("wrong version"), status.rollback.is_none()),
        ("aborted", true, true)
    );
    stage
        .environment("dev", "failed", |status| status.phase == EnvironmentPhase::Failed && status.claim.is_none())
        .await;
    stage.recorded(&uid, "release.failed").await;
    assert_eq!(stage.actions(&uid)[3..], ["release.applying", "release.aborted", "release.failed"]);
    stage.verify();
}

#[tokio::test]
async fn a_deployment_is_deleted_in_every_phase_and_its_record_stays() {
    let stage = Stage::open().await;
    let dev = |name: &str| environment(name, &stage.namespace);
    let far = json!([{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"}]);
    for environment in [
        dev("reviewed").with("spec.policy.approval.required", true),
        dev("confirmed").with("spec.policy.confirm", "Manual"),
        dev("dev"),
        dev("frozen").with("spec.policy.freezeWindows", far),
    ] {
        stage.apply(ALICE, &stage.apart(environment).await).await;
    }
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    for (name, environment, phase) in [
        ("pending", "nowhere", Phase::Pending),
        ("previewed", "confirmed", Phase::Previewed),
        ("waiting", "reviewed", Phase::PendingApproval),
        ("queued", "frozen", Phase::Approved),
        ("done", "dev", Phase::Succeeded),
    ] {
        let uid = stage.apply(ALICE, &deployment(name, "web", environment, "web-v1")).await.metadata.uid.unwrap();
        stage
            .until(name, phase.as_str(), |deployment: &Deployment| {
                deployment.status.as_ref().is_some_and(|status| status.phase == phase && status.audit.seq > 0)
            })
            .await;
        stage.delete::<Deployment>(name).await;
        stage.gone::<Deployment>(name).await;
        let actions = stage.actions(&uid);
        assert_eq!(actions.last().unwrap(), "release.deleted", "{actions:?}");
        assert_eq!(actions.contains(&"release.aborted".to_owned()), phase != Phase::Succeeded, "{actions:?}");
    }
    stage.verify();
}

#[tokio::test]
async fn a_deployment_that_is_deleted_while_applying_is_stopped_first() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let uid = stuck(&stage).await;
    stage.delete::<Deployment>("stuck-v1").await;
    stage.gone::<Deployment>("stuck-v1").await;
    assert_eq!(stage.actions(&uid)[3..], ["release.applying", "release.failed", "release.deleted"]);
    let environment = stage.environment("dev", "failed", |status| status.phase == EnvironmentPhase::Failed).await;
    let status = environment.status.unwrap();
    assert_eq!((status.claim, status.failed.unwrap().deployment_uid), (None, uid));
}

#[tokio::test]
async fn an_abort_in_the_queue_lets_the_next_one_go() {
    let stage = Stage::open().await;
    let far = json!([{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"}]);
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.freezeWindows", far)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    for name in ["first", "second"] {
        stage.apply(ALICE, &deployment(name, "web", "dev", "web-v1").with("spec.variables.NAME", name)).await;
        stage.waits(name, "Frozen").await;
    }
    let go = json!({"spec": {"overrideFreeze": {"actor": ALICE, "note": "the shop is down"}}});
    stage.say::<Deployment>(ALICE, "second", go).await;
    stage.phase("second", Phase::Succeeded).await;
    assert_eq!(stage.get::<Deployment>("first").await.status.unwrap().phase, Phase::Approved);
}

#[tokio::test]
async fn an_environment_goes_when_its_last_deployment_has_ended() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.approval.required", true)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    let uid = stage.get::<Environment>("dev").await.metadata.uid.unwrap();
    stage.delete::<Environment>("dev").await;
    // A later event shows that the controller has seen the deletion and kept the Environment.
    stage.apply(ALICE, &deployment("late", "web", "dev", "web-v1").with("spec.variables.NAME", "late")).await;
    stage.phase("late", Phase::PendingApproval).await;
    assert!(stage.find::<Environment>("dev").await.is_some());
    abort(&stage, "late").await;
    abort(&stage, "web-v1").await;
    stage.gone::<Environment>("dev").await;
    assert_eq!(stage.actions(&uid).last().unwrap(), "environment.deleted");
    assert_eq!(stage.get::<Deployment>("web-v1").await.status.unwrap().phase, Phase::Aborted);
}

#[tokio::test]
async fn a_release_stays_while_it_may_be_gone_back_to() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    for (number, name) in ["web-v1", "web-v2", "web-v3"].into_iter().enumerate() {
        stage.apply(ALICE, &release(name, "web", &[config("web", &json!({"version": name}))])).await;
        stage.apply(ALICE, &deployment(name, "web", "dev", name)).await;
        stage.phase(name, Phase::Succeeded).await;
        if number == 0 {
            stage.environment("dev", "is free", |status| status.claim.is_none()).await;
            stage.delete::<slipway_crd::Release>(name).await;
        }
        if number == 1 {
            let held: slipway_crd::Release = stage.get("web-v1").await;
            assert!(held.metadata.deletion_timestamp.is_some());
        }
    }
    stage.gone::<slipway_crd::Release>("web-v1").await;
    // With the Environment goes the last reason to stay.
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    for name in ["web-v2", "web-v3"] {
        stage.delete::<slipway_crd::Release>(name).await;
        stage.get::<slipway_crd::Release>(name).await;
    }
    stage.delete::<Environment>("dev").await;
    stage.gone::<Environment>("dev").await;
    for name in ["web-v2", "web-v3"] {
        stage.gone::<slipway_crd::Release>(name).await;
    }
}

#[tokio::test]
async fn a_namespace_goes_with_everything_in_it() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({})), workload("web", "1")])).await;
    let uid = stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await.metadata.uid.unwrap();
    stage.phase("web-v1", Phase::Succeeded).await;
    let stuck = stuck(&stage).await;
    stage.kubectl_says(&["delete", "namespace", &stage.namespace, "--timeout=40s"]);
    for uid in [uid, stuck] {
        assert_eq!(stage.actions(&uid).last().unwrap(), "release.deleted");
    }
    stage.verify();
}

async fn stuck(stage: &Stage) -> String {
    stage.apply(ALICE, &release("stuck-v1", "stuck", &[workload("stuck", "never-ready")])).await;
    let uid = stage.apply(ALICE, &deployment("stuck-v1", "stuck", "dev", "stuck-v1")).await.metadata.uid.unwrap();
    stage.until("stuck", "is there", |_: &k8s_openapi::api::apps::v1::Deployment| true).await;
    stage.phase("stuck-v1", Phase::Applying).await;
    uid
}

async fn abort(stage: &Stage, name: &str) {
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "wrong version"}}});
    stage.say::<Deployment>(ALICE, name, abort).await;
}
