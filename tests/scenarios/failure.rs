//! A release that turns out badly, and what is brought back.

use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::EnvironmentPhase;
use slipway_domain::phase::Phase;
use slipway_domain::rollback::RollbackState;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, BOB, Stage};

#[tokio::test]
async fn an_image_that_cannot_be_pulled_brings_the_release_before_back() {
    let stage = Stage::open().await;
    let failed = second_fails(&stage, workload("web", "does-not-exist"), |environment| environment).await;
    says(&failed, "health_check_failed", "ImagePullBackOff");
}

#[tokio::test]
async fn a_container_that_crashes_brings_the_release_before_back() {
    let stage = Stage::open().await;
    let failed = second_fails(&stage, workload("web", "crashing"), |environment| environment).await;
    says(&failed, "health_check_failed", "CrashLoopBackOff");
}

#[tokio::test]
async fn a_rollout_that_exceeds_its_deadline_brings_the_release_before_back() {
    let stage = Stage::open().await;
    let slow = workload("web", "never-ready").with("spec.progressDeadlineSeconds", 2);
    let failed = second_fails(&stage, slow, |environment| environment).await;
    says(&failed, "health_check_failed", "ProgressDeadlineExceeded");
}

#[tokio::test]
async fn a_health_check_that_fails_brings_the_release_before_back() {
    let stage = Stage::open().await;
    let (url, answers) = answering();
    let checked = |environment: Value| {
        environment.with("spec.healthChecks", json!([{"http": {"url": url}, "timeout": "2s", "retries": 0}]))
    };
    // Well for the first release, badly for the second, and well again for what is brought back.
    let judged = async {
        first_succeeds(&stage, checked).await;
        answers.send_replace(503);
        apply_second(&stage, workload("web", "2")).await;
        stage
            .until("web-v2", "failed", |deployment: &Deployment| {
                deployment.status.as_ref().is_some_and(|status| status.rollback.is_some())
            })
            .await;
        answers.send_replace(200);
        brought_back(&stage).await
    };
    let failed = judged.await;
    says(&failed, "health_check_failed", "expected 200, got 503");
}

#[tokio::test]
async fn a_rollback_that_fails_leaves_both_failed_and_says_so() {
    let stage = Stage::open().await;
    let (url, answers) = answering();
    let checked = |environment: Value| {
        environment.with("spec.healthChecks", json!([{"http": {"url": url}, "timeout": "2s", "retries": 0}]))
    };
    first_succeeds(&stage, checked).await;
    answers.send_replace(500);
    let uid = apply_second(&stage, workload("web", "2")).await;
    let failed = stage
        .until("web-v2", "could not be rolled back", |deployment: &Deployment| {
            let rollback = deployment.status.as_ref().and_then(|status| status.rollback.as_ref());
            rollback.is_some_and(|rollback| rollback.state == RollbackState::Failed)
        })
        .await;
    let status = failed.status.as_ref().unwrap();
    assert_eq!(status.phase, Phase::Failed);
    says(&failed, "release_rollback_failed", "web-v1 could not be brought back");
    stage
        .environment("dev", "failed", |status| {
            status.phase == EnvironmentPhase::Failed
                && status.failed.as_ref().is_some_and(|failed| failed.deployment_uid == uid)
        })
        .await;
    stage.recorded(&uid, "release.rollback_failed").await;
    stage.verify();
}

#[tokio::test]
async fn what_is_not_ready_in_time_fails_as_a_timeout_and_names_what_was_waited_for() {
    let stage = Stage::open().await;
    let failed =
        second_fails(&stage, workload("web", "never-ready"), |environment| environment.with("spec.timeout", "5s"))
            .await;
    says(&failed, "operation_timeout", "apps/v1/Deployment/web");
}

#[tokio::test]
async fn a_first_release_that_fails_holds_the_environment_until_it_is_reset() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[workload("web", "crashing")])).await;
    let uid = stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await.metadata.uid.unwrap();
    let failed = stage.phase("web-v1", Phase::Failed).await;
    says(&failed, "health_check_failed", "There is no earlier release of web to go back to");
    let environment = stage.environment("dev", "failed", |status| status.phase == EnvironmentPhase::Failed).await;
    let ready = environment.status.unwrap().conditions.into_iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "OperationFailed"));
    assert!(ready.message.contains(&uid), "{}", ready.message);

    stage.apply(ALICE, &release("web-v2", "web", &[workload("web", "2")])).await;
    stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v2")).await;
    let waiting = stage.waits("web-v2", "EnvironmentNotActive").await;
    says(&waiting, "environment_not_active", &format!("set spec.reset with of: {uid}"));

    // A reset that names another operation is not about this one.
    let other =
        json!({"spec": {"reset": {"of": "00000000-0000-4000-8000-000000000000", "actor": ALICE, "note": "a guess"}}});
    let refused = stage.try_say::<Environment>(ALICE, "dev", other).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("conflict: it is {uid} that failed in environment dev")), "{refused}");
    assert_eq!(stage.get::<Deployment>("web-v2").await.status.unwrap().phase, Phase::Approved);

    let reset = json!({"spec": {"reset": {"of": uid, "actor": ALICE, "note": "the crashing image is gone"}}});
    stage.say::<Environment>(ALICE, "dev", reset).await;
    stage.phase("web-v2", Phase::Succeeded).await;
    let environment = stage.environment("dev", "is active", |status| status.phase == EnvironmentPhase::Active).await;
    let history = stage.recorded(&environment.metadata.uid.unwrap(), "environment.reset").await;
    let reset = history.iter().find(|event| event.action.as_str() == "environment.reset").unwrap();
    assert_eq!((reset.actor_id.as_str(), reset.detail["of"].as_str()), (ALICE, uid.as_str()));
    assert_eq!(history.iter().filter(|event| event.action.as_str() == "environment.reset").count(), 1);
}

#[tokio::test]
async fn a_reset_that_nobody_has_read_yet_is_neither_taken_back_nor_written_over() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[workload("web", "crashing")])).await;
    let uid = stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await.metadata.uid.unwrap();
    let environment = stage.environment("dev", "failed", |status| status.phase == EnvironmentPhase::Failed).await;
    stage.stop().await;
    let reset = |who: &str, note: &str| json!({"spec": {"reset": {"of": uid, "actor": who, "note": note}}});
    stage.say::<Environment>(ALICE, "dev", reset(ALICE, "the image is gone")).await;
    let refused = stage.try_say::<Environment>(BOB, "dev", reset(BOB, "no, it was me")).await.unwrap_err().to_string();
    assert!(refused.contains("spec.reset cannot be changed: it is not answered yet"), "{refused}");
    stage.say::<Environment>(BOB, "dev", json!({"spec": {"reset": null}})).await;
    let kept = stage.get::<Environment>("dev").await.spec;
    assert_eq!(kept.reset.map(|reset| reset.actor).as_deref(), Some(ALICE), "it is put back");
    assert_eq!(kept.changed_by.as_deref(), Some(ALICE), "nothing was changed");
    stage.start().await;
    stage.environment("dev", "is active", |status| status.phase == EnvironmentPhase::Active).await;
    let history = stage.recorded(&environment.metadata.uid.unwrap(), "environment.reset").await;
    let freed = history.iter().find(|event| event.action.as_str() == "environment.reset").unwrap();
    assert_eq!((freed.actor_id.as_str(), freed.detail["note"].as_str()), (ALICE, "the image is gone"));
    stage.environment("dev", "has answered", |status| status.reset_answered).await;
    let late = stage.try_say::<Environment>(BOB, "dev", reset(BOB, "once more")).await.unwrap_err().to_string();
    assert!(late.contains("there is nothing to reset"), "{late}");
}

/// web-v1 runs; web-v2 brings `second`, another configuration and an object more; it fails and is rolled back.
async fn second_fails(stage: &Stage, second: Value, change: impl Fn(Value) -> Value) -> Deployment {
    first_succeeds(stage, change).await;
    apply_second(stage, second).await;
    brought_back(stage).await
}

async fn first_succeeds(stage: &Stage, change: impl Fn(Value) -> Value) {
    stage.apply(ALICE, &change(environment("dev", &stage.namespace))).await;
    let first = [config("web", &json!({"version": "1", "level": "${LEVEL}"})), workload("web", "1")];
    stage.apply(ALICE, &release("web-v1", "web", &first)).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1").with("spec.variables.LEVEL", "info")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
}

async fn apply_second(stage: &Stage, second: Value) -> String {
    let second = [config("web", &json!({"version": "2", "level": "${LEVEL}"})), config("new", &json!({})), second];
    stage.apply(ALICE, &release("web-v2", "web", &second)).await;
    let deployment = deployment("web-v2", "web", "dev", "web-v2").with("spec.variables.LEVEL", "debug");
    stage.apply(ALICE, &deployment).await.metadata.uid.unwrap()
}

async fn brought_back(stage: &Stage) -> Deployment {
    let failed = stage.phase("web-v2", Phase::RolledBack).await;
    let rollback = failed.status.as_ref().unwrap().rollback.clone().unwrap();
    assert_eq!((rollback.id.as_str(), rollback.state), ("automatic", RollbackState::Completed));
    first_runs(stage).await;

    let uid = failed.metadata.uid.clone().unwrap();
    stage.recorded(&uid, "release.rollback_completed").await;
    assert_eq!(
        stage.actions(&uid)[3..],
        ["release.applying", "release.failed", "release.rollback_requested", "release.rollback_completed"]
    );
    stage.verify();
    failed
}

/// The Environment is free, and everything in it is what web-v1 brought.
async fn first_runs(stage: &Stage) {
    let environment = stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let status = environment.status.unwrap();
    assert_eq!((status.phase, status.failed), (EnvironmentPhase::Active, None));
    assert_eq!(status.services[0].current_release.as_ref().unwrap().name, "web-v1");
    assert_eq!(status.services[0].inventory, ["v1/ConfigMap/web", "apps/v1/Deployment/web"]);

    let config: ConfigMap = stage.get("web").await;
    assert_eq!(json!(config.data), json!({"version": "1", "level": "info"}));
    stage.gone::<ConfigMap>("new").await;
    let workload: Workload = stage.get("web").await;
    let image = workload.spec.template.spec.unwrap().containers[0].image.clone();
    assert_eq!(image.as_deref(), Some("registry.example.com/web:1"));
}

fn says(deployment: &Deployment, code: &str, words: &str) {
    let said = deployment.status.as_ref().unwrap().diagnostics.clone().unwrap();
    let all = format!("{} {}", said.message, said.detail.unwrap_or_default());
    assert_eq!(said.code, code, "{all}");
    assert!(all.contains(words), "{words:?} is not in {all}");
}

/// A server that answers with the status it is told, until the scenario ends.
fn answering() -> (String, tokio::sync::watch::Sender<u16>) {
    use std::io::{Read as _, Write as _};
    let (sender, status) = tokio::sync::watch::channel(200);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for peer in listener.incoming() {
            let Ok(mut peer) = peer else { return };
            let _ = peer.read(&mut [0; 1024]);
            let status = *status.borrow();
            let _ = write!(peer, "HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (url, sender)
}
