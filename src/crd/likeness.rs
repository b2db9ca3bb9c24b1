//! Whether a policy on the server is the one that is generated: every field of it, and none besides.
//!
//! The server fills in what was left out. The same is filled into what is expected here, so that a field that somebody
//! added counts as a difference like one that somebody changed.

use serde_json::{Map, Value, json};
use slipway_domain::guard::Problem;

use crate::install::NAMESPACE;
use crate::stamp;

/// The group of the policies and their bindings.
pub const GROUP: &str = "admissionregistration.k8s.io";
/// The version in which they are generated and compared.
pub const VERSION: &str = "v1";
/// The kinds of policies and bindings.
pub const KINDS: [&str; 4] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];
/// What all of them are labelled with.
pub const SELECTOR: &str = "app.kubernetes.io/name=slipway";

/// A policy or a binding as it is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// One of [`KINDS`].
    pub kind: String,
    /// Its name.
    pub name: String,
    spec: Value,
}

/// Every policy and binding that is generated, for Slipway in the namespace that it has by default.
pub fn models() -> Vec<Model> {
    models_in(NAMESPACE)
}

/// Every policy and binding that is generated, for Slipway in `namespace`: some name its account.
pub fn models_in(namespace: &str) -> Vec<Model> {
    let here = stamp::policies().into_iter().map(|policy| moved(policy, namespace));
    here.map(|policy| Model::new(&policy)).collect()
}

fn moved(value: Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(NAMESPACE, namespace)),
        Value::Array(items) => items.into_iter().map(|item| moved(item, namespace)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, moved(field, namespace))).collect(),
        other => other,
    }
}

impl Model {
    fn new(generated: &Value) -> Self {
        let text = |at: &str| generated.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = text("/kind");
        let mut spec = generated.get("spec").cloned().unwrap_or_default();
        fill_in(&kind, &mut spec);
        Self { name: text("/metadata/name"), spec: settled(&spec), kind }
    }

    /// Its spec as the server would keep it.
    pub fn spec(&self) -> &Value {
        &self.spec
    }

    /// What is wrong with the object of this kind and name whose spec this is on the server.
    pub fn problem(&self, spec: &Value, deleting: bool) -> Option<Problem> {
        if deleting {
            return Some(Problem::Deleting);
        }
        let at = difference("spec", &self.spec, &settled(spec))?;
        Some(Problem::Altered { at })
    }
}

/// What the server puts where a field was left out.
fn fill_in(kind: &str, spec: &mut Value) {
    let Some(fields) = spec.as_object_mut() else { return };
    if !kind.ends_with("Binding") {
        put(fields, "failurePolicy", json!("Fail"));
    }
    for name in ["matchConstraints", "matchResources"] {
        if let Some(matched) = fields.get_mut(name).and_then(Value::as_object_mut) {
            put(matched, "matchPolicy", json!("Equivalent"));
            put(matched, "namespaceSelector", json!({}));
            put(matched, "objectSelector", json!({}));
            for list in ["resourceRules", "excludeResourceRules"] {
                let rules = matched.get_mut(list).and_then(Value::as_array_mut);
                for rule in rules.into_iter().flatten().filter_map(Value::as_object_mut) {
                    put(rule, "scope", json!("*"));
                }
            }
        }
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.entry(name.to_owned()).or_insert(value);
}

/// Without what says nothing: an empty list is one that is left out.
fn settled(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let says = |value: &Value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty());
            let kept = fields.iter().map(|(name, value)| (name.clone(), settled(value)));
            Value::Object(kept.filter(|(_, value)| says(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(settled).collect()),
        other => other.clone(),
    }
}

/// The path of the first place where two values differ.
fn difference(path: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let added = found.keys().filter(|name| !expected.contains_key(*name));
            expected.keys().chain(added).find_map(|name| match (expected.get(name), found.get(name)) {
                (Some(expected), Some(found)) => difference(&format!("{path}.{name}"), expected, found),
                _ => Some(format!("{path}.{name}")),
            })
        }
        (Value::Array(expected), Value::Array(found)) => {
            let longer = expected.len().max(found.len());
            (0..longer).find_map(|place| match (expected.get(place), found.get(place)) {
                (Some(expected), Some(found)) => difference(&format!("{path}[{place}]"), expected, found),
                _ => Some(format!("{path}[{place}]")),
            })
        }
        (expected, found) => (expected != found).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(kind: &str) -> Model {
        models().into_iter().find(|model| model.kind == kind).unwrap()
    }

    /// Where the server's copy differs once `change` was made to it.
    fn altered(kind: &str, change: impl FnOnce(&mut Value)) -> Option<Problem> {
        let model = model(kind);
        let mut spec = model.spec().clone();
        change(&mut spec);
        model.problem(&spec, false)
    }

    fn at(path: &str) -> Problem {
        Problem::Altered { at: path.to_owned() }
    }

    #[test]
    fn every_policy_has_a_binding_and_every_name_is_labelled_once() {
        let models = models();
        for policy in models.iter().filter(|model| !model.kind.ends_with("Binding")) {
            let bound = models.iter().filter(|binding| {
                binding.kind == format!("{}Binding", policy.kind)
                    && binding.spec()["policyName"] == policy.name.as_str()
            });
            assert_eq!(bound.count(), 1, "{} {}", policy.kind, policy.name);
        }
        for (place, model) in models.iter().enumerate() {
            assert!(KINDS.contains(&model.kind.as_str()), "{}", model.kind);
            let again =
                models[place + 1..].iter().any(|other| (&other.kind, &other.name) == (&model.kind, &model.name));
            assert!(!again, "{} {} twice", model.kind, model.name);
        }
        for generated in stamp::policies() {
            assert_eq!(generated["metadata"]["labels"]["app.kubernetes.io/name"], "slipway");
        }
    }

    #[test]
    fn what_the_server_fills_in_is_expected() {
        let mut spec = json!({"matchConstraints": {"resourceRules": [{"resources": ["x"]}]}, "matchConditions": []});
        fill_in("ValidatingAdmissionPolicy", &mut spec);
        let filled = json!({
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
                "resourceRules": [{"resources": ["x"], "scope": "*"}],
            },
        });
        assert_eq!(settled(&spec), filled);
        let mut binding = json!({"policyName": "x", "validationActions": ["Deny"]});
        let before = binding.clone();
        fill_in("ValidatingAdmissionPolicyBinding", &mut binding);
        assert_eq!(binding, before, "a binding that selects nothing of its own gets nothing");
    }

    #[test]
    fn as_generated_is_as_it_should_be() {
        for model in models() {
            assert_eq!(model.problem(model.spec(), false), None, "{} {}", model.kind, model.name);
            assert_eq!(model.problem(model.spec(), true), Some(Problem::Deleting));
        }
    }

    #[test]
    fn everything_that_weakens_a_policy_is_seen() {
        let policy = "ValidatingAdmissionPolicy";
        let ignored = altered(policy, |spec| spec["failurePolicy"] = json!("Ignore"));
        assert_eq!(ignored, Some(at("spec.failurePolicy")));
        let condition = json!([{"name": "never", "expression": "false"}]);
        let conditions = altered(policy, |spec| spec["matchConditions"] = condition);
        assert!(conditions.is_some_and(
            |problem| matches!(problem, Problem::Altered { at } if at.starts_with("spec.matchConditions"))
        ));
        let param = altered(policy, |spec| spec["paramKind"] = json!({"apiVersion": "v1", "kind": "ConfigMap"}));
        assert!(param.is_some());
        let selector = json!({"matchLabels": {"guarded": "yes"}});
        for name in ["namespaceSelector", "objectSelector"] {
            let narrowed = altered(policy, |spec| spec["matchConstraints"][name] = selector.clone());
            assert_eq!(narrowed, Some(at(&format!("spec.matchConstraints.{name}.matchLabels"))));
        }
        let rule =
            json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "*"}]);
        let excluded = altered(policy, |spec| spec["matchConstraints"]["excludeResourceRules"] = rule);
        assert_eq!(excluded, Some(at("spec.matchConstraints.excludeResourceRules")));
        let fewer =
            altered(policy, |spec| spec["matchConstraints"]["resourceRules"][0]["operations"] = json!(["CONNECT"]));
        assert!(fewer.is_some());
        let yes = altered(policy, |spec| spec["validations"][0]["expression"] = json!("true"));
        assert_eq!(yes, Some(at("spec.validations[0].expression")));
        let fewer = altered(policy, |spec| drop(spec["validations"].as_array_mut().unwrap().pop()));
        assert!(fewer.is_some());
    }

    #[test]
    fn everything_that_weakens_a_binding_is_seen() {
        let binding = "ValidatingAdmissionPolicyBinding";
        for action in ["Audit", "Warn"] {
            let warned = altered(binding, |spec| spec["validationActions"] = json!([action]));
            assert_eq!(warned, Some(at("spec.validationActions[0]")));
            let both = altered(binding, |spec| spec["validationActions"] = json!(["Deny", action]));
            assert!(both.is_some());
        }
        let elsewhere = json!({"namespaceSelector": {"matchLabels": {"guarded": "yes"}}});
        let selected = altered(binding, |spec| spec["matchResources"] = elsewhere);
        assert!(selected.is_some_and(
            |problem| matches!(problem, Problem::Altered { at } if at.starts_with("spec.matchResources"))
        ));
        let other = altered(binding, |spec| spec["policyName"] = json!("other"));
        assert_eq!(other, Some(at("spec.policyName")));
        let param = json!({"name": "x", "parameterNotFoundAction": "Allow"});
        assert!(altered(binding, |spec| spec["paramRef"] = param).is_some());
        let twice = altered("MutatingAdmissionPolicy", |spec| spec["reinvocationPolicy"] = json!("IfNeeded"));
        assert_eq!(twice, Some(at("spec.reinvocationPolicy")));
    }
}
