//! The chart on a cluster where there was nothing: it is accepted, it works with the rights that it brings, and when it
//! goes the history and all that people have written stay.

use serde_json::{Value, json};
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{config, deployment, environment, release as release_of, workload};
use slipway_tests::stage::{ALICE, Stage};

use super::helm::chart;
use super::site::{NAMESPACE, get, ours, plane, put, release, say};
use super::values::all;

const GUARDS: &str = "mutatingadmissionpolicies,mutatingadmissionpolicybindings,validatingadmissionpolicies,\
                      validatingadmissionpolicybindings,clusterroles,clusterrolebindings,roles,rolebindings";

#[tokio::test]
async fn it_installs_works_with_its_own_rights_and_leaves_everything_behind_but_itself() {
    let Some(plane) = plane() else { return };
    let chart = chart();
    let chart = chart.to_str().unwrap();
    release(plane, "install", &[chart]).done();
    let workload_ready = |name: &str| get(plane, NAMESPACE, "statefulset", name)["status"]["readyReplicas"] == 1;
    assert!(workload_ready("slipway"), "a pod that complies with the restricted profile");
    assert_eq!(get(plane, NAMESPACE, "pvc", "data-slipway-0")["status"]["phase"], "Bound");
    assert!(!ours(plane, GUARDS).is_empty());

    // Pods are simulated here: the controller runs beside the cluster, as the chart's account and with its rights.
    let mut stage = Stage::on(plane).await;
    stage.start().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let manifests = [config("web", &json!({"a": "b"})), workload("web", "1")];
    stage.apply(ALICE, &release_of("web-v1", "web", &manifests)).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    stage.stop().await;

    release(plane, "uninstall", &[] as &[&str]).done();
    assert_eq!(ours(plane, GUARDS), [""; 0]);
    assert_eq!(ours(plane, "statefulsets,services,networkpolicies,poddisruptionbudgets,serviceaccounts"), [""; 0]);
    assert_eq!(ours(plane, "crd").len(), slipway_crd::install::definitions().unwrap().len());
    let kept = get(plane, &stage.namespace, "slipd", "web-v1");
    assert_eq!(kept["metadata"]["uid"].as_str(), done.metadata.uid.as_deref());
    assert_eq!(get(plane, NAMESPACE, "pvc", "data-slipway-0")["status"]["phase"], "Bound");

    // Again, in every other way that the values offer, over what was left.
    put(plane, &service_monitors());
    say(plane, &["wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com"], "");
    put(
        plane,
        &json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "history", "namespace": NAMESPACE},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }),
    );
    let values = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(&values, all().to_string()).unwrap();
    release(plane, "install", &[chart, "--values", values.path().to_str().unwrap()]).done();
    assert!(workload_ready("slipway"), "with every value set");
    assert_eq!(ours(plane, "servicemonitors").len(), 1);
    assert_eq!(get(plane, &stage.namespace, "slipd", "web-v1")["status"]["phase"], "Succeeded");
}

/// As much of the Prometheus operator's resource as it takes to be asked for.
fn service_monitors() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    })
}
