//! What needs nobody's word goes on, and everyone can stop something.

use serde_json::json;
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::ALICE;
use slipway_tests::stage::objects::{config, deployment, environment, release, workload};

use super::alone::{Alone, first, put_one_back, remove};

#[tokio::test]
async fn where_nobody_is_asked_deployments_go_on_and_one_that_fails_is_rolled_back() {
    let alone = Alone::open().await;
    let policy = first("ValidatingAdmissionPolicy");
    remove(&alone.stage, &policy);
    alone.not_ready(&policy.name).await;
    alone.stage.apply(ALICE, &environment("dev", &alone.stage.namespace)).await;
    alone.stage.apply(ALICE, &release("web-v1", "web", &[workload("web", "1")])).await;
    alone.stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    alone.stage.phase("web-v1", Phase::Succeeded).await;
    alone.stage.apply(ALICE, &release("web-v2", "web", &[workload("web", "does-not-exist")])).await;
    alone.stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v2")).await;
    alone.stage.phase("web-v2", Phase::RolledBack).await;
    put_one_back(&alone.stage, &policy);
    alone.ready().await;
    alone.stage.apply(ALICE, &release("web-v3", "web", &[workload("web", "3"), config("web", &json!({}))])).await;
    alone.stage.apply(ALICE, &deployment("web-v3", "web", "dev", "web-v3")).await;
    alone.stage.phase("web-v3", Phase::Succeeded).await;
    alone.stage.verify();
}

#[tokio::test]
async fn an_abort_works_in_a_gap() {
    let alone = Alone::open().await;
    alone.waiting().await;
    let policy = first("ValidatingAdmissionPolicyBinding");
    remove(&alone.stage, &policy);
    alone.distrusted(&policy.name).await;
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "not today"}}});
    alone.stage.say::<Deployment>(ALICE, "web-v1", abort).await;
    alone.stage.phase("web-v1", Phase::Aborted).await;
    put_one_back(&alone.stage, &policy);
}
