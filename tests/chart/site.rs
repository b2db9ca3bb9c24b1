//! A plane of one's own to install on: what the chart brings is for the whole cluster.

use std::ffi::OsStr;

use serde_json::{Value, json};
use slipway_tests::plane::Plane;

use super::helm::{Said, helm_on};

/// Where the chart is installed.
pub const NAMESPACE: &str = "slipway-system";

/// A plane where nobody has installed anything, for as long as this process lives. None where the developer has named a
/// cluster: that one has its own Slipway, perhaps.
pub fn plane() -> Option<&'static Plane> {
    let plane = Plane::start().unwrap();
    plane.audit_log()?;
    let plane: &'static Plane = Box::leak(Box::new(plane));
    // As strict as Kubernetes has it: a pod that asks for more than it should is not admitted.
    put(
        plane,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        }}),
    );
    for (name, mode) in [("one", "ReadWriteOncePod"), ("two", "ReadWriteOnce")] {
        put(
            plane,
            &json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
                "capacity": {"storage": "100Gi"}, "accessModes": [mode],
                "hostPath": {"path": "/nowhere"}, "persistentVolumeReclaimPolicy": "Retain",
            }}),
        );
    }
    Some(plane)
}

/// `helm COMMAND slipway …`, which waits until all is ready.
pub fn release<A: AsRef<OsStr>>(plane: &Plane, command: &str, arguments: &[A]) -> Said {
    let fixed = [command, "slipway", "--namespace", NAMESPACE, "--wait", "--timeout", "2m"];
    helm_on(plane, fixed.iter().map(OsStr::new).chain(arguments.iter().map(AsRef::as_ref)))
}

/// Applies an object as the administrator.
pub fn put(plane: &Plane, object: &Value) {
    say(plane, &["apply", "-f", "-"], &object.to_string());
}

/// What kubectl prints, if it succeeds.
pub fn say(plane: &Plane, arguments: &[&str], input: &str) -> String {
    let output = plane.kubectl_with_input(arguments, input).unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An object as it is now; null where there is none.
pub fn get(plane: &Plane, namespace: &str, kind: &str, name: &str) -> Value {
    let asked = ["get", kind, name, "--namespace", namespace, "--ignore-not-found", "-o", "json"];
    serde_json::from_str(&say(plane, &asked, "")).unwrap_or_default()
}

/// The names of all objects of these kinds that are Slipway's.
pub fn ours(plane: &Plane, kinds: &str) -> Vec<String> {
    let asked = ["get", kinds, "-A", "-l", "app.kubernetes.io/name=slipway", "-o", "name"];
    say(plane, &asked, "").lines().map(str::to_owned).collect()
}
