//! The live objects of one watch, as its events tell of them.

use std::collections::HashMap;

use kube::core::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::Value;

/// What one watch has told. After a new list, what it did not name is gone.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    live: HashMap<String, Value>,
    coming: HashMap<String, Value>,
    listed: bool,
}

impl Mirror {
    pub(crate) fn take(&mut self, event: Event<DynamicObject>) {
        match event {
            Event::Init => self.coming.clear(),
            Event::InitApply(object) => {
                let (name, object) = kept(object);
                self.coming.insert(name, object);
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

fn kept(mut object: DynamicObject) -> (String, Value) {
    object.metadata.managed_fields = None;
    let name = object.metadata.name.clone().unwrap_or_default();
    (name, serde_json::to_value(object).unwrap_or_default())
}
