//! What the controller may do: watch its resources, write their status, and act in a namespace only where someone let it.
//!
//! It can act as a service account, or read a Secret, in no namespace but those where a `RoleBinding` grants it
//! `slipway-namespace`.

use serde_json::{Value, json};

use crate::GROUP;
use crate::install::{NAMESPACE, labels};

/// The service account of the controller.
const ACCOUNT: &str = "slipway";

/// Service account, roles and bindings of the controller.
pub fn rbac() -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE, "labels": labels()},
        }),
        role(
            "ClusterRole",
            "slipway-controller",
            &[
                rule(&[GROUP], &["deployments", "environments", "releases"], &["get", "list", "watch", "patch"]),
                rule(
                    &[GROUP],
                    &["deployments/status", "environments/status", "releases/status"],
                    &["get", "patch", "update"],
                ),
                rule(&[""], &["namespaces"], &["get"]),
                rule(&["", "events.k8s.io"], &["events"], &["create", "patch"]),
                rule(
                    &["admissionregistration.k8s.io"],
                    &[
                        "mutatingadmissionpolicies",
                        "mutatingadmissionpolicybindings",
                        "validatingadmissionpolicies",
                        "validatingadmissionpolicybindings",
                    ],
                    &["get", "list", "watch"],
                ),
                rule(&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
                rule(&["authorization.k8s.io"], &["subjectaccessreviews"], &["create"]),
            ],
        ),
        binding("ClusterRoleBinding", "slipway-controller", "ClusterRole", "slipway-controller"),
        role(
            "Role",
            "slipway-leader",
            &[rule(&["coordination.k8s.io"], &["leases"], &["get", "create", "update", "patch"])],
        ),
        binding("RoleBinding", "slipway-leader", "Role", "slipway-leader"),
        // Not bound here: bind it in each namespace that holds Environments.
        role(
            "ClusterRole",
            "slipway-namespace",
            &[rule(&[""], &["serviceaccounts"], &["impersonate"]), rule(&[""], &["secrets"], &["get"])],
        ),
    ]
}

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

fn metadata(kind: &str, name: &str) -> Value {
    if kind.starts_with("Cluster") {
        return json!({"name": name, "labels": labels()});
    }
    json!({"name": name, "namespace": NAMESPACE, "labels": labels()})
}

fn role(kind: &str, name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(kind, name), "rules": rules,
    })
}

fn binding(kind: &str, name: &str, role_kind: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(kind, name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    })
}
