//! The objects of a scenario: a valid one each, to be changed in one place.

use serde_json::{Map, Value, json};

/// Changes one place of an object.
pub trait With: Sized {
    /// The same with `value` at `path`, which is made where it is not there: `spec.policy.confirm`.
    #[must_use]
    fn with(self, path: &str, value: impl Into<Value>) -> Self;
}

impl With for Value {
    fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let mut place = &mut self;
        for part in path.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[part];
        }
        *place = value.into();
        self
    }
}

/// A development Environment in the stage's namespace.
pub fn environment(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment", "metadata": {"name": name},
        "spec": {
            "project": "shop", "team": "payments", "tier": "development",
            "runtime": {"k8s": {"namespace": namespace, "serviceAccountName": super::ACCOUNT}},
        },
    })
}

/// An Environment in which people do the work.
pub fn manual(name: &str) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment", "metadata": {"name": name},
        "spec": {"project": "shop", "team": "payments", "tier": "development", "runtime": {"manual": {}}},
    })
}

/// A Release of these objects.
pub fn release(name: &str, service: &str, manifests: &[Value]) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Release", "metadata": {"name": name},
        "spec": {"service": service, "version": name, "source": {"manifests": manifests}},
    })
}

/// A Deployment of a Release.
pub fn deployment(name: &str, service: &str, environment: &str, release: &str) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "service": service, "environmentRef": {"name": environment},
            "operation": {"deploy": {"releaseRef": {"name": release}}},
            "workReferences": ["https://git.example.com/shop/issues/12"],
            "rollbackPlan": "Slipway brings the release before back",
        },
    })
}

/// A `ConfigMap`.
pub fn config(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// A workload of one simulated pod, whose behaviour the tag of its image chooses.
pub fn workload(name: &str, tag: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": format!("registry.example.com/{name}:{tag}")}]},
            },
        },
    })
}
