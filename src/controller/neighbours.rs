//! What every Environment asks for, to compare it with those that change the same things.
//!
//! It is read once for each change of its spec, and not again for each claim that is taken and given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slipway_crd::{Environment as WireEnvironment, parse};
use slipway_domain::environment::Environment;
use slipway_domain::neighbour::same_things;

use crate::key::Key;

/// Every Environment that can be read, without its status.
#[derive(Debug, Default)]
pub struct Neighbours(Mutex<HashMap<Key, Asks>>);

/// What an Environment asks for.
#[derive(Debug)]
struct Asks {
    uid: Option<String>,
    generation: Option<i64>,
    /// None when it cannot be read: then it takes no Deployment either.
    environment: Option<Arc<Environment>>,
}

impl Neighbours {
    /// Takes note of an Environment that was touched, or is gone. Yields those that it matters to.
    pub fn note(&self, key: &Key, wire: &WireEnvironment, there: bool) -> Vec<Key> {
        let mut all = self.all();
        let (uid, generation) = (wire.metadata.uid.clone(), wire.metadata.generation);
        let same = |asks: &Asks| asks.uid == uid && asks.generation == generation;
        if there && all.get(key).is_some_and(same) {
            return Vec::new();
        }
        let now = there.then(|| Asks { uid, generation, environment: read(wire).map(Arc::new) });
        let current = now.as_ref().and_then(|asks| asks.environment.clone());
        let before = match now {
            Some(asks) => all.insert(key.clone(), asks),
            None => all.remove(key),
        };
        let before = before.and_then(|asks| asks.environment);
        // An older one is held up by nothing that comes later.
        let touches = |other: &Environment| {
            let mut both = [&before, &current].into_iter().flatten();
            both.any(|one| one.created_at <= other.created_at && same_things(one, other))
        };
        others(&all, key).filter(|(_, other)| touches(other)).map(|(other, _)| other.clone()).collect()
    }

    /// The other Environments that change the same things.
    pub fn of(&self, key: &Key, environment: &Environment) -> Vec<Arc<Environment>> {
        let all = self.all();
        others(&all, key).filter(|(_, other)| same_things(environment, other)).map(|(_, other)| other.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Asks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn others<'a>(all: &'a HashMap<Key, Asks>, key: &'a Key) -> impl Iterator<Item = (&'a Key, &'a Arc<Environment>)> {
    all.iter()
        .filter(move |(other, _)| *other != key)
        .filter_map(|(other, asks)| Some((other, asks.environment.as_ref()?)))
}

/// What it asks for. What its status says has no part in it.
fn read(wire: &WireEnvironment) -> Option<Environment> {
    let mut bare = WireEnvironment::new("", wire.spec.clone());
    bare.metadata = wire.metadata.clone();
    parse::environment(&bare).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wire(name: &str, generation: i64, namespace: &str) -> WireEnvironment {
        let wire = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
            "metadata": {
                "name": name, "namespace": "shop", "uid": name, "generation": generation,
                "creationTimestamp": "2026-01-02T03:04:05Z",
            },
            "spec": {
                "project": "shop", "team": "payments", "tier": "development",
                "runtime": {"k8s": {"namespace": namespace, "serviceAccountName": "deployer"}},
            },
        });
        serde_json::from_value(wire).unwrap()
    }

    fn names(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|key| key.name.as_str()).collect()
    }

    #[test]
    fn those_that_change_the_same_are_told_of_each_other_once_for_each_change() {
        let neighbours = Neighbours::default();
        let note = |wire: &WireEnvironment, there| neighbours.note(&Key::of(wire), wire, there);
        assert_eq!(note(&wire("one", 1, "web"), true), []);
        assert_eq!(note(&wire("far", 1, "api"), true), []);
        assert_eq!(names(&note(&wire("two", 1, "web"), true)), ["one"]);
        assert_eq!(note(&wire("two", 1, "web"), true), [], "its status has changed, and nothing else");
        let two = parse::environment(&wire("two", 1, "web")).unwrap();
        let found = neighbours.of(&Key::of(&wire("two", 1, "web")), &two);
        assert_eq!(found.iter().map(|other| other.id.name.as_str()).collect::<Vec<_>>(), ["one"]);
        assert_eq!(names(&note(&wire("two", 2, "api"), true)).len(), 2, "those it has left, and those it has come to");
        assert_eq!(names(&note(&wire("two", 2, "api"), false)), ["far"], "it is gone");
        assert_eq!(neighbours.of(&Key::of(&wire("far", 1, "api")), &two).len(), 1);
    }
}
