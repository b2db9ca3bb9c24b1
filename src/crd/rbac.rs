//! What the controller may do: watch its resources, write their status, and act in a namespace only where someone let it.
//!
//! It can act as a service account in no namespace but those where a `RoleBinding` grants it `slipway-namespace`. What
//! people may do is in [`people`].

mod people;

use serde_json::{Value, json};

use crate::GROUP;
use crate::install::{NAMESPACE, labels};

/// The kinds of resources, as RBAC names them.
const KINDS: [&str; 3] = ["deployments", "environments", "releases"];
/// What policies look up of Environments, as RBAC names it.
const INDEX: &str = "environmentindexes";
/// The policies that the API server judges requests by, as RBAC names them.
const POLICIES: [&str; 4] = [
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];

/// The service account of the controller.
const ACCOUNT: &str = "slipway";

/// Service account, roles and bindings of the controller, and the roles of people, which nobody has yet.
pub fn rbac() -> Vec<Value> {
    let mut objects = controller();
    objects.extend(people::roles());
    objects
}

/// Each right is one that the controller uses: `tests/chart.rs` watches it work and compares.
fn controller() -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE, "labels": labels()},
        }),
        role(
            "ClusterRole",
            "slipway-controller",
            &[
                // To patch is to take off a finalizer.
                rule(&[GROUP], &KINDS, &["get", "list", "watch", "patch"]),
                rule(&[GROUP], &KINDS.map(|kind| format!("{kind}/status")), &["update"]),
                rule(&[GROUP], &[INDEX], &["list", "watch", "create", "patch"]),
                rule(&[""], &["namespaces"], &["get"]),
                rule(&["events.k8s.io"], &["events"], &["create"]),
                rule(&["admissionregistration.k8s.io"], &POLICIES, &["list", "watch"]),
                // One of them says which account writes status.
                rule(&["admissionregistration.k8s.io"], &["validatingadmissionpolicies"], &["get"]),
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
        role("ClusterRole", "slipway-namespace", &[rule(&[""], &["serviceaccounts"], &["impersonate"])]),
    ]
}

fn rule<R: serde::Serialize>(groups: &[&str], resources: &[R], verbs: &[&str]) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &Value) -> Vec<&str> {
        list.as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }

    /// Resources and verbs of each rule of the roles that `which` chooses.
    fn rules(objects: &[Value], which: impl Fn(&str) -> bool) -> Vec<(Vec<&str>, Vec<&str>)> {
        let chosen = objects.iter().filter(|object| which(object["metadata"]["name"].as_str().unwrap()));
        let rules = chosen.filter_map(|role| role["rules"].as_array()).flatten();
        rules.map(|rule| (words(&rule["resources"]), words(&rule["verbs"]))).collect()
    }

    #[test]
    fn no_role_has_a_right_that_it_does_not_name() {
        for (resources, verbs) in rules(&rbac(), |_| true) {
            assert!(!resources.contains(&"*") && !verbs.contains(&"*"), "{resources:?} {verbs:?}");
        }
    }

    #[test]
    fn the_controller_reads_no_secret_and_writes_no_policy() {
        let objects = rbac();
        for (resources, verbs) in rules(&objects, |name| name == "slipway-controller" || name == "slipway-leader") {
            let writes: Vec<_> = verbs.into_iter().filter(|verb| !["get", "list", "watch"].contains(verb)).collect();
            let allowed: &[&str] = match resources[0] {
                "deployments" => &["patch"],
                "deployments/status" => &["update"],
                "environmentindexes" => &["create", "patch"],
                "events" => &["create"],
                "leases" => &["create", "update", "patch"],
                _ => &[],
            };
            assert_eq!(writes, allowed, "{resources:?}");
            assert!(!resources.contains(&"secrets"));
        }
    }

    #[test]
    fn nobody_but_the_controller_writes_status_or_finalizers_or_acts_as_an_account() {
        let objects = rbac();
        let people = |name: &str| people::NAMES.contains(&name);
        assert_eq!(objects.iter().filter(|object| people(object["metadata"]["name"].as_str().unwrap())).count(), 5);
        for (resources, verbs) in rules(&objects, people) {
            assert!(!resources.iter().any(|resource| resource.contains('/')), "{resources:?}");
            assert!(!verbs.contains(&"impersonate") && !verbs.contains(&"deletecollection"), "{verbs:?}");
        }
    }
}
