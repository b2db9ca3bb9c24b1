//! The roles of people. Each has the right to write what its decisions are written in, and the verbs that the decisions
//! take; without the verb the right to write is worth nothing, and the other way round.
//!
//! A verb is asked for `environments.slipway.dev/<name>`, so that a role of one's own can name the Environments in
//! `resourceNames`: docs/RBAC.md has one.

use serde_json::Value;
use slipway_domain::admission::Verb;

use super::{KINDS, POLICIES, role, rule};
use crate::GROUP;

/// The names of the roles.
pub(super) const NAMES: [&str; 5] =
    ["slipway-viewer", "slipway-deployer", "slipway-reviewer", "slipway-operator", "slipway-auditor"];

const READ: [&str; 3] = ["get", "list", "watch"];
/// To add an entry: `kubectl patch` and `kubectl edit`, and what replaces the object whole.
const ADD: [&str; 2] = ["patch", "update"];

/// Cluster roles: bound in a namespace they hold there, bound in the cluster they hold everywhere.
pub(super) fn roles() -> Vec<Value> {
    let [viewer, deployer, reviewer, operator, auditor] = NAMES;
    vec![
        of(viewer, vec![]),
        of(
            deployer,
            vec![
                may(&["deployments"], &["create", "patch", "update", "delete"]),
                // A server-side apply is a patch, also where it creates. What a Release says never changes.
                may(&["releases"], &["create", "patch"]),
                decide(&[Verb::Deploy]),
            ],
        ),
        of(reviewer, vec![may(&["deployments"], &ADD), decide(&[Verb::Approve])]),
        of(
            operator,
            vec![
                // To go back to an older release is to ask for a Deployment. A reset is an entry of the Environment.
                may(&["deployments"], &["create", "patch", "update"]),
                may(&["environments"], &ADD),
                decide(&[Verb::Deploy, Verb::Rollback, Verb::Reset, Verb::BreakGlass]),
            ],
        ),
        of(
            auditor,
            vec![
                rule(&["", "events.k8s.io"], &["events"], &READ),
                // What guards decisions, and where the end of the history is remembered.
                rule(&["admissionregistration.k8s.io"], &POLICIES, &READ),
                rule(&["coordination.k8s.io"], &["leases"], &["get"]),
            ],
        ),
    ]
}

/// Everybody reads.
fn of(name: &str, mut rules: Vec<Value>) -> Value {
    rules.insert(0, may(&KINDS, &READ));
    role("ClusterRole", name, &rules)
}

fn may(kinds: &[&str], verbs: &[&str]) -> Value {
    rule(&[GROUP], kinds, verbs)
}

fn decide(verbs: &[Verb]) -> Value {
    let verbs: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
    may(&["environments"], &verbs)
}
