//! Whether a live object is as a release wants it, as far as that can be told without asking the server.
//!
//! A "no" here is never the last word: the server normalises and defaults what it stores, so whoever gets one asks it
//! with a dry-run, or writes.

use serde_json::{Map, Value};

use crate::target::{CONTENT_ANNOTATION, annotation};

/// Metadata that changes by itself, or that no manifest sets.
const VOLATILE: &[&str] = &["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
/// A copy of the whole object that `kubectl apply` leaves behind, secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Fields whose values are quantities: `1000m` is `1` there, and nowhere else.
const QUANTITIES: &[&str] = &["limits", "requests", "hard", "max", "min", "default", "defaultRequest"];

/// The object carries the annotation of this very content: the last apply was of the same manifest.
pub(crate) fn same_content(wanted: &Value, live: &Value) -> bool {
    annotation(wanted, CONTENT_ANNOTATION).is_some_and(|digest| annotation(live, CONTENT_ANNOTATION) == Some(digest))
}

/// All that the manifest says is so in the live object. What it no longer says cannot be seen here.
pub(crate) fn contained(wanted: &Value, live: &Value) -> bool {
    let (Some(wanted), Some(live)) = (wanted.as_object(), live.as_object()) else { return false };
    wanted.iter().all(|(name, value)| match name.as_str() {
        "metadata" => live.get(name).is_some_and(|live| within_metadata(value, live)),
        "spec" => live.get(name).is_some_and(|live| within(value, live, true)),
        _ => live.get(name).map_or_else(|| empty(value), |live| within(value, live, false)),
    })
}

fn within_metadata(wanted: &Value, live: &Value) -> bool {
    let mut wanted = wanted.clone();
    if let Some(Value::Object(annotations)) = wanted.get_mut("annotations") {
        annotations.remove(CONTENT_ANNOTATION);
    }
    within(&wanted, live, false)
}

fn within(wanted: &Value, live: &Value, spec: bool) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(name, value)| match live.get(name) {
            Some(live) if spec && QUANTITIES.contains(&name.as_str()) => {
                same_quantities(value, live) || within(value, live, spec)
            }
            Some(live) => within(value, live, spec),
            None => empty(value),
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| within(wanted, live, spec))
        }
        (Value::Number(wanted), Value::Number(live)) => wanted == live || wanted.as_f64() == live.as_f64(),
        _ => wanted == live,
    }
}

/// The server does not store these.
fn empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn same_quantities(wanted: &Value, live: &Value) -> bool {
    let (Some(wanted), Some(live)) = (wanted.as_object(), live.as_object()) else { return false };
    wanted.iter().all(|(name, value)| match (quantity(value), live.get(name).and_then(quantity)) {
        (Some(wanted), Some(live)) => wanted == live,
        _ => false,
    })
}

/// Whether a field of this name holds quantities, and both sides the same ones, each written its own way.
pub(crate) fn same_amounts(name: &str, wanted: &Value, live: &Value) -> bool {
    let size = |value: &Value| value.as_object().map(Map::len);
    QUANTITIES.contains(&name) && size(wanted) == size(live) && same_quantities(wanted, live)
}

/// A quantity in billionths. None for what is not one, or too large to be told apart.
fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let billionths: i128 = format!("{whole}{fraction:0<9}").parse().ok()?;
    let thousand = |power: u32| billionths.checked_mul(1000_i128.checked_pow(power)?);
    let binary = |power: u32| billionths.checked_mul(1024_i128.checked_pow(power)?);
    let part = |divisor: i128| (billionths % divisor == 0).then(|| billionths / divisor);
    match suffix {
        "" => Some(billionths),
        "n" => part(1_000_000_000),
        "u" => part(1_000_000),
        "m" => part(1_000),
        "k" => thousand(1),
        "M" => thousand(2),
        "G" => thousand(3),
        "T" => thousand(4),
        "P" => thousand(5),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        _ => None,
    }
}

/// The object without what changes by itself: two of these differ only if someone wanted them to.
pub(crate) fn settled(object: &Value) -> Value {
    let mut out = object.clone();
    let Some(map) = out.as_object_mut() else { return out };
    map.remove("status");
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        for field in VOLATILE {
            metadata.remove(*field);
        }
        let emptied = metadata.get_mut("annotations").and_then(Value::as_object_mut).is_some_and(|annotations| {
            annotations.remove(CONTENT_ANNOTATION);
            annotations.remove(LAST_APPLIED);
            Map::is_empty(annotations)
        });
        if emptied {
            metadata.remove("annotations");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::equal(json!({"spec": {"a": 1}}), json!({"spec": {"a": 1}}), true)]
    #[case::the_server_added(json!({"spec": {"a": 1}}), json!({"spec": {"a": 1, "b": 2}, "status": {}}), true)]
    #[case::changed(json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}), false)]
    #[case::gone(json!({"spec": {"a": 1}}), json!({"spec": {}}), false)]
    #[case::null_is_absent(json!({"spec": {"a": null, "b": []}}), json!({"spec": {}}), true)]
    #[case::an_empty_map_is_something(json!({"spec": {"emptyDir": {}}}), json!({"spec": {}}), false)]
    #[case::lists_by_element(json!({"spec": {"l": [{"a": 1}]}}), json!({"spec": {"l": [{"a": 1, "b": 2}]}}), true)]
    #[case::a_longer_list(json!({"spec": {"l": [1]}}), json!({"spec": {"l": [1, 2]}}), false)]
    #[case::float(json!({"spec": {"a": 1.0}}), json!({"spec": {"a": 1}}), true)]
    #[case::text_is_no_number(json!({"spec": {"a": "1"}}), json!({"spec": {"a": 1}}), false)]
    #[case::quantities(
        json!({"spec": {"limits": {"cpu": "1000m", "memory": "1024Mi", "x": 0.5}}}),
        json!({"spec": {"limits": {"cpu": "1", "memory": "1Gi", "x": "500m"}}}), true)]
    #[case::other_quantities(
        json!({"spec": {"limits": {"cpu": "1001m"}}}), json!({"spec": {"limits": {"cpu": "1"}}}), false)]
    #[case::data_is_text(json!({"data": {"limits": "1000m"}}), json!({"data": {"limits": "1"}}), false)]
    #[case::a_label_was_removed(
        json!({"metadata": {"labels": {"a": "b"}}}), json!({"metadata": {"labels": {}}}), false)]
    fn what_a_manifest_says_is_found_in_the_live_object(
        #[case] wanted: Value,
        #[case] live: Value,
        #[case] found: bool,
    ) {
        assert_eq!(contained(&wanted, &live), found);
    }

    #[test]
    fn what_changes_by_itself_is_not_a_difference() {
        let live = json!({
            "metadata": {
                "name": "a", "uid": "1", "resourceVersion": "7", "managedFields": [], "generation": 2,
                "annotations": {LAST_APPLIED: "{\"data\":\"secret\"}", CONTENT_ANNOTATION: "d"},
            },
            "status": {"ready": true},
        });
        assert_eq!(settled(&live), json!({"metadata": {"name": "a"}}));
    }
}
