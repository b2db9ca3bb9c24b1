//! What is deployed: objects that are healthy as soon as they exist, or one workload that becomes ready.

use serde_json::{Value, json};

/// The namespace of everything here.
pub(crate) const NAMESPACE: &str = "shop";

/// A Release of `objects` objects, whose names begin with the variable `NAME` and whose content has `CONTENT`.
pub(crate) fn plain(name: &str, objects: usize) -> Value {
    let manifests: Vec<Value> = (0..objects).map(object).collect();
    release(name, &manifests)
}

/// A Release of one workload with one pod, and its configuration.
pub(crate) fn workload(name: &str) -> Value {
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "${NAME}"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "${NAME}"}},
            "template": {
                "metadata": {"labels": {"app": "${NAME}"}, "annotations": {"content": "${CONTENT}"}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "web", "image": "registry.k8s.io/pause:3.10"}],
                },
            },
        },
    });
    release(name, &[object(0), deployment])
}

fn release(name: &str, manifests: &[Value]) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Release",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"service": "web", "version": "1.0.0", "source": {"manifests": manifests}},
    })
}

fn object(at: usize) -> Value {
    let metadata = json!({"name": format!("${{NAME}}-{at}")});
    match at % 4 {
        0 => json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"content": "${CONTENT}", "LOG_LEVEL": "info", "DATABASE_HOST": "db.shop.svc", "CACHE": "256"},
        }),
        1 => json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]},
        }),
        2 => json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
            "data": {"password": "aHVudGVyMg=="},
        }),
        _ => json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"nginx.conf": "worker_processes auto;\nevents { worker_connections 1024; }\n".repeat(8)},
        }),
    }
}

/// An Environment of the development tier.
pub(crate) fn environment(name: &str) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "project": "shop", "team": "web", "tier": "development",
            "runtime": {"k8s": {"namespace": NAMESPACE, "serviceAccountName": "deployer"}},
        },
    })
}

/// A Deployment of `release` to `environment`; its objects are named after `prefix`.
pub(crate) fn deployment(name: &str, environment: &str, release: &str, prefix: &str, content: &str) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "service": "web",
            "environmentRef": {"name": environment},
            "operation": {"deploy": {"releaseRef": {"name": release}}},
            "workReferences": ["https://git.example.com/shop/web/issues/11"],
            "rollbackPlan": "Nothing ran before: delete the objects",
            "variables": {"NAME": prefix, "CONTENT": content},
        },
    })
}

/// The namespace, the account that Slipway acts as, and what the account may do.
pub(crate) fn surroundings() -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": NAMESPACE}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "deployer", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": NAMESPACE}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "slipway", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "slipway-namespace"},
            "subjects": [{"kind": "ServiceAccount", "name": "slipway", "namespace": "slipway-system"}],
        },
    ]})
}
