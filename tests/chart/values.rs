//! The values of the chart: those it has, and a set in which each differs from its default.

use serde_json::{Value, json};

use super::helm::chart;

/// The chart's own.
pub fn defaults() -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap()
}

/// Each value set to something else.
pub fn all() -> Value {
    json!({
        "image": {
            "repository": "registry.example.com:5000/slipway/controller", "tag": "1.2.3",
            "digest": format!("sha256:{}", "a".repeat(64)), "pullPolicy": "Always",
            "pullSecrets": [{"name": "registry"}],
        },
        "controller": {
            "watchNamespace": "shop", "leaseSeconds": 30, "log": "info,slipway_controller=debug", "logJson": false,
            "listenAddress": "[::]", "terminationGracePeriodSeconds": 90,
        },
        "checkpointKey": {"existingSecret": "signing", "key": "key.hex"},
        "trustedCertificates": {"existingConfigMap": "authorities", "key": "bundle.pem"},
        "persistence": {
            "size": "20Gi", "storageClassName": "fast", "accessMode": "ReadWriteOnce", "existingClaim": "history",
        },
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "2Gi"}},
        "metrics": {"serviceMonitor": {"enabled": true, "interval": "1m", "labels": {"prometheus": "main"}}},
        "podDisruptionBudget": {"enabled": false, "maxUnavailable": 0},
        "networkPolicy": {
            "enabled": false,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
        },
        "podLabels": {"team": "platform", "app.kubernetes.io/name": "other"},
        "podAnnotations": {"example.com/owner": "platform"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]},
        ]}}},
        "priorityClassName": "system-cluster-critical",
    })
}

/// The paths of everything that can be set on its own, as JSON pointers.
pub fn paths() -> Vec<String> {
    fn walk(path: &str, set: &Value, default: &Value, found: &mut Vec<String>) {
        // What is free to have any key is set as a whole.
        let section = default.as_object().is_some_and(|default| !default.is_empty()) && path != "/resources";
        match set.as_object().filter(|_| section) {
            Some(set) => {
                for (key, value) in set {
                    walk(&format!("{path}/{key}"), value, &default[key], found);
                }
            }
            None => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    walk("", &all(), &defaults(), &mut found);
    found
}

/// `values` with what `from` has at `path`.
pub fn with(values: &Value, path: &str, from: &Value) -> Value {
    let mut values = values.clone();
    let mut place = &mut values;
    for key in path.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = from.pointer(path).unwrap_or_else(|| panic!("{path} is not there")).clone();
    values
}
