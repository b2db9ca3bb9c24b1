//! From the version before: what is for the whole cluster is brought up to date, and what people have written stays.
//!
//! `slipway-0.0.9.tgz` is the chart as it was before: without the policy that keeps a Release as it is, without
//! `spec.expiresAt` of an Environment, and with rights that nobody needs.

use serde_json::{Value, json};
use slipway_tests::plane::Plane;
use slipway_tests::stage::eventually;
use slipway_tests::stage::objects::{config, deployment, environment, release as release_of};

use super::helm::{chart, root};
use super::site::{get, ours, plane, release, say};

const POLICIES: &str = "mutatingadmissionpolicies,validatingadmissionpolicies";

#[tokio::test]
async fn an_upgrade_brings_definitions_and_policies_up_to_date_and_keeps_what_is_there() {
    let Some(plane) = plane() else { return };
    let previous = root().join("tests/chart/slipway-0.0.9.tgz");
    release(plane, "install", &[previous.to_str().unwrap()]).done();
    let expires = || {
        let definition = get(plane, "", "crd", "environments.slipway.dev");
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        schema["properties"]["tier"].is_object() && schema["properties"]["expiresAt"].is_object()
    };
    assert!(!expires());
    let rights = || get(plane, "", "clusterrole", "slipway-controller").to_string();
    assert!(rights().contains("tokenreviews"));
    let before = ours(plane, POLICIES);
    say(plane, &["wait", "--for=condition=Established", "crd", "--selector", "app.kubernetes.io/name=slipway"], "");
    let manifests = [config("web", &json!({"a": "b"}))];
    let release_v1 = release_of("v1", "web", &manifests);
    for object in [environment("dev", "default"), release_v1, deployment("v1", "web", "dev", "v1")] {
        created(plane, &object).await;
    }
    let written = || ["slipe/dev", "slipr/v1", "slipd/v1"].map(|name| identity(&get_one(plane, name)));
    let was = written();

    release(plane, "upgrade", &[chart().to_str().unwrap(), "--reset-then-reuse-values"]).done();
    assert!(expires());
    let after = ours(plane, POLICIES);
    assert!(before.iter().all(|name| after.contains(name)) && after.len() > before.len(), "{before:?} {after:?}");
    assert_eq!(written(), was);
    assert!(!rights().contains("tokenreviews"));
}

#[test]
fn what_was_installed_by_manifests_is_taken_over() {
    let Some(plane) = plane() else { return };
    let manifests = slipway_crd::install::everything().unwrap();
    say(plane, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifests);
    let owner = |kind: &str, name: &str| {
        get(plane, "", kind, name)["metadata"]["annotations"]["meta.helm.sh/release-name"].clone()
    };
    assert_eq!(owner("crd", "deployments.slipway.dev"), Value::Null);
    let said = release(plane, "install", &[chart().to_str().unwrap()]).refused();
    assert!(said.contains("cannot be imported"), "{said}");
    release(plane, "install", &[chart().to_str().unwrap(), "--take-ownership", "--force-conflicts"]).done();
    for (kind, name) in [("crd", "deployments.slipway.dev"), ("clusterrole", "slipway-viewer")] {
        assert_eq!(owner(kind, name), "slipway");
    }
}

fn get_one(plane: &Plane, name: &str) -> Value {
    let (kind, name) = name.split_once('/').unwrap();
    get(plane, "default", kind, name)
}

fn identity(object: &Value) -> (Value, Value) {
    (object["metadata"]["uid"].clone(), object["spec"].clone())
}

/// A policy needs a moment to see the definition of what it stamps, and the server refuses until then.
async fn created(plane: &Plane, object: &Value) {
    let applied = async || {
        let output = plane.kubectl_with_input(["apply", "-n", "default", "-f", "-"], &object.to_string()).unwrap();
        output.status.success().then_some(())
    };
    eventually(&format!("{} is taken", object["metadata"]), applied).await;
}
