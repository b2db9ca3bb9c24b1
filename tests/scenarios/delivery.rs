//! A Deployment that goes well, and what everyone sees of it.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Event as KubeEvent};
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::{EnvironmentPhase, Readiness};
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, PATIENCE, Stage};

use serde_json::json;

const HISTORY: [&str; 5] =
    ["release.created", "release.previewed", "release.confirmed", "release.applying", "release.applied"];

#[tokio::test]
async fn what_is_applied_deployment_first_succeeds_once_the_rest_is_there() {
    let stage = Stage::open().await;
    let created = stage
        .apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1").with("spec.variables.LOG_LEVEL", "info"))
        .await;
    let waiting = stage.waits("web-v1", "EnvironmentNotFound").await;
    let said = waiting.status.unwrap().diagnostics.unwrap();
    assert_eq!((said.code.as_str(), said.message.contains("environment dev does not exist")), ("not_found", true));

    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.waits("web-v1", "ReleaseNotFound").await;
    let manifests = [config("web", &json!({"level": "${LOG_LEVEL}"})), workload("web", "1")];
    stage.apply(ALICE, &release("web-v1", "web", &manifests)).await;

    let done = stage.phase("web-v1", Phase::Succeeded).await;
    let status = done.status.unwrap();
    assert_eq!((status.diagnostics, status.step), (None, None));
    assert!(status.started_at.unwrap() <= status.finished_at.unwrap());
    let environment =
        stage.environment("dev", "has web-v1", |status| status.claim.is_none() && !status.services.is_empty()).await;
    let status = environment.status.unwrap();
    assert_eq!((status.phase, status.readiness, status.operations), (EnvironmentPhase::Active, Readiness::Ready, 2));
    assert_eq!(status.services[0].current_release.as_ref().unwrap().name, "web-v1");
    assert_eq!(status.services[0].inventory, ["v1/ConfigMap/web", "apps/v1/Deployment/web"]);

    let uid = created.metadata.uid.unwrap();
    let history = stage.recorded(&uid, "release.applied").await;
    assert_eq!(stage.actions(&uid), HISTORY);
    assert_eq!(history[0].actor_id.as_str(), ALICE);
    assert!(history[1..].iter().all(|event| event.actor_id.as_str() == "controller"));
    assert!(history.windows(2).all(|pair| pair[0].occurred_at <= pair[1].occurred_at));
    assert!(
        history[2..].iter().all(|event| (event.project_id.as_str(), event.team_id.as_str()) == ("shop", "payments"))
    );
    assert_eq!(history.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    stage.verify();
}

#[tokio::test]
async fn release_environment_and_deployment_may_come_in_any_other_order() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.waits("web-v1", "EnvironmentNotFound").await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    let config: ConfigMap = stage.get("web").await;
    let labels = config.metadata.labels.unwrap();
    assert_eq!(labels["slipway.dev/service"], "web");
    assert_eq!(config.metadata.annotations.unwrap()["slipway.dev/owner"], format!("{}/dev/web", stage.namespace));
}

#[tokio::test]
async fn kubectl_waits_for_it_describes_it_and_lists_it() {
    let stage = Stage::open().await;
    let created = web(&stage).await;
    let wait = ["wait", "--for=condition=Ready", "slipd/web-v1", "slipe/dev", "slipr/web-v1", "--timeout=40s"];
    stage.kubectl_says(&wait);

    let listed = stage.kubectl_says(&["get", "slipd", "-o", "wide"]);
    let columns: Vec<&str> = listed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(columns, ["NAME", "PHASE", "STEP", "ENVIRONMENT", "RELEASE", "SERVICE", "REQUESTER", "READY", "AGE"]);
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..7], ["web-v1", "Succeeded", "dev", "web-v1", "web", ALICE, "True"]);
    let listed = stage.kubectl_says(&["get", "slipe,slipr"]);
    for words in ["dev", "development", "Active", "ready", "web-v1"] {
        assert!(listed.contains(words), "{words}: {listed}");
    }

    let events: Api<KubeEvent> = Api::namespaced(stage.admin.clone(), &stage.namespace);
    let about = watcher::Config::default().fields(&format!("involvedObject.uid={created}"));
    let told = watcher(events.clone(), about).applied_objects().take(5).try_collect::<Vec<_>>();
    tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    let about = ListParams::default().fields(&format!("involvedObject.uid={created}"));
    let mut reasons: Vec<String> =
        events.list(&about).await.unwrap().into_iter().filter_map(|event| event.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["Applied", "Applying", "Confirmed", "Created", "Previewed"]);
}

#[tokio::test]
async fn conditions_say_what_kstatus_reads() {
    let stage = Stage::open().await;
    web(&stage).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    assert_eq!(
        conditions(&done),
        "Ready=True Reconciling=False Stalled=False Previewed=True Approved=True Applied=True Healthy=True"
    );
    let status = done.status.unwrap();
    assert_eq!(status.observed_generation, done.metadata.generation);
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == done.metadata.generation));
    let environment: Environment = stage
        .until("dev", "is current", |environment: &Environment| {
            let status = environment.status.as_ref();
            status.is_some_and(|status| {
                status.claim.is_none() && status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
            })
        })
        .await;
    assert_eq!(environment.status.unwrap().observed_generation, environment.metadata.generation);
}

async fn web(stage: &Stage) -> String {
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"})), workload("web", "1")])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await.metadata.uid.unwrap()
}

fn conditions(deployment: &Deployment) -> String {
    let conditions = &deployment.status.as_ref().unwrap().conditions;
    let told: Vec<String> = conditions.iter().map(|c| format!("{}={}", c.type_, c.status)).collect();
    told.join(" ")
}
