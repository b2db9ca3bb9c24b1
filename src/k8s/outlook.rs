//! An outlook shows a change to whoever asks, with what that person may read: nothing is tried, nothing is written, and no
//! account is acted as.
//!
//! A preview asks the server what it would store. Someone who only reads cannot, so the change is foretold as
//! `kubectl apply` does it: what the release says replaces what is live, what the release before said and this one no
//! longer does is taken away, and the rest stays.

use futures::{StreamExt as _, stream};
use serde_json::{Map, Value};
use slipway_domain::runtime::{Changes, Failure, ObjectRef};

use crate::client::Access;
use crate::kinds::Kind;
use crate::preview::left_behind;
use crate::render::{Rendered, RenderedObject};
use crate::runtime::Runtime;
use crate::target::{Ownership, Target};
use crate::{compare, diff, failure};

/// How many objects are read at a time.
const READS: usize = 8;

/// What would change, as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The objects by what would happen to them.
    pub changes: Changes,
    /// Unified differences, secret values sealed.
    pub diff: String,
}

enum Fate {
    Added,
    Changed,
    Unchanged,
    Removed,
    Kept,
}

impl Runtime {
    /// What applying `rendered` would change, read with the rights of this runtime's own client. `before` is the release
    /// that runs, where there is one, and `inventory` what the service consists of now.
    ///
    /// # Errors
    /// What could not be read, all of it. Nothing is ever changed.
    pub async fn outlook(
        &self,
        target: &Target,
        rendered: &Rendered,
        before: Option<&Rendered>,
        inventory: &[ObjectRef],
    ) -> Result<Outlook, Failure> {
        let access = Access::own(&self.base, target);
        let kinds = self.kinds.of(&self.base, rendered, target).await?;
        let was = |one: &RenderedObject| {
            let mut all = before.into_iter().flat_map(|before| &before.objects);
            all.find(|old| old.reference.identity() == one.reference.identity())
        };
        let each: Vec<_> = rendered
            .objects
            .iter()
            .zip(&kinds)
            .map(|(one, kind)| self.foretold(&access, one, was(one).map(|old| &old.object), kind))
            .collect();
        let coming: Vec<Result<(ObjectRef, Fate, String), Failure>> =
            stream::iter(each).buffered(READS).collect().await;
        let each: Vec<_> = left_behind(rendered, inventory).into_iter().map(|one| self.going(&access, one)).collect();
        let going: Vec<Result<(ObjectRef, Fate, String), Failure>> = stream::iter(each).buffered(READS).collect().await;

        let (mut changes, mut diffs, mut failures) = (Changes::default(), Vec::new(), Vec::new());
        for result in coming.into_iter().chain(going) {
            let (reference, fate, diff) = match result {
                Ok(found) => found,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            diffs.push(diff);
            match fate {
                Fate::Added => changes.added.push(reference),
                Fate::Changed => changes.changed.push(reference),
                Fate::Unchanged => changes.unchanged.push(reference),
                Fate::Removed => changes.removed.push(reference),
                Fate::Kept => {}
            }
        }
        failure::all(failures).map_or_else(|| Ok(Outlook { changes, diff: diff::joined(diffs) }), Err)
    }

    async fn foretold(
        &self,
        access: &Access<'_>,
        one: &RenderedObject,
        was: Option<&Value>,
        kind: &Kind,
    ) -> Result<(ObjectRef, Fate, String), Failure> {
        let reference = one.reference.clone();
        let Some(live) = access.get(kind, &one.reference.name).await? else {
            let diff = diff::unified(&reference, None, Some(&one.object), &self.key);
            return Ok((reference, Fate::Added, diff));
        };
        let after = foretell(&live, was, &one.object);
        if compare::settled(&after) == compare::settled(&live) {
            return Ok((reference, Fate::Unchanged, String::new()));
        }
        let diff = diff::unified(&reference, Some(&live), Some(&after), &self.key);
        Ok((reference, Fate::Changed, diff))
    }

    async fn going(&self, access: &Access<'_>, reference: &ObjectRef) -> Result<(ObjectRef, Fate, String), Failure> {
        let live = match self.kinds.find_any(&self.base, reference, access.target).await? {
            Some(kind) => access.get(&kind, &reference.name).await?,
            None => None,
        };
        let ours = live.filter(|live| Ownership::of(live, access.target) == Ownership::Ours);
        Ok(match ours {
            Some(live) => {
                let diff = diff::unified(reference, Some(&live), None, &self.key);
                (reference.clone(), Fate::Removed, diff)
            }
            None => (reference.clone(), Fate::Kept, String::new()),
        })
    }
}

/// `live` after `wanted` was applied, `was` having been applied before.
fn foretell(live: &Value, was: Option<&Value>, wanted: &Value) -> Value {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            Value::Object(fields(live, was.and_then(Value::as_object), wanted))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            Value::Array(items(live, was.and_then(Value::as_array).map_or(&[], Vec::as_slice), wanted))
        }
        _ => wanted.clone(),
    }
}

fn fields(
    live: &Map<String, Value>,
    was: Option<&Map<String, Value>>,
    wanted: &Map<String, Value>,
) -> Map<String, Value> {
    let said = |name: &str| was.and_then(|was| was.get(name));
    let mut after: Map<String, Value> = live
        .iter()
        .filter(|(name, _)| wanted.contains_key(*name) || said(name).is_none())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in wanted {
        let value = match live.get(name) {
            // The server writes quantities its own way; that is no change.
            Some(live) if compare::same_amounts(name, value, live) => live.clone(),
            Some(live) => foretell(live, said(name), value),
            None => value.clone(),
        };
        after.insert(name.clone(), value);
    }
    after
}

/// A list whose items have names is merged by them, one of the same length place by place, any other is replaced.
fn items(live: &[Value], was: &[Value], wanted: &[Value]) -> Vec<Value> {
    let named = |list: &[Value]| list.iter().all(|item| item["name"].is_string());
    let find = |list: &[Value], item: &Value| list.iter().find(|other| other["name"] == item["name"]).cloned();
    if !live.is_empty() && named(live) && named(wanted) {
        let merged = wanted.iter().map(|item| match find(live, item) {
            Some(live) => foretell(&live, find(was, item).as_ref(), item),
            None => item.clone(),
        });
        let others = live.iter().filter(|item| find(wanted, item).is_none() && find(was, item).is_none());
        return merged.chain(others.cloned()).collect();
    }
    if live.len() == wanted.len() {
        let before = |place: usize| was.get(place).filter(|_| was.len() == wanted.len());
        return live
            .iter()
            .zip(wanted)
            .enumerate()
            .map(|(at, (live, item))| foretell(live, before(at), item))
            .collect();
    }
    wanted.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::what_the_server_filled_in_stays(
        json!({"spec": {"replicas": 1, "strategy": {"type": "RollingUpdate"}}}), json!(null),
        json!({"spec": {"replicas": 2}}), json!({"spec": {"replicas": 2, "strategy": {"type": "RollingUpdate"}}}))]
    #[case::what_the_release_no_longer_says_goes(
        json!({"data": {"a": "1", "b": "2", "c": "someone else's"}}), json!({"data": {"a": "1", "b": "2"}}),
        json!({"data": {"a": "1"}}), json!({"data": {"a": "1", "c": "someone else's"}}))]
    #[case::a_container_keeps_its_defaults(
        json!({"c": [{"name": "web", "image": "web:1", "pullPolicy": "Always"}, {"name": "sidecar"}]}),
        json!({"c": [{"name": "web", "image": "web:1"}]}), json!({"c": [{"name": "web", "image": "web:2"}]}),
        json!({"c": [{"name": "web", "image": "web:2", "pullPolicy": "Always"}, {"name": "sidecar"}]}))]
    #[case::a_container_that_left_goes(
        json!({"c": [{"name": "web"}, {"name": "old"}]}), json!({"c": [{"name": "web"}, {"name": "old"}]}),
        json!({"c": [{"name": "web"}]}), json!({"c": [{"name": "web"}]}))]
    #[case::a_list_without_names_is_replaced(
        json!({"l": ["a", "b"]}), json!(null), json!({"l": ["a"]}), json!({"l": ["a"]}))]
    #[case::a_port_keeps_its_protocol(
        json!({"p": [{"port": 80, "protocol": "TCP"}]}), json!(null), json!({"p": [{"port": 81}]}),
        json!({"p": [{"port": 81, "protocol": "TCP"}]}))]
    #[case::a_quantity_may_be_written_otherwise(
        json!({"limits": {"cpu": "1"}}), json!(null), json!({"limits": {"cpu": "1000m"}}), json!({"limits": {"cpu": "1"}}))]
    fn a_change_is_foretold(#[case] live: Value, #[case] was: Value, #[case] wanted: Value, #[case] after: Value) {
        assert_eq!(foretell(&live, Some(&was).filter(|was| !was.is_null()), &wanted), after);
    }
}
