//! Whether what is installed is what this version generates: present, and saying the same.

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use super::access::Access;
use super::refusal;
use crate::Failure;

/// How one object of the installation is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// As generated.
    Same,
    /// It is not there.
    Missing,
    /// These fields are not as generated.
    Altered(Vec<String>),
    /// It could not be read.
    Unknown(String),
}

/// One object of the installation, by kind and name.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) condition: Condition,
}

/// Fields that the API server fills in where nothing is said, and what it fills in.
const DEFAULTS: [(&str, &str); 6] = [
    ("strategy", "None"),
    ("matchPolicy", "Equivalent"),
    ("scope", "*"),
    ("failurePolicy", "Fail"),
    ("listKind", ""),
    ("singular", ""),
];

/// Looks at the definitions and the policies that are generated.
pub(super) async fn look(access: &Access) -> Result<Vec<Installed>, Failure> {
    let mut found = Vec::new();
    for wanted in generated()? {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&wanted["kind"]), text(&wanted["metadata"]["name"]));
        let api_version = text(&wanted["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let api: Api<DynamicObject> = Api::all_with(access.client.clone(), &resource);
        let condition = match refusal::timed(api.get(&name)).await {
            Ok(live) => compared(&wanted, &serde_json::to_value(live).unwrap_or_default()),
            Err(error) if refusal::missing(&error) => Condition::Missing,
            Err(kube::Error::Api(status)) => Condition::Unknown(status.message.clone()),
            Err(error) => return Err(refusal::said("looking at what is installed", &error)),
        };
        found.push(Installed { kind, name, condition });
    }
    Ok(found)
}

/// The definitions and the policies, out of everything that is generated.
fn generated() -> Result<Vec<Value>, Failure> {
    let unread =
        |error: &dyn std::error::Error| Failure::No(format!("what should be installed cannot be told: {error}"));
    let text = slipway_crd::install::everything().map_err(|error| unread(&error))?;
    let documents: Result<Vec<Value>, _> = text.split("\n---\n").map(serde_yaml::from_str).collect();
    let documents = documents.map_err(|error| unread(&error))?;
    let guards = |object: &Value| {
        let kind = object["kind"].as_str().unwrap_or_default();
        kind == "CustomResourceDefinition" || kind.contains("AdmissionPolicy")
    };
    Ok(documents.into_iter().filter(guards).collect())
}

fn compared(wanted: &Value, live: &Value) -> Condition {
    let mut altered = Vec::new();
    if !live["metadata"]["deletionTimestamp"].is_null() {
        altered.push("metadata.deletionTimestamp".to_owned());
    }
    differences(&wanted["spec"], &live["spec"], "spec", &mut altered);
    if altered.is_empty() { Condition::Same } else { Condition::Altered(altered) }
}

/// The fields that differ. What the server fills in where nothing is said is no difference.
fn differences(wanted: &Value, live: &Value, path: &str, found: &mut Vec<String>) {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            for (name, value) in wanted {
                differences(value, live.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"), found);
            }
            let added = live.iter().filter(|(name, value)| !wanted.contains_key(*name) && !filled_in(name, value));
            found.extend(added.map(|(name, _)| format!("{path}.{name}")));
        }
        (Value::Array(wanted), Value::Array(live)) if wanted.len() == live.len() => {
            for (place, (wanted, live)) in wanted.iter().zip(live).enumerate() {
                differences(wanted, live, &format!("{path}[{place}]"), found);
            }
        }
        (Value::Number(wanted), Value::Number(live)) if wanted.as_f64() == live.as_f64() => {}
        _ if wanted == live || (zero(wanted) && live.is_null()) => {}
        _ => found.push(path.to_owned()),
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The server leaves these out.
fn zero(value: &Value) -> bool {
    empty(value) || value == false || value == 0 || value == ""
}

fn filled_in(name: &str, value: &Value) -> bool {
    let known = DEFAULTS.iter().any(|(field, default)| *field == name && (default.is_empty() || value == *default));
    known || empty(value) || value.as_object().is_some_and(|map| map.iter().all(|(name, value)| filled_in(name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy() -> Value {
        let all = generated().unwrap();
        all.into_iter().find(|object| object["kind"] == "ValidatingAdmissionPolicy").unwrap()
    }

    fn differs(change: impl Fn(&mut Value)) -> Condition {
        let mut live = policy();
        live["spec"]["matchConstraints"]["namespaceSelector"] = json!({});
        live["spec"]["matchConstraints"]["objectSelector"] = json!({});
        change(&mut live);
        compared(&policy(), &live)
    }

    #[test]
    fn an_altered_policy_is_seen_and_defaults_are_not() {
        assert_eq!(differs(|_| {}), Condition::Same);
        let altered = |path: &str| Condition::Altered(vec![path.to_owned()]);
        assert_eq!(differs(|live| live["spec"]["failurePolicy"] = "Ignore".into()), altered("spec.failurePolicy"));
        let condition = json!([{"name": "never", "expression": "false"}]);
        assert_eq!(
            differs(|live| live["spec"]["matchConditions"] = condition.clone()),
            altered("spec.matchConditions")
        );
        assert_eq!(
            differs(|live| live["spec"]["matchConstraints"]["namespaceSelector"] = json!({"matchLabels": {"a": "b"}})),
            altered("spec.matchConstraints.namespaceSelector")
        );
        assert_eq!(
            differs(|live| live["spec"]["validations"][0]["expression"] = "true".into()),
            altered("spec.validations[0].expression")
        );
    }

    #[test]
    fn all_definitions_and_policies_are_looked_at() {
        let all = generated().unwrap();
        let count = |kind: &str| all.iter().filter(|object| object["kind"].as_str() == Some(kind)).count();
        assert_eq!(count("CustomResourceDefinition"), 4);
        assert_eq!(count("MutatingAdmissionPolicy"), count("MutatingAdmissionPolicyBinding"));
        assert_eq!(count("ValidatingAdmissionPolicy"), count("ValidatingAdmissionPolicyBinding"));
        assert!(count("ValidatingAdmissionPolicy") > 0);
    }
}
