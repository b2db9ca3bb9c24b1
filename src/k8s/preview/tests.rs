use std::collections::BTreeMap;

use super::*;
use crate::render::render;
use serde_json::json;
use slipway_domain::digest::SecretKey;

fn target() -> Target {
    Target::new("shop", "deployer", "shop/production", "payments", Vec::new())
}

fn secret(value: &str) -> Rendered {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "annotations": {"copy/of": value}},
        "stringData": {"password": value},
    });
    render(&[object], &BTreeMap::new(), &target(), &SecretKey::new([1; 32])).unwrap()
}

fn finding(fate: Fate, diff: String) -> Finding {
    Finding { fate, diff, checks: Vec::new(), adopted: false }
}

#[test]
fn a_planted_secret_is_nowhere_in_a_forecast() {
    let (old, new) = (secret("correct-horse-1"), secret("correct-horse-2"));
    let key = SecretKey::new([1; 32]);
    let one = &new.objects[0];
    let mut live = old.objects[0].object.clone();
    live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        json!("{\"stringData\":{\"password\":\"correct-horse-0\"}}");
    let added = finding(Fate::Added, diff::unified(&one.reference, None, Some(&one.object), &key));
    let changed = finding(Fate::Changed, diff::unified(&one.reference, Some(&live), Some(&one.object), &key));
    for finding in [added, changed] {
        let forecast = forecast(&new, vec![finding], vec![Leaving::Removed(one.reference.clone())]);
        let text = serde_json::to_string(&forecast).unwrap();
        assert!(text.contains("hmac-sha256:"), "{text}");
        for planted in ["correct-horse", "Y29ycmVjdC1ob3JzZS"] {
            assert!(!text.contains(planted), "{text}");
        }
    }
}

#[test]
fn an_object_of_another_service_is_named_with_both_owners() {
    let rendered = secret("x");
    let mut live = rendered.objects[0].object.clone();
    live["metadata"]["annotations"]["slipway.dev/owner"] = json!("shop/production/orders");
    let failure = adoption(&target(), &rendered.objects[0], &live).unwrap_err();
    assert_eq!(failure.code, Code::ObjectOwned);
    assert_eq!(
        failure.message,
        "v1/Secret/db belongs to shop/production/orders; this release is of shop/production/payments"
    );
}

#[test]
fn an_object_of_nobody_is_adopted_and_said_so() {
    let rendered = secret("x");
    let check = adoption(&target(), &rendered.objects[0], &json!({"metadata": {}})).unwrap().unwrap();
    assert_eq!(check.name, "adopts v1/Secret/db");
    let mut found = finding(Fate::Changed, String::new());
    found.adopted = true;
    assert_eq!(forecast(&rendered, vec![found], Vec::new()).risk, Risk::Medium);
}

#[test]
fn removing_what_keeps_data_is_said() {
    let claim: ObjectRef = "v1/PersistentVolumeClaim/data".parse().unwrap();
    let forecast =
        forecast(&secret("x"), vec![finding(Fate::Unchanged, String::new())], vec![Leaving::Removed(claim.clone())]);
    assert_eq!(forecast.risk, Risk::High);
    assert_eq!(forecast.changes.removed, [claim]);
    assert_eq!(forecast.checks[0].name, "deletes data of v1/PersistentVolumeClaim/data");
}

#[test]
fn what_is_left_behind_is_known_by_group_kind_and_name() {
    let inventory: Vec<ObjectRef> = ["v1/Secret/db", "v1/Secret/old", "other.io/v1/Secret/db", "v2/Secret/db"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let rendered = secret("x");
    let left: Vec<String> = left_behind(&rendered, &inventory).iter().map(ToString::to_string).collect();
    assert_eq!(left, ["v1/Secret/old", "other.io/v1/Secret/db"]);
}
