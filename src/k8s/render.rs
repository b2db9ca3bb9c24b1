//! What is rendered is exactly what is applied, and nothing in it is unresolved, outside the namespace, or the server's.
//!
//! Placeholders are replaced in parsed strings, so a value can never add a field or an object. Field names are not
//! replaced: a placeholder there is an error. What only the server sets (`status`, `uid`, `resourceVersion`, …) is dropped,
//! so that a manifest exported with `kubectl get` can be released. `generateName` and `ownerReferences` are refused: an
//! object without a name cannot be kept in an inventory, and one with another owner is deleted by that owner.
//! The namespace is not part of a rendered object: it is in the URL of every request.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use slipway_domain::code::Code;
use slipway_domain::digest::{Digest, SecretKey};
use slipway_domain::runtime::{Content, Failure, ObjectRef};

use crate::target::{CONTENT_ANNOTATION, Target};
use crate::{order, placeholder, scope, seal};

/// Metadata that the server sets; dropped.
const SERVER_SET: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A release made ready for one target.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The objects in the order in which they are applied.
    pub objects: Vec<RenderedObject>,
    /// The digest of all of them, and their names.
    pub content: Content,
}

/// One object, as it will be applied.
#[derive(Clone)]
pub struct RenderedObject {
    /// What it is.
    pub reference: ObjectRef,
    /// The object, secret values as they are: never log it.
    pub object: Value,
    /// Covers the object, secret values sealed.
    pub digest: Digest,
}

impl fmt::Debug for RenderedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.reference, self.digest.short())
    }
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {path}: {message}")]
pub struct RenderError {
    /// The object, as `apiVersion/Kind/name`, or its place in the release where it has no name.
    pub object: String,
    /// The field, as `spec.containers[0].image`.
    pub path: String,
    /// What kind of error.
    pub code: Code,
    /// What is wrong and what would be right.
    pub message: String,
}

/// All that is wrong, as one failure that changed nothing.
pub fn failure(errors: &[RenderError]) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let first = lines.first().cloned().unwrap_or_default();
    let more = if lines.len() > 1 { format!(" (and {} more)", lines.len() - 1) } else { String::new() };
    Failure {
        code: errors.first().map_or(Code::ValidationFailed, |error| error.code),
        message: format!("{first}{more}"),
        detail: (lines.len() > 1).then(|| lines.join("\n")),
        retryable: false,
        changed: false,
    }
}

/// Makes `objects` ready for `target`.
///
/// # Errors
/// Everything that is wrong, in the order of the objects.
pub fn render(
    objects: &[Value],
    variables: &BTreeMap<String, String>,
    target: &Target,
    key: &SecretKey,
) -> Result<Rendered, Vec<RenderError>> {
    let mut errors = Vec::new();
    let mut rendered: Vec<RenderedObject> = Vec::new();
    for (place, object) in flatten(objects) {
        let mut pass = Pass { object: label(&place, object), variables, errors: Vec::new() };
        match pass.object(object, target, key) {
            Some(one) if pass.errors.is_empty() => {
                if rendered.iter().any(|other| other.reference.identity() == one.reference.identity()) {
                    pass.refuse("metadata.name", "is in the release twice".to_owned());
                }
                rendered.push(one);
            }
            _ => {}
        }
        errors.append(&mut pass.errors);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    rendered.sort_by(|a, b| place(&a.reference).cmp(&place(&b.reference)));
    let sealed: Vec<Value> = rendered.iter().map(|one| seal::sealed(&one.object, key)).collect();
    let content = Content {
        digest: Digest::of_json(&json!({"namespace": target.namespace, "objects": sealed})),
        inventory: rendered.iter().map(|one| one.reference.clone()).collect(),
    };
    Ok(Rendered { objects: rendered, content })
}

/// The objects as they may be kept: lists unpacked, nothing replaced, secret values sealed.
pub fn kept(objects: &[Value], key: &SecretKey) -> Vec<Value> {
    flatten(objects).into_iter().map(|(_, object)| seal::kept(object, key)).collect()
}

fn place(reference: &ObjectRef) -> (usize, (&str, &str, &str)) {
    (order::rank(reference.group(), &reference.kind), reference.identity())
}

/// The objects with lists unpacked, each with its place for people.
fn flatten(objects: &[Value]) -> Vec<(String, &Value)> {
    let mut out = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        let place = format!("object {}", index + 1);
        unpack(place, object, &mut out);
    }
    out
}

fn unpack<'a>(place: String, object: &'a Value, out: &mut Vec<(String, &'a Value)>) {
    let list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match object["items"].as_array() {
        Some(items) if list => {
            for (index, item) in items.iter().enumerate() {
                unpack(format!("{place} item {}", index + 1), item, out);
            }
        }
        _ => out.push((place, object)),
    }
}

fn label(place: &str, object: &Value) -> String {
    match (object["apiVersion"].as_str(), object["kind"].as_str(), object["metadata"]["name"].as_str()) {
        (Some(version), Some(kind), Some(name)) => format!("{version}/{kind}/{name}"),
        (_, Some(kind), _) => format!("{place} ({kind})"),
        _ => place.to_owned(),
    }
}

/// One walk over one object; errors are collected, not returned, so that all of them are told.
struct Pass<'a> {
    object: String,
    variables: &'a BTreeMap<String, String>,
    errors: Vec<RenderError>,
}

impl Pass<'_> {
    fn refuse(&mut self, path: &str, message: String) {
        let (object, path) = (self.object.clone(), path.to_owned());
        self.errors.push(RenderError { object, path, code: Code::ValidationFailed, message });
    }

    fn object(&mut self, raw: &Value, target: &Target, key: &SecretKey) -> Option<RenderedObject> {
        let resolved = self.resolve(raw, "");
        let Value::Object(mut object) = resolved else {
            self.refuse(".", "must be a Kubernetes object".to_owned());
            return None;
        };
        let reference = self.reference(&object)?;
        if let Some((field, why)) = scope::refusal(target, reference.group(), &reference.kind, &json!(object)) {
            self.refuse(field, why);
        }
        self.metadata(&mut object, target);
        object.remove("status");
        if seal::is_secret(&json!(object))
            && let Err((field, why)) = seal::unify(&mut object)
        {
            self.refuse(&field, why.to_owned());
        }
        let mut object = Value::Object(object);
        let digest = Digest::of_json(&seal::sealed(&object, key));
        object["metadata"]["annotations"][CONTENT_ANNOTATION] = Value::String(digest.to_string());
        Some(RenderedObject { reference, object, digest })
    }

    /// Replaces the placeholders beneath `path`.
    fn resolve(&mut self, value: &Value, path: &str) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text, path)),
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, item)| self.resolve(item, &format!("{path}[{index}]"))).collect()
            }
            Value::Object(map) => map
                .iter()
                .map(|(name, item)| {
                    let path = join(path, name);
                    (self.name(name, &path), self.resolve(item, &path))
                })
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn text(&mut self, text: &str, path: &str) -> String {
        placeholder::resolve(text, self.variables).unwrap_or_else(|missing| {
            for name in missing {
                self.refuse(path, format!("variable {name} is not set; write $${{{name}}} for the text ${{{name}}}"));
            }
            text.to_owned()
        })
    }

    fn name(&mut self, name: &str, path: &str) -> String {
        placeholder::resolve(name, &BTreeMap::new()).unwrap_or_else(|_| {
            self.refuse(path, "a placeholder in a field's name is not replaced; write $${…} for the text".to_owned());
            name.to_owned()
        })
    }

    fn reference(&mut self, object: &Map<String, Value>) -> Option<ObjectRef> {
        let metadata = object.get("metadata");
        let api_version =
            self.word(object.get("apiVersion"), "apiVersion", (api_version, "a version or group/version"));
        let kind = self.word(object.get("kind"), "kind", (kind, "a kind"));
        if metadata.is_some_and(|metadata| !metadata["generateName"].is_null()) {
            self.refuse("metadata.generateName", "is refused: give the object a metadata.name".to_owned());
        }
        let name = self.word(
            metadata.map(|metadata| &metadata["name"]),
            "metadata.name",
            (name, "a name that an object can have"),
        );
        let reference = ObjectRef { api_version: api_version?, kind: kind?, name: name? };
        self.object = reference.to_string();
        Some(reference)
    }

    fn word(&mut self, value: Option<&Value>, path: &str, rule: (fn(&str) -> bool, &str)) -> Option<String> {
        let (fits, what) = rule;
        match value {
            None | Some(Value::Null) => self.refuse(path, "is missing".to_owned()),
            Some(Value::String(text)) if fits(text) => return Some(text.clone()),
            Some(Value::String(text)) => self.refuse(path, format!("{text:?} is not {what}")),
            Some(_) => self.refuse(path, "must be a string".to_owned()),
        }
        None
    }

    fn metadata(&mut self, object: &mut Map<String, Value>, target: &Target) {
        let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
        for field in SERVER_SET {
            metadata.remove(*field);
        }
        metadata.remove("namespace");
        for field in ["labels", "annotations"] {
            match metadata.get(field) {
                None | Some(Value::Null) => drop(metadata.remove(field)),
                Some(Value::Object(map)) => {
                    let wrong = map.iter().find(|(_, value)| !value.is_string()).map(|(name, _)| name.clone());
                    if let Some(name) = wrong {
                        let path = join(&format!("metadata.{field}"), &name);
                        self.refuse(&path, "must be a string; quote numbers and booleans".to_owned());
                    }
                }
                Some(_) => self.refuse(&format!("metadata.{field}"), "must be a map of strings".to_owned()),
            }
        }
        if metadata.get("ownerReferences").is_some_and(|owners| owners.as_array().is_none_or(|all| !all.is_empty())) {
            self.refuse("metadata.ownerReferences", "is refused: its owner would delete the object".to_owned());
        }
        metadata.remove("ownerReferences");
        target.claim(metadata);
    }
}

/// The path of a field within `path`.
pub(crate) fn join(path: &str, name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (plain, path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{name:?}]"),
    }
}

fn kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').map_or((None, text), |(group, version)| (Some(group), version));
    let word = |part: &str| {
        let inside = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
        inside && part.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    word(version) && !version.contains('.') && group.is_none_or(word)
}

/// A name is part of a URL: it must be one segment of it, whatever the kind's own rule is.
pub(crate) fn name(text: &str) -> bool {
    let inside = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':'));
    inside && (1..=253).contains(&text.len()) && text != "." && text != ".."
}

#[cfg(test)]
mod tests;
