//! Who submits an object is not for its author to say: the API server writes it, whatever was written.
//!
//! The same policies put the finalizers on at creation, which saves the controller a write. They are JSON patches and
//! not apply configurations: those are typed before the schema is asked, and a wrong field would be answered in their
//! words instead of the schema's.

use serde_json::{Value, json};

use crate::install::labels;
use crate::{AUDIT_FINALIZER, GROUP, IN_USE_FINALIZER, admission};

pub(crate) const API_VERSION: &str = "admissionregistration.k8s.io/v1";
const CALLER: &str = "request.userInfo.username";

/// The policies that stamp and those that refuse, each with its binding.
pub fn policies() -> Vec<Value> {
    [
        stamp(
            "deployments",
            &[
                on("CREATE", &set("/spec/submittedBy", CALLER)),
                format!(
                    "request.operation == 'CREATE' && !has(object.spec.requester) ? {} : []",
                    set("/spec/requester", CALLER)
                ),
                // A tool that replaces the whole object leaves out what it never wrote.
                restored("submittedBy"),
                restored("requester"),
                finalizer(AUDIT_FINALIZER),
            ],
        ),
        stamp("releases", &[finalizer(IN_USE_FINALIZER)]),
        stamp(
            "environments",
            &[
                on("CREATE", &set("/spec/changedBy", CALLER)),
                // Before it is asked what has changed: what is put back has not.
                restored("reset"),
                changed_by(),
                finalizer(AUDIT_FINALIZER),
            ],
        ),
        release_stays(),
    ]
    .into_iter()
    .flatten()
    .chain(admission::policies())
    .collect()
}

/// The rules of a schema take two objects for equal when a key that the schema does not know was renamed, as it may be
/// in an inline manifest. A policy sees all of both.
fn release_stays() -> [Value; 2] {
    let name = "slipway-release-stays";
    let policy = json!({
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(name),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": constraints(&["releases"], &["UPDATE"]),
            "validations": [{
                "expression": "object.spec == oldObject.spec",
                "message": "spec cannot be changed: create a new Release",
                "reason": "Invalid",
            }],
        },
    });
    let binding = json!({
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(name),
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    [policy, binding]
}

/// What changes the spec of an Environment is stamped; what leaves it as it was keeps the stamp it has.
fn changed_by() -> String {
    let same = "object.spec.all(field, field == 'changedBy' \
                || (field in oldObject.spec && oldObject.spec[field] == object.spec[field])) \
                && oldObject.spec.all(field, field == 'changedBy' || field in object.spec)";
    format!(
        "request.operation != 'UPDATE' ? [] : !({same}) ? {} : has(oldObject.spec.changedBy) ? {} : []",
        set("/spec/changedBy", CALLER),
        set("/spec/changedBy", "oldObject.spec.changedBy"),
    )
}

fn restored(field: &str) -> String {
    format!(
        "request.operation == 'UPDATE' && !has(object.spec.{field}) && has(oldObject.spec.{field}) ? {} : []",
        set(&format!("/spec/{field}"), &format!("oldObject.spec.{field}"))
    )
}

fn set(path: &str, value: &str) -> String {
    format!("[JSONPatch{{op: 'add', path: '{path}', value: {value}}}]")
}

fn on(operation: &str, patch: &str) -> String {
    format!("request.operation == '{operation}' ? {patch} : []")
}

/// Adds to the finalizers that are there, once, and until the object is being deleted: from then on it may go.
fn finalizer(name: &str) -> String {
    format!(
        "has(object.metadata.deletionTimestamp) ? [] : !has(object.metadata.finalizers) ? {} \
         : '{name}' in object.metadata.finalizers ? [] : {}",
        set("/metadata/finalizers", &format!("['{name}']")),
        set("/metadata/finalizers/-", &format!("'{name}'")),
    )
}

fn stamp(plural: &str, patches: &[String]) -> [Value; 2] {
    let name = format!("slipway-stamp-{plural}");
    let mutations: Vec<Value> = patches
        .iter()
        .map(|expression| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}))
        .collect();
    let policy = json!({
        "apiVersion": API_VERSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": metadata(&name),
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": constraints(&[plural], &["CREATE", "UPDATE"]),
            // Without a spec there is nothing to stamp; the schema then says what is missing.
            "matchConditions": [{"name": "has-a-spec", "expression": "has(object.spec)"}],
            "mutations": mutations,
        },
    });
    let binding = json!({
        "apiVersion": API_VERSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": metadata(&name),
        "spec": {"policyName": name},
    });
    [policy, binding]
}

pub(crate) fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": labels()})
}

pub(crate) fn constraints(resources: &[&str], operations: &[&str]) -> Value {
    json!({
        "matchPolicy": "Equivalent",
        "resourceRules": [{
            "apiGroups": [GROUP], "apiVersions": ["*"], "operations": operations, "resources": resources,
            "scope": "Namespaced",
        }],
    })
}
