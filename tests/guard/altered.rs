//! A policy that is there and does less than it was generated to do is as good as none.

use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_crd::likeness::models;
use slipway_domain::phase::Phase;

use super::alone::{Alone, first, put_back, put_one_back, remove, resource};

const POLICY: &str = "ValidatingAdmissionPolicy";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";

/// Ways to weaken one, as merge patches of its spec, and where that is seen.
fn ways() -> Vec<(&'static str, Value, &'static str)> {
    let elsewhere = json!({"matchLabels": {"guarded": "yes"}});
    let rule = json!([{"apiGroups": ["slipway.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]);
    let everywhere = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    vec![
        (POLICY, json!({"matchConditions": [{"name": "never", "expression": "false"}]}), "spec.matchConditions"),
        (POLICY, json!({"failurePolicy": "Ignore"}), "spec.failurePolicy"),
        (
            POLICY,
            json!({"matchConstraints": {"excludeResourceRules": rule}}),
            "spec.matchConstraints.excludeResourceRules",
        ),
        (POLICY, json!({"matchConstraints": {"resourceRules": [everywhere]}}), "spec.matchConstraints.resourceRules"),
        (
            POLICY,
            json!({"matchConstraints": {"namespaceSelector": elsewhere}}),
            "spec.matchConstraints.namespaceSelector",
        ),
        (POLICY, json!({"matchConstraints": {"objectSelector": elsewhere}}), "spec.matchConstraints.objectSelector"),
        (POLICY, json!({"validations": [{"expression": "true"}]}), "spec.validations"),
        (BINDING, json!({"validationActions": ["Audit"]}), "spec.validationActions"),
        (BINDING, json!({"validationActions": ["Warn"]}), "spec.validationActions"),
        (BINDING, json!({"matchResources": {"namespaceSelector": elsewhere}}), "spec.matchResources"),
        (BINDING, json!({"paramRef": {"name": "x", "parameterNotFoundAction": "Allow"}}), "spec.paramRef"),
        ("MutatingAdmissionPolicy", json!({"failurePolicy": "Ignore"}), "spec.failurePolicy"),
        (
            "MutatingAdmissionPolicyBinding",
            json!({"matchResources": {"objectSelector": elsewhere}}),
            "spec.matchResources",
        ),
    ]
}

#[tokio::test]
async fn whatever_weakens_one_is_named_and_what_the_message_says_mends_it() {
    let alone = Alone::open().await;
    let before = alone.waiting().await;
    // One is missing all the time, so that all of this is one gap.
    let missing = models().into_iter().filter(|model| model.kind == "MutatingAdmissionPolicy").nth(1).unwrap();
    remove(&alone.stage, &missing);
    for (kind, spec, at) in ways() {
        let model = first(kind);
        let patch = json!({"spec": spec}).to_string();
        alone.stage.kubectl_says(&["patch", &resource(&model), &model.name, "--type=merge", "-p", &patch]);
        let said = format!("{kind} {} is not as Slipway generates it, at {at}", model.name);
        alone.distrusted(&said).await;
        alone.not_ready(&said).await;
        remove(&alone.stage, &model);
        put_one_back(&alone.stage, &model);
    }
    alone.approve().await;
    // What the message says.
    put_back(&alone.stage);
    alone.starts_over(&before).await;
}

#[tokio::test]
async fn one_that_lost_its_label_is_missed_until_it_has_it_again() {
    let alone = Alone::open().await;
    let before = alone.waiting().await;
    for model in models().iter().take(2) {
        alone.stage.kubectl_says(&["label", &resource(model), &model.name, "app.kubernetes.io/name-"]);
        alone.distrusted(&format!("{} {} is missing", model.kind, model.name)).await;
        alone.stage.kubectl_says(&["label", &resource(model), &model.name, "app.kubernetes.io/name=slipway"]);
    }
    // It was enforced all the time: what was shown still stands.
    let waiting = alone.stage.waits("web-v1", "ReviewRequired").await;
    assert_eq!(waiting.status.unwrap().preview.unwrap().reference, before);
    alone.approve().await;
    alone.stage.phase("web-v1", Phase::Succeeded).await;
}

#[tokio::test]
async fn what_stands_as_generated_is_in_force_after_a_restart_too_and_nothing_is_written() {
    let mut alone = Alone::open().await;
    let before = alone.waiting().await;
    alone.ready().await;
    let versions = alone.stage.versions().await;
    alone.stage.stop().await;
    alone.stage.start().await;
    alone.ready().await;
    alone.stage.controller().says("policies that check who decides are in force").await;
    // An Environment that comes later is looked at after everything that was there.
    let later = slipway_tests::stage::objects::manual("later");
    alone.stage.apply(slipway_tests::stage::ALICE, &later).await;
    alone.stage.environment("later", "is ready", |status| status.readiness.as_str() == "ready").await;
    let after = alone.stage.versions().await;
    let kept: Vec<&String> = after.iter().filter(|version| !version.contains("/later@")).collect();
    assert_eq!(kept, versions.iter().collect::<Vec<_>>());
    let now: Deployment = alone.stage.get("web-v1").await;
    assert_eq!(now.status.unwrap().preview.unwrap().reference, before);
}
