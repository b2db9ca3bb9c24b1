//! The live objects of one watch, as its events tell of them.

use std::collections::HashMap;

use kube::core::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::Value;

use crate::target::FIELD_MANAGER;

/// What one watch has told. After a new list, what it did not name is gone.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    live: HashMap<String, Value>,
    coming: HashMap<String, Value>,
    listed: bool,
}

impl Mirror {
    /// Takes an event and says whether what is live has changed by it.
    pub(crate) fn take(&mut self, event: Event<DynamicObject>) -> bool {
        match event {
            Event::Init => {
                self.coming.clear();
                return false;
            }
            Event::InitApply(object) => {
                let (name, object) = kept(object);
                self.coming.insert(name, object);
                return false;
            }
            Event::InitDone => {
                self.live = std::mem::take(&mut self.coming);
                self.listed = true;
            }
            Event::Apply(object) => {
                let (name, object) = kept(object);
                self.live.insert(name, object);
            }
            Event::Delete(object) => {
                self.live.remove(object.metadata.name.as_deref().unwrap_or_default());
            }
        }
        true
    }

    /// The first list is complete: what is not here does not exist.
    pub(crate) fn listed(&self) -> bool {
        self.listed
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.live.get(name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        self.live.values()
    }

    #[cfg(test)]
    pub(crate) fn of(objects: Vec<Value>) -> Self {
        let named = |object: Value| (object["metadata"]["name"].as_str().unwrap().to_owned(), object);
        Self { live: objects.into_iter().map(named).collect(), coming: HashMap::new(), listed: true }
    }
}

/// Which fields each manager owns fills most of an object; when Slipway last changed it is all that is asked here.
fn kept(mut object: DynamicObject) -> (String, Value) {
    let managers = object.metadata.managed_fields.as_mut();
    if let Some(managers) = managers {
        managers.retain(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.subresource.is_none());
        for entry in managers {
            entry.fields_v1 = None;
        }
    }
    let name = object.metadata.name.clone().unwrap_or_default();
    (name, serde_json::to_value(object).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(name: &str) -> DynamicObject {
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}})).unwrap()
    }

    fn names(mirror: &Mirror) -> Vec<&str> {
        let mut names: Vec<&str> = mirror.all().filter_map(|object| object["metadata"]["name"].as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_a_new_list_does_not_name_is_gone() {
        let mut mirror = Mirror::default();
        for event in [Event::Init, Event::InitApply(named("a")), Event::InitApply(named("b"))] {
            assert!(!mirror.take(event), "a list counts when it is complete");
        }
        assert!(!mirror.listed());
        assert!(mirror.take(Event::InitDone));
        assert!(mirror.take(Event::Apply(named("c"))));
        assert!(mirror.take(Event::Delete(named("a"))));
        assert_eq!(names(&mirror), ["b", "c"]);
        mirror.take(Event::Init);
        mirror.take(Event::InitApply(named("c")));
        assert_eq!(names(&mirror), ["b", "c"], "what was seen counts until the new list is complete");
        mirror.take(Event::InitDone);
        assert_eq!(names(&mirror), ["c"]);
    }
}
