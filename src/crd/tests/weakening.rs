//! What asks for less, as it is written: the same field by field for the API server's policies to agree with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")]

use rstest::rstest;
use serde_json::{Value, json};
use slipway_crd::parse;
use slipway_domain::environment::Environment;
use slipway_domain::safeguard::Weakening;

fn read(spec: &Value) -> Environment {
    let wire = json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
        "metadata": {
            "namespace": "shop", "name": "production", "uid": "u-2", "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": spec,
    });
    parse::environment(&serde_json::from_value(wire).unwrap()).unwrap()
}

/// An Environment that says something in every place.
fn careful() -> Value {
    json!({
        "project": "shop", "team": "web", "tier": "staging",
        "runtime": {"k8s": {
            "namespace": "shop-prod", "serviceAccountName": "deployer",
            "allowedKinds": [{"group": "rbac.authorization.k8s.io", "kind": "Role"}, {"group": "", "kind": "Namespace"}],
        }},
        "policy": {
            "approval": {"required": true, "count": 2, "expiresAfter": "1h"}, "confirm": "Manual", "sla": "30m",
            "onFailure": "Rollback",
            "freezeWindows": [{"start": "2026-12-20T00:00:00Z", "end": "2027-01-02T00:00:00Z", "reason": "holidays"}],
        },
        "healthChecks": [
            {"http": {"url": "http://web.shop/healthz"}}, {"exec": {"command": ["check"]}, "timeout": "5s", "retries": 3},
        ],
    })
}

fn with(mut spec: Value, pointer: &str, to: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match spec.pointer_mut(parent).unwrap() {
        Value::Object(map) if to.is_null() => drop(map.remove(key)),
        Value::Object(map) => drop(map.insert(key.to_owned(), to)),
        Value::Array(list) if to.is_null() => drop(list.remove(key.parse().unwrap())),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = to,
        other => panic!("{pointer} is beneath {other}"),
    }
    spec
}

fn weakenings(pointer: &str, to: Value) -> Vec<&'static str> {
    let changed = read(&with(careful(), pointer, to));
    changed.weakenings(&read(&careful())).into_iter().map(Weakening::as_str).collect()
}

#[rstest]
#[case("/policy", Value::Null, &[
    "spec.policy.approval.count", "spec.policy.approval.expiresAfter", "spec.policy.confirm", "spec.policy.freezeWindows",
])]
#[case("/policy/approval/required", json!(false), &["spec.policy.approval.count"])]
#[case("/policy/approval/required", Value::Null, &["spec.policy.approval.count"])]
#[case("/policy/approval/count", json!(1), &["spec.policy.approval.count"])]
#[case("/policy/approval/count", Value::Null, &["spec.policy.approval.count"])]
#[case("/policy/approval/expiresAfter", json!("1h0m1s"), &["spec.policy.approval.expiresAfter"])]
#[case("/policy/approval/expiresAfter", Value::Null, &["spec.policy.approval.expiresAfter"])]
#[case("/policy/confirm", json!("Auto"), &["spec.policy.confirm"])]
#[case("/policy/confirm", Value::Null, &["spec.policy.confirm"])]
#[case("/policy/onFailure", json!("Hold"), &["spec.policy.onFailure"])]
#[case("/policy/freezeWindows", Value::Null, &["spec.policy.freezeWindows"])]
#[case("/policy/freezeWindows/0/start", json!("2026-12-20T00:00:01Z"), &["spec.policy.freezeWindows"])]
#[case("/policy/freezeWindows/0/end", json!("2027-01-01T23:59:59Z"), &["spec.policy.freezeWindows"])]
#[case("/runtime", json!({"manual": {}}), &["spec.runtime"])]
#[case("/runtime/k8s/namespace", json!("other"), &["spec.runtime"])]
#[case("/runtime/k8s/serviceAccountName", json!("admin"), &["spec.runtime"])]
#[case("/runtime/k8s/access", json!("externalManaged"), &["spec.runtime"])]
#[case("/runtime/k8s/clusterRef", json!({"kubeconfigSecret": {"name": "other"}}), &["spec.runtime"])]
#[case("/runtime/k8s/allowedKinds/0/kind", json!("ClusterRole"), &["spec.runtime.k8s.allowedKinds"])]
#[case("/runtime/k8s/allowedKinds/1/group", json!("apps"), &["spec.runtime.k8s.allowedKinds"])]
#[case("/healthChecks", Value::Null, &["spec.healthChecks"])]
#[case("/healthChecks/1", Value::Null, &["spec.healthChecks"])]
#[case("/healthChecks/0/http/url", json!("http://web.shop/"), &["spec.healthChecks"])]
#[case("/healthChecks/0/http/expectStatus", json!(404), &["spec.healthChecks"])]
#[case("/healthChecks/0/timeout", json!("11s"), &["spec.healthChecks"])]
#[case("/healthChecks/0/retries", json!(2), &["spec.healthChecks"])]
#[case("/healthChecks/1/timeout", Value::Null, &["spec.healthChecks"])]
#[case("/healthChecks/1/exec/command", json!(["true"]), &["spec.healthChecks"])]
fn what_asks_for_less_is_named(#[case] pointer: &str, #[case] to: Value, #[case] expected: &[&str]) {
    assert_eq!(weakenings(pointer, to), expected);
}

#[rstest]
#[case("/policy/approval/count", json!(3))]
#[case("/policy/approval/expiresAfter", json!("60m"))]
#[case("/policy/approval/expiresAfter", json!("5m"))]
#[case("/policy/sla", Value::Null)]
#[case("/policy/onFailure", Value::Null)]
#[case("/policy/freezeWindows/0/reason", json!("stocktaking"))]
#[case("/policy/freezeWindows/0/end", json!("2027-01-03T00:00:00Z"))]
#[case("/runtime/k8s/access", json!("platformManaged"))]
#[case("/runtime/k8s/allowedKinds", Value::Null)]
#[case("/runtime/k8s/allowedKinds/0", Value::Null)]
#[case("/healthChecks/0/timeout", json!("10s"))]
#[case("/healthChecks/0/retries", json!(1))]
#[case("/healthChecks/0/http/expectStatus", json!(200))]
#[case("/healthChecks/1/retries", Value::Null)]
#[case("/timeout", json!("5h"))]
#[case("/retry", json!({"maxAttempts": 10}))]
#[case("/reset", json!({"of": "u-9", "actor": "alice", "note": "looked at it"}))]
fn what_asks_for_as_much_in_other_words_is_not(#[case] pointer: &str, #[case] to: Value) {
    assert_eq!(weakenings(pointer, to), [""; 0]);
}
