//! The objects of the scenarios. Their names are the same in every namespace.

use kube::core::ApiResource;
use serde_json::{Value, json};

/// The kinds that the scenarios' releases consist of.
pub(super) const RELEASED: [&str; 3] = ["ConfigMap", "Service", "Workload"];

/// The resource behind a name of ours; `Workload` is what the `apps` group calls Deployment.
pub(super) fn resource(kind: &str) -> ApiResource {
    let (group, version, kind, plural) = match kind {
        "Workload" => ("apps", "v1", "Deployment", "deployments"),
        "ReplicaSet" => ("apps", "v1", "ReplicaSet", "replicasets"),
        "ConfigMap" => ("", "v1", "ConfigMap", "configmaps"),
        "Service" => ("", "v1", "Service", "services"),
        "Namespace" => ("", "v1", "Namespace", "namespaces"),
        "ServiceAccount" => ("", "v1", "ServiceAccount", "serviceaccounts"),
        "Lease" => ("coordination.k8s.io", "v1", "Lease", "leases"),
        "SubjectAccessReview" => ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews"),
        "Role" => ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
        "RoleBinding" => ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
        "Environment" => ("slipway.dev", "v1alpha1", "Environment", "environments"),
        "Release" => ("slipway.dev", "v1alpha1", "Release", "releases"),
        _ => ("slipway.dev", "v1alpha1", "Deployment", "deployments"),
    };
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn object(kind: &str, name: &str, mut rest: Value) -> (String, Value) {
    let resource = resource(kind);
    rest["apiVersion"] = json!(resource.api_version);
    rest["kind"] = json!(resource.kind);
    rest["metadata"]["name"] = json!(name);
    (kind.to_owned(), rest)
}

/// The account that releases are applied as, with the right to.
pub(super) fn account(namespace: &str) -> Vec<(String, Value)> {
    let lease = json!([{
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "patch"],
    }]);
    let of_controller = |name: &str, kind: &str, role: &str| {
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
        let account = json!([{"kind": "ServiceAccount", "name": "slipway", "namespace": "slipway-system"}]);
        object("RoleBinding", name, json!({"roleRef": reference, "subjects": account}))
    };
    vec![
        object("ServiceAccount", "deployer", json!({})),
        binding("deployer", namespace),
        of_controller("slipway", "ClusterRole", "slipway-namespace"),
        // Each case has a lease of its own, beside everything else of it.
        object("Role", "slipway-leader", json!({"rules": lease})),
        of_controller("slipway-leader", "Role", "slipway-leader"),
    ]
}

/// Lets the account of the namespace `from` write here.
pub(super) fn binding(name: &str, from: &str) -> (String, Value) {
    object(
        "RoleBinding",
        name,
        json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": from}],
        }),
    )
}

/// An Environment of a namespace; `policy` is its policy.
pub fn environment(name: &str, namespace: &str, policy: &Value) -> (String, Value) {
    object(
        "Environment",
        name,
        json!({"spec": {
            "project": "shop", "team": "web", "tier": "development", "policy": policy,
            "runtime": {"k8s": {"namespace": namespace, "serviceAccountName": "deployer"}},
        }}),
    )
}

/// A release of `service`: a `ConfigMap`, a Service and a workload of one pod with `image`.
pub fn release(name: &str, service: &str, image: &str) -> (String, Value) {
    let labels = json!({"app": service});
    object(
        "Release",
        name,
        json!({"spec": {"service": service, "version": name, "source": {"manifests": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": service}, "data": {"release": name}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
             "spec": {"selector": labels, "ports": [{"port": 80}]}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": service}, "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                // Not ready at once, so that what is said while it is awaited is said in every run.
                "template": {"metadata": {"labels": labels, "annotations": {"slipway.dev/ready-after": "400ms"}},
                             "spec": {"containers": [{"name": "main", "image": format!("shop.example.com/{image}")}]}},
            }},
        ]}}}),
    )
}

/// A release of `service` that is a `ConfigMap` and nothing else.
pub fn settings(name: &str, service: &str) -> (String, Value) {
    object(
        "Release",
        name,
        json!({"spec": {"service": service, "version": name, "source": {"manifests": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": service}, "data": {"release": name}},
        ]}}}),
    )
}

/// A Deployment of a release of the same name.
pub fn deployment(name: &str, service: &str, environment: &str, release: &str) -> (String, Value) {
    object(
        "Deployment",
        name,
        json!({"spec": {
            "service": service, "environmentRef": {"name": environment},
            "operation": {"deploy": {"releaseRef": {"name": release}}},
            "workReferences": ["https://git.example.com/shop/web/issues/1"],
            "rollbackPlan": "the release before it",
        }}),
    )
}
