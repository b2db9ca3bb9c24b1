//! What the controller may not see, it does not rely on.

use serde_json::Value;
use slipway_domain::phase::Phase;
use slipway_tests::stage::{Stage, eventually};

use super::alone::Alone;

const ROLE: &str = "slipway-controller";
const GROUP: &str = "admissionregistration.k8s.io";
const KIND: &str = "ValidatingAdmissionPolicy";

#[tokio::test]
async fn a_controller_that_may_not_see_them_believes_nobody_until_it_may() {
    let mut alone = Alone::open().await;
    alone.waiting().await;
    alone.stage.stop().await;
    let rights = rights(&alone.stage);
    let mut fewer = rights.clone();
    fewer["rules"].as_array_mut().unwrap().retain(|rule| rule["apiGroups"][0] != GROUP);
    give(&alone.stage, &fewer, "no").await;
    alone.approve().await;
    alone.stage.start().await;
    alone.distrusted(&format!("{KIND} cannot be read")).await;
    alone.not_ready(&format!("policies_not_in_force: {KIND} cannot be read")).await;
    // They were in force all the time: what was said meanwhile counts.
    give(&alone.stage, &rights, "yes").await;
    alone.stage.phase("web-v1", Phase::Succeeded).await;
    alone.ready().await;
}

fn rights(stage: &Stage) -> Value {
    let shown = stage.kubectl_says(&["get", "clusterrole", ROLE, "--output", "json"]);
    let mut role: Value = serde_json::from_str(&shown).unwrap();
    for stamp in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
        role["metadata"].as_object_mut().unwrap().remove(stamp);
    }
    role
}

/// Puts the role in place, and waits until the server acts by it.
async fn give(stage: &Stage, role: &Value, may: &str) {
    stage.feed_kubectl(&["replace", "-f", "-"], &role.to_string());
    let account = "system:serviceaccount:slipway-system:slipway";
    let asked = ["auth", "can-i", "list", &Stage::of_kind(KIND), "--as", account];
    let settled = async || {
        let output = stage.kubectl(&asked);
        (String::from_utf8_lossy(&output.stdout).trim() == may).then_some(())
    };
    eventually(&format!("it is {may} that the controller may see the policies"), settled).await;
}
