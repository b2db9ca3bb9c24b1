//! One valid fixture, one mutation, one named field.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")]

use rstest::rstest;
use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment, Release, parse};
use slipway_domain::deployment::{Finish, Operation};
use slipway_domain::environment::RuntimeKind;
use slipway_domain::event::Source;
use slipway_domain::policy::{Confirm, OnFailure};
use slipway_domain::runtime::Probe;

const DIGEST: &str = "3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a";

fn deployment() -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
        "metadata": {
            "namespace": "shop", "name": "web-v1", "uid": "u-1", "creationTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [
                {"manager": "kubectl-slipway", "operation": "Apply", "time": "2026-01-02T04:00:00Z"},
                {"manager": "kustomize-controller", "operation": "Apply", "time": "2026-01-02T03:04:05Z"},
                {"manager": "slipway", "operation": "Update", "subresource": "status", "time": "2026-01-01T00:00:00Z"},
            ],
        },
        "spec": {
            "service": "web", "environmentRef": {"name": "production"},
            "operation": {"deploy": {"releaseRef": {"name": "web-v1"}}},
            "requester": "alice@example.com", "submittedBy": "alice@example.com",
            "workReferences": ["https://git.example.com/shop/issues/12"],
            "rollbackPlan": "Re-apply web-v0", "risk": "None known", "variables": {"LOG_LEVEL": "info"},
            "confirmations": [{"previewRef": format!("1-{DIGEST}"), "actor": "alice@example.com"}],
            "reviews": [{
                "reviewer": "bob@example.com", "decision": "Approve", "previewRef": format!("1-{DIGEST}"),
            }],
            "rollbacks": [{"id": "first", "actor": "carol@example.com", "note": "errors rise"}],
            "manual": {
                "start": {"actor": "alice@example.com"},
                "finish": {"result": "Failed", "actor": "alice@example.com", "note": "disk full"},
            },
            "abort": {"actor": "alice@example.com", "note": "wrong version"},
        },
    })
}

fn environment() -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
        "metadata": {
            "namespace": "shop", "name": "production", "uid": "u-2", "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {
            "project": "shop", "team": "web", "tier": "production", "changedBy": "alice@example.com",
            "runtime": {"k8s": {"namespace": "shop-prod", "serviceAccountName": "deployer"}},
            "policy": {
                "approval": {"count": 2},
                "freezeWindows": [{"start": "2026-12-20T00:00:00Z", "end": "2027-01-02T00:00:00Z", "reason": "holidays"}],
            },
            "healthChecks": [{"http": {"url": "http://web.shop/healthz"}}],
            "retry": {"maxAttempts": 2}, "timeout": "10m",
            "reset": {"of": "u-9", "actor": "alice@example.com", "note": "looked at it"},
        },
    })
}

/// `value` with `to` in the place of what `pointer` names; null removes it.
fn with(mut value: Value, pointer: &str, to: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(map) if to.is_null() => drop(map.remove(key)),
        Value::Object(map) => drop(map.insert(key.to_owned(), to)),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = to,
        other => panic!("{pointer} is beneath {other}"),
    }
    value
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_deployment_is_read_with_all_that_was_said() {
    let deployment = parse::deployment(&read(deployment())).unwrap();
    assert_eq!(deployment.request.operation, Operation::Deploy { release: "web-v1".parse().unwrap() });
    assert_eq!(deployment.source, Source::Gitops, "whoever wrote it first");
    assert_eq!(deployment.intents.reviews[0].reviewer.as_str(), "bob@example.com");
    assert!(matches!(&deployment.intents.finish, Some(Finish::Failed(act)) if act.note.as_str() == "disk full"));
    assert_eq!(deployment.status, slipway_domain::deployment::Status::default());
}

#[test]
fn the_digest_of_a_request_covers_neither_stamps_nor_intents_nor_a_default() {
    let digest = |value| parse::deployment(&read::<Deployment>(value)).unwrap().request.digest;
    let same = digest(deployment());
    for (pointer, to) in [
        ("/spec/submittedBy", json!("flux")),
        ("/spec/requester", json!("bob")),
        ("/spec/abort", Value::Null),
        ("/spec/reviews", Value::Null),
        ("/spec/strategy", json!("rolling")),
        ("/metadata/uid", json!("u-77")),
    ] {
        assert_eq!(digest(with(deployment(), pointer, to)), same, "{pointer}");
    }
    for (pointer, to) in [
        ("/spec/service", json!("api")),
        ("/spec/environmentRef/name", json!("staging")),
        ("/spec/operation/deploy/releaseRef/name", json!("web-v2")),
        ("/spec/workReferences/0", json!("#2")),
        ("/spec/rollbackPlan", json!("other")),
        ("/spec/risk", Value::Null),
        ("/spec/variables/LOG_LEVEL", json!("debug")),
    ] {
        assert_ne!(digest(with(deployment(), pointer, to)), same, "{pointer}");
    }
}

#[rstest]
#[case("/metadata/uid", json!(null), "metadata.uid")]
#[case("/metadata/creationTimestamp", json!(null), "metadata.creationTimestamp")]
#[case("/spec/service", json!("Web"), "spec.service")]
#[case("/spec/environmentRef/name", json!("a.b"), "spec.environmentRef.name")]
#[case("/spec/operation/deploy/releaseRef/name", json!("-"), "spec.operation.deploy.releaseRef.name")]
#[case("/spec/requester", json!(null), "spec.requester")]
#[case("/spec/submittedBy", json!("a\nb"), "spec.submittedBy")]
#[case("/spec/requester", json!("controller"), "spec.requester")]
#[case("/spec/submittedBy", json!("controller"), "spec.submittedBy")]
#[case("/spec/workReferences", json!([]), "spec.workReferences")]
#[case("/spec/workReferences/0", json!(" "), "spec.workReferences[0]")]
#[case("/spec/rollbackPlan", json!("\n"), "spec.rollbackPlan")]
#[case("/spec/risk", json!(""), "spec.risk")]
#[case("/spec/variables", json!({"1A": ""}), "spec.variables[\"1A\"]")]
#[case("/spec/confirmations/0/previewRef", json!("1"), "spec.confirmations[0].previewRef")]
#[case("/spec/confirmations/0/actor", json!(""), "spec.confirmations[0].actor")]
#[case("/spec/reviews/0/reviewer", json!(""), "spec.reviews[0].reviewer")]
#[case("/spec/reviews/0/reviewer", json!("controller"), "spec.reviews[0].reviewer")]
#[case("/spec/confirmations/0/actor", json!(" controller"), "spec.confirmations[0].actor")]
#[case("/spec/rollbacks/0/actor", json!("controller"), "spec.rollbacks[0].actor")]
#[case("/spec/manual/start/actor", json!("controller"), "spec.manual.start.actor")]
#[case("/spec/manual/finish/actor", json!("controller"), "spec.manual.finish.actor")]
#[case("/spec/abort/actor", json!("controller"), "spec.abort.actor")]
#[case("/spec/reviews/0/decision", json!("Reject"), "spec.reviews[0].note")]
#[case("/spec/rollbacks/0/note", json!(" "), "spec.rollbacks[0].note")]
#[case("/spec/rollbacks/0/id", json!("automatic"), "spec.rollbacks[0].id")]
#[case("/spec/manual/start/actor", json!(""), "spec.manual.start.actor")]
#[case("/spec/manual/finish/note", json!(null), "spec.manual.finish.note")]
#[case("/spec/abort/actor", json!(""), "spec.abort.actor")]
fn what_is_wrong_with_a_deployment_is_named(#[case] pointer: &str, #[case] to: Value, #[case] field: &str) {
    let errors = parse::deployment(&read(with(deployment(), pointer, to))).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field]);
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let wrong = with(with(deployment(), "/spec/service", json!("Web")), "/spec/abort/note", json!(" "));
    let errors = parse::deployment(&read(wrong)).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "spec.service: must be 1 to 63 lower-case letters, digits or '-', starting and ending with a letter or digit",
            "spec.abort.note: must not be empty",
        ]
    );
}

#[test]
fn an_environment_has_the_defaults_of_its_tier_but_for_what_it_says() {
    let environment = parse::environment(&read(environment())).unwrap();
    assert_eq!(environment.runtime, RuntimeKind::Kubernetes);
    assert_eq!((environment.policy.approval.required, environment.policy.approval.count), (true, 2));
    assert_eq!((environment.policy.confirm, environment.policy.on_failure), (Confirm::Manual, OnFailure::Rollback));
    assert_eq!(environment.policy.sla.unwrap().as_secs(), 1800);
    assert_eq!((environment.timeout.as_secs(), environment.retry.max_attempts), (600, 2));
    let check = &environment.health_checks[0];
    assert_eq!(check.probe, Probe::Http { url: "http://web.shop/healthz".to_owned(), expect_status: 200 });
    assert_eq!((check.timeout.as_secs(), check.retries), (10, 1));
}

#[test]
fn a_default_that_is_written_out_does_not_change_the_digest_of_an_environment() {
    let digest = |value| parse::environment(&read::<Environment>(value)).unwrap().digest;
    let same = digest(environment());
    for (pointer, to) in [
        ("/spec/policy/confirm", json!("Manual")),
        ("/spec/policy/sla", json!("30m")),
        ("/spec/healthChecks/0/timeout", json!("10s")),
        ("/spec/runtime/k8s/access", json!("platformManaged")),
        ("/spec/reset", Value::Null),
        ("/spec/changedBy", json!("bob")),
    ] {
        assert_eq!(digest(with(environment(), pointer, to)), same, "{pointer}");
    }
    for (pointer, to) in [
        ("/spec/policy/confirm", json!("Auto")),
        ("/spec/timeout", json!("11m")),
        ("/spec/runtime/k8s/serviceAccountName", json!("other")),
        ("/spec/policy/freezeWindows", Value::Null),
        ("/spec/healthChecks", Value::Null),
        ("/spec/retry/maxAttempts", json!(3)),
    ] {
        assert_ne!(digest(with(environment(), pointer, to)), same, "{pointer}");
    }
}

#[rstest]
#[case("/spec/runtime/k8s/access", json!("externalManaged"), true)]
#[case("/spec/runtime/k8s/allowedKinds", json!([{"group": "", "kind": "Namespace"}]), true)]
#[case("/spec/tier", json!("development"), true)]
#[case("/spec/runtime/k8s/namespace", json!("other"), false)]
#[case("/spec/runtime/k8s/serviceAccountName", json!("other"), false)]
#[case("/metadata/namespace", json!("other"), false)]
#[case("/spec/runtime", json!({"manual": {}}), false)]
fn two_environments_change_the_same_in_one_namespace_as_one_account(
    #[case] pointer: &str,
    #[case] to: Value,
    #[case] same: bool,
) {
    let one = parse::environment(&read(environment())).unwrap();
    let other = parse::environment(&read(with(environment(), pointer, to))).unwrap();
    assert_eq!(slipway_domain::neighbour::same_things(&one, &other), same);
}

#[test]
fn two_environments_change_the_same_where_they_share_a_host() {
    let of = |hosts: &[(&str, Option<u16>)]| {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB";
        let host = |(address, port): &(&str, Option<u16>)| {
            let mut host = json!({"address": address, "user": "deploy", "hostKeys": [key]});
            if let Some(port) = port {
                host["port"] = (*port).into();
            }
            host
        };
        let hosts: Vec<Value> = hosts.iter().map(host).collect();
        let ssh =
            json!({"hosts": hosts, "identitySecretRef": {"name": "ssh"}, "profile": "compose", "root": "/opt/slipway"});
        parse::environment(&read(with(environment(), "/spec/runtime", json!({"ssh": ssh})))).unwrap()
    };
    let one = of(&[("web1.example.com", None), ("web2.example.com", None)]);
    for (other, same) in [
        (("WEB2.example.com", Some(22)), true),
        (("web2.example.com", Some(2222)), false),
        (("web3.example.com", None), false),
    ] {
        assert_eq!(slipway_domain::neighbour::same_things(&one, &of(&[other])), same, "{other:?}");
    }
}

#[rstest]
#[case("/spec/project", json!(" "), "spec.project")]
#[case("/spec/team", json!(""), "spec.team")]
#[case("/spec/timeout", json!("1d"), "spec.timeout")]
#[case("/spec/policy/sla", json!("0s"), "spec.policy.sla")]
#[case("/spec/policy/approval", json!({"expiresAfter": "soon"}), "spec.policy.approval.expiresAfter")]
#[case("/spec/policy/freezeWindows/0/end", json!("2026-12-20T00:00:00Z"), "spec.policy.freezeWindows[0].end")]
#[case("/spec/retry", json!({"backoff": ["1m", "x"]}), "spec.retry.backoff[1]")]
#[case("/spec/healthChecks/0", json!({"database": {}}), "spec.healthChecks[0].database")]
#[case("/spec/healthChecks/0/timeout", json!("1"), "spec.healthChecks[0].timeout")]
#[case("/spec/reset/of", json!(""), "spec.reset.of")]
#[case("/spec/reset/note", json!(""), "spec.reset.note")]
#[case("/spec/changedBy", json!(""), "spec.changedBy")]
#[case("/spec/changedBy", json!("controller"), "spec.changedBy")]
#[case("/spec/reset/actor", json!("controller"), "spec.reset.actor")]
fn what_is_wrong_with_an_environment_is_named(#[case] pointer: &str, #[case] to: Value, #[case] field: &str) {
    let errors = parse::environment(&read(with(environment(), pointer, to))).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field]);
}

#[test]
fn the_digest_of_a_release_is_of_what_it_is_and_not_of_where_it_is() {
    let release = |name: &str, value: &str| {
        read::<Release>(json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Release", "metadata": {"name": name, "uid": name},
            "spec": {"service": "web", "version": "1", "source": {"manifests": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}},
            ]}},
        }))
    };
    assert_eq!(parse::release_digest(&release("a", "1")), parse::release_digest(&release("b", "1")));
    assert_ne!(parse::release_digest(&release("a", "1")), parse::release_digest(&release("a", "2")));
}
