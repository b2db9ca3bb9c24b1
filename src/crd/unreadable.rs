//! One object that cannot be read never hides the others.
//!
//! A newer Slipway may have stored what this one does not know: another operation, another phase. Such an object is told
//! apart by itself, with its metadata, so that it can be reported and left alone.

use std::borrow::Cow;

use kube::Resource;
use kube::api::{DynamicObject, ObjectMeta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object that this Slipway cannot make sense of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{kind} {}/{} cannot be read: {reason}; was it written by a newer Slipway?", name(metadata.namespace.as_ref()), name(metadata.name.as_ref()))]
pub struct Unreadable {
    /// Its kind.
    pub kind: String,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What was not understood.
    pub reason: String,
}

fn name(part: Option<&String>) -> &str {
    part.map_or("?", String::as_str)
}

/// Reads one object that may be of any shape.
pub fn read<K>(object: DynamicObject) -> Result<K, Box<Unreadable>>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let metadata = object.metadata.clone();
    serde_json::to_value(object)
        .and_then(serde_json::from_value)
        .map_err(|error| Box::new(Unreadable { kind: K::kind(&()).into_owned(), metadata, reason: error.to_string() }))
}

/// An object as a watch delivers it: read, or told apart as unreadable. A watch of these never fails on one object.
#[derive(Debug, Clone)]
pub enum Lenient<K> {
    /// It was understood.
    Read(K),
    /// It was not.
    Unreadable(Box<Unreadable>),
}

impl<K> Lenient<K> {
    /// The object, or why there is none.
    pub fn get(&self) -> Result<&K, &Unreadable> {
        match self {
            Self::Read(object) => Ok(object),
            Self::Unreadable(unreadable) => Err(unreadable),
        }
    }
}

/// The metadata of an object of any shape; the rest is skipped without being looked into.
#[derive(Deserialize)]
struct Labelled {
    metadata: ObjectMeta,
}

impl<'de, K> Deserialize<'de> for Lenient<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    /// The object's text is taken as it is first: one that is nested deeper than the parser goes, which the API server
    /// accepts, would otherwise fail the list it stands in.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(match serde_json::from_str(text.get()) {
            Ok(object) => Self::Read(object),
            Err(error) => {
                let metadata = serde_json::from_str(text.get()).map(|labelled: Labelled| labelled.metadata);
                Self::Unreadable(Box::new(Unreadable {
                    kind: K::kind(&()).into_owned(),
                    metadata: metadata.unwrap_or_default(),
                    reason: error.to_string(),
                }))
            }
        })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Lenient<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Read(object) => object.meta(),
            Self::Unreadable(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Read(object) => object.meta_mut(),
            Self::Unreadable(unreadable) => &mut unreadable.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Deployment;
    use serde_json::{Value, json};

    fn stored(operation: &Value) -> Value {
        json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"namespace": "shop", "name": "web-v9", "uid": "u-9"},
            "spec": {
                "service": "web", "environmentRef": {"name": "dev"}, "operation": operation,
                "workReferences": ["#1"], "rollbackPlan": "none",
            },
        })
    }

    #[test]
    fn an_operation_of_a_newer_slipway_is_told_apart_with_its_name() {
        let object: DynamicObject = serde_json::from_value(stored(&json!({"teleport": {}}))).unwrap();
        let unreadable = read::<Deployment>(object).unwrap_err();
        assert_eq!(unreadable.metadata.uid.as_deref(), Some("u-9"));
        assert!(
            unreadable.to_string().starts_with("Deployment shop/web-v9 cannot be read: unknown variant `teleport`")
        );
    }

    #[test]
    fn an_object_nested_too_deep_to_parse_does_not_hide_the_others() {
        let deep = format!("{}1{}", "[".repeat(400), "]".repeat(400));
        let bad = format!(
            r#"{{"metadata":{{"namespace":"shop","name":"deep"}},"spec":{{"service":"a","version":"1","source":{{"manifests":[{{"x":{deep}}}]}}}}}}"#
        );
        let good = r#"{"metadata":{"name":"ok"},"spec":{"service":"a","version":"1","source":{"manifests":[]}}}"#;
        let text = format!(
            r#"{{"apiVersion":"slipway.dev/v1alpha1","kind":"ReleaseList","metadata":{{}},"items":[{bad},{good}]}}"#
        );
        let list: kube::core::ObjectList<Lenient<crate::Release>> = serde_json::from_str(&text).unwrap();
        assert_eq!(list.items[0].get().unwrap_err().metadata.name.as_deref(), Some("deep"));
        assert_eq!(list.items[1].get().unwrap().spec.service, "a");
        let event = format!(r#"{{"type":"ADDED","object":{bad}}}"#);
        let event: kube::core::WatchEvent<Lenient<crate::Release>> = serde_json::from_str(&event).unwrap();
        assert!(matches!(event, kube::core::WatchEvent::Added(object) if object.get().is_err()));
    }

    #[test]
    fn a_list_with_one_unreadable_object_still_has_the_others() {
        let known = stored(&json!({"deploy": {"version": "1"}}));
        let list: Vec<Lenient<Deployment>> =
            serde_json::from_value(json!([stored(&json!({"teleport": {}})), known])).unwrap();
        assert!(list[0].get().is_err());
        assert_eq!(list[0].meta().name.as_deref(), Some("web-v9"));
        assert_eq!(list[1].get().unwrap().spec.service, "web");
    }
}
