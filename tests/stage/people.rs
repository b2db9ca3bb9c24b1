//! Who acts on a stage. Each may do everything with Slipway's resources: what they may not do is the scenario's to say.

use serde_json::{Value, json};

/// Asks for changes.
pub const ALICE: &str = "alice@example.com";
/// Reviews them.
pub const BOB: &str = "bob@example.com";
/// Is called at night.
pub const CAROL: &str = "carol@example.com";

/// The role of people, and its binding.
pub(super) fn rights(namespace: &str) -> [Value; 2] {
    let metadata = json!({"name": "people", "namespace": namespace});
    let subjects = [ALICE, BOB, CAROL]
        .map(|person| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}));
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": ["slipway.dev"], "resources": ["*"], "verbs": ["*"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "people"},
            "subjects": subjects,
        }),
    ]
}
