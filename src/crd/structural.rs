//! The schema that the API server gets says what kubectl is to show: a union is a sentence and not a riddle, null is not
//! a value, and numbers have formats that Kubernetes knows.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

/// The definition of a resource, as it is installed.
pub fn definition<K: CustomResourceExt>() -> Result<CustomResourceDefinition, serde_json::Error> {
    serde_json::from_value(definition_json::<K>()?)
}

/// The definition of a resource, as it is written to a file.
pub(crate) fn definition_json<K: CustomResourceExt>() -> Result<Value, serde_json::Error> {
    let mut crd = serde_json::to_value(K::crd())?;
    if let Some(versions) = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        for version in versions {
            if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
                restate(schema);
            }
        }
    }
    Ok(crd)
}

fn restate(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    // What is absent is left out. A null that is stored would pass for a value in the rules.
    object.remove("nullable");
    object.remove("title");
    known_format(object);
    union(object);
    for bound in ["minimum", "maximum"] {
        if let Some(whole) = object.get(bound).and_then(Value::as_f64).and_then(whole) {
            object.insert(bound.to_owned(), whole.into());
        }
    }
    for key in ["properties"] {
        if let Some(children) = object.get_mut(key).and_then(Value::as_object_mut) {
            children.values_mut().for_each(restate);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(key) {
            restate(child);
        }
    }
    if object.get("type") == Some(&json!("array")) {
        object.entry("x-kubernetes-list-type").or_insert_with(|| json!("atomic"));
    }
}

/// A number without a fraction, as an integer.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "what does not come back as it was stays a float")]
    let integer = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "a bound that loses something is not the same number any more")]
    let same = (integer as f64).to_bits() == number.to_bits();
    same.then_some(integer)
}

fn known_format(object: &mut Map<String, Value>) {
    let known = match object.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16" | "uint32") => "int32",
        Some("uint64") => "int64",
        _ => return,
    };
    object.insert("format".to_owned(), known.into());
}

/// `oneOf` with a required property each becomes a rule that names the properties.
fn union(object: &mut Map<String, Value>) {
    let Some(branches) = object.get("oneOf").and_then(Value::as_array) else { return };
    let names: Option<Vec<String>> = branches
        .iter()
        .map(|branch| branch.pointer("/required/0").and_then(Value::as_str).map(ToOwned::to_owned))
        .collect();
    let Some(names) = names else { return };
    object.remove("oneOf");
    let present: Vec<String> = names.iter().map(|name| format!("has(self.{name})")).collect();
    let (rule, message) = match &names[..] {
        [only] => (present.join(""), format!("must have {only}")),
        _ => (
            format!("[{}].filter(branch, branch).size() == 1", present.join(", ")),
            format!("must have exactly one of {}", names.join(", ")),
        ),
    };
    let rules = object.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
    if let Some(rules) = rules.as_array_mut() {
        rules.insert(0, json!({"rule": rule, "message": message}));
    }
}
