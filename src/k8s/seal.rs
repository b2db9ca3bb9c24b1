//! A Secret's values leave this crate in two ways only: to the API server, or sealed.

use k8s_openapi::ByteString;
use serde_json::{Map, Value};
use slipway_domain::digest::SecretKey;

use crate::render::join;

/// The object is a core Secret, whatever its version is called.
pub(crate) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret" && object["apiVersion"].as_str().is_some_and(|version| !version.contains('/'))
}

/// The object with every secret value replaced by its keyed hash. Other objects are returned as they are.
///
/// Sealed are `data` (by its decoded bytes, so that it does not matter how they were written), `stringData`, every
/// annotation that is not Slipway's, since other tools keep copies of the whole object there, and whatever is not as it is
/// in a Secret: a field that was misspelt holds the value all the same.
pub(crate) fn sealed(object: &Value, key: &SecretKey) -> Value {
    let mut out = object.clone();
    if !is_secret(object) {
        return out;
    }
    let seal_all = |fields: Option<&mut Value>, keep: fn(&str) -> bool| {
        if let Some(Value::Object(map)) = fields {
            for (_, value) in map.iter_mut().filter(|(name, _)| !keep(name)) {
                *value = Value::String(key.seal(&bytes(value)));
            }
        }
    };
    seal_all(out.get_mut("data"), |_| false);
    seal_all(out.get_mut("stringData"), |_| false);
    seal_all(out.pointer_mut("/metadata/annotations"), |name| name.starts_with("slipway.dev/"));
    for (name, value) in out.as_object_mut().into_iter().flatten() {
        if !regular(name, value) {
            *value = Value::String(key.seal(&bytes(value)));
        }
    }
    out
}

/// A field that a Secret has, of the type that it has there.
fn regular(name: &str, value: &Value) -> bool {
    match name {
        "apiVersion" | "kind" | "type" => value.is_string(),
        "metadata" | "data" | "stringData" => value.is_object(),
        "immutable" => value.is_boolean(),
        _ => false,
    }
}

/// The object as it may be kept: sealed, also where it is not as a Secret should be, and where only the variables of a
/// Deployment say whether it is one.
pub(crate) fn kept(object: &Value, key: &SecretKey) -> Value {
    let word = |field: &str| object[field].as_str().filter(|text| !text.contains("${"));
    let other = word("apiVersion").is_some() && word("kind").is_some_and(|kind| !kind.ends_with("List"));
    if other && !is_secret(object) {
        return object.clone();
    }
    let mut secret = object.clone();
    if let Some(map) = secret.as_object_mut() {
        map.extend([("apiVersion".to_owned(), "v1".into()), ("kind".to_owned(), "Secret".into())]);
    }
    let mut out = sealed(&secret, key);
    for field in ["apiVersion", "kind"] {
        if let Some(written) = object.get(field) {
            out[field] = written.clone();
        }
    }
    out
}

/// Moves `stringData` into `data`, as the API server would: with it, server-side apply would never prune a key.
///
/// # Errors
/// The field that is not what a Secret's field must be, and why; never its value.
pub(crate) fn unify(secret: &mut Map<String, Value>) -> Result<(), (String, &'static str)> {
    for (name, value) in entries(secret, "data")? {
        if value.as_str().is_none_or(|text| decode(text).is_none()) {
            return Err((join("data", &name), "must be base64"));
        }
    }
    if !secret.contains_key("stringData") {
        return Ok(());
    }
    let mut data = secret.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in entries(secret, "stringData")? {
        let Value::String(text) = value else {
            return Err((join("stringData", &name), "must be a string; quote numbers and booleans"));
        };
        data.insert(name, serde_json::to_value(ByteString(text.into_bytes())).unwrap_or_default());
    }
    secret.remove("stringData");
    secret.insert("data".to_owned(), Value::Object(data));
    Ok(())
}

/// Every secret text of at least four bytes in the object, plain and as base64: what must not appear in a message.
pub(crate) fn secrets(object: &Value) -> Vec<String> {
    if !is_secret(object) {
        return Vec::new();
    }
    let public = |name: &str| matches!(name, "apiVersion" | "kind" | "type" | "metadata");
    let fields = object.as_object().into_iter().flatten().filter(|(name, _)| !public(name));
    let mut values = Vec::new();
    fields.for_each(|(_, value)| texts(value, &mut values));
    let mut found: Vec<String> = values
        .into_iter()
        .flat_map(|text| [Some(text.to_owned()), decode(text).and_then(|raw| String::from_utf8(raw).ok())])
        .flatten()
        .filter(|text| text.len() >= 4)
        .collect();
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found
}

/// Every text in a value, however deep.
fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `message` without the secret values of `object`.
pub(crate) fn scrub(message: &str, object: &Value) -> String {
    secrets(object).iter().fold(message.to_owned(), |text, secret| text.replace(secret.as_str(), "(sealed)"))
}

fn entries(secret: &Map<String, Value>, field: &str) -> Result<Map<String, Value>, (String, &'static str)> {
    match secret.get(field) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err((field.to_owned(), "must be a map of strings")),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str() {
        Some(text) => decode(text).unwrap_or_else(|| text.as_bytes().to_vec()),
        None => value.to_string().into_bytes(),
    }
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    serde_json::from_value::<ByteString>(Value::String(base64.to_owned())).ok().map(|bytes| bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_reads_the_same_as_text_and_as_base64() {
        let mut plain = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "hunter22"}});
        let coded = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "aHVudGVyMjI="}});
        unify(plain.as_object_mut().unwrap()).unwrap();
        assert_eq!(plain, coded);
    }

    #[test]
    fn nothing_of_a_secret_is_left_when_it_is_sealed() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"annotations": {"other.tool/copy": "hunter22", "slipway.dev/owner": "a/b/c"}},
            "stringdata": {"misspelt": "hunter23"}, "immutable": {"not": "a boolean, hunter24"},
            "data": {"a": "aHVudGVyMjI="}, "stringData": {"b": "hunter22"},
        });
        let text = sealed(&secret, &SecretKey::new([1; 32])).to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMjI="), "{text}");
        assert!(text.contains("a/b/c"), "{text}");
    }

    #[test]
    fn what_may_be_a_secret_is_kept_sealed() {
        let key = SecretKey::new([1; 32]);
        for (version, kind, field) in [
            ("v1", "Secret", "stringdata"),
            ("v1", "Secret", "data"),
            ("v1", "${KIND}", "data"),
            ("${VERSION}", "Secret", "spec"),
            ("v1", "List", "items"),
        ] {
            for value in [json!({"a": {"b": "hunter22"}}), json!("hunter22"), json!(["aHVudGVyMjI=", "hunter22"])] {
                let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, field: value});
                let kept = kept(&object, &key);
                let text = kept.to_string();
                assert!(!text.contains("hunter22") && !text.contains("aHVudGVyMjI="), "{text}");
                assert_eq!((&kept["kind"], &kept["metadata"]["name"]), (&json!(kind), &json!("a")));
            }
        }
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "${B}"}});
        assert_eq!(kept(&config, &key), config);
    }

    #[test]
    fn a_message_of_the_server_is_scrubbed() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "aHVudGVyMjI="}});
        assert_eq!(scrub("bad \"hunter22\" (aHVudGVyMjI=)", &secret), "bad \"(sealed)\" ((sealed))");
    }

    #[test]
    fn a_wrong_value_is_named_but_not_told() {
        let mut secret = json!({"kind": "Secret", "stringData": {"pin": 1234}});
        let (field, _) = unify(secret.as_object_mut().unwrap()).unwrap_err();
        assert_eq!(field, "stringData.pin");
    }
}
