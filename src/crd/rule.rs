//! The rules by which a stored object may change: fields that never do, and entries that are only ever added.
//!
//! They stand on the `spec` and not on the field, because a rule of a field is not asked when the field is removed.

use kube::core::Rule;

/// A required field that keeps its first value.
pub(crate) fn fixed(kind: &str, field: &str) -> Rule {
    Rule::new(format!("self.{field} == oldSelf.{field}")).message(stays(kind, field).as_str()).field_path(path(field))
}

/// An optional field that keeps its first value, or stays absent.
pub(crate) fn fixed_option(kind: &str, field: &str) -> Rule {
    Rule::new(format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    ))
    .message(stays(kind, field).as_str())
    .field_path(path(field))
}

/// An optional field that is filled in at creation and keeps its value from then on.
pub(crate) fn stamped(kind: &str, field: &str) -> Rule {
    Rule::new(kept(field)).message(stays(kind, field).as_str()).field_path(path(field))
}

/// An intent that is recorded once. `field` may be a path, as `manual.start`.
pub(crate) fn once(field: &str) -> Rule {
    Rule::new(kept(field))
        .message(format!("{field} is recorded once: it cannot be changed or removed").as_str())
        .field_path(path(field))
}

/// An entry that a later one may take the place of, and that is never taken back.
pub(crate) fn succeeded(field: &str) -> Rule {
    Rule::new(format!("!has(oldSelf.{field}) || has(self.{field})"))
        .message(format!("{field} is history: a later one takes its place, it is never taken back").as_str())
        .field_path(path(field))
}

/// A list of intents from which no entry is removed; `keys` tell entries apart.
pub(crate) fn add_only(field: &str, keys: &[&str]) -> Rule {
    let same: Vec<String> = keys.iter().map(|key| format!("now.{key} == then.{key}")).collect();
    let same = same.join(" && ");
    Rule::new(format!(
        "!has(oldSelf.{field}) || (has(self.{field}) && oldSelf.{field}.all(then, self.{field}.exists(now, {same})))"
    ))
    .message(format!("{field} are history: entries are added, never removed").as_str())
    .field_path(path(field))
}

/// An entry of such a list.
pub(crate) fn entry_stays() -> Rule {
    Rule::new("self == oldSelf").message("is history: entries are added, never changed")
}

/// Lists and entries that an object gets only once it is there, `said` in these words. A rule of transitions alone is
/// not asked at creation.
pub(crate) fn later(lists: &[&str], entries: &[&str], said: &str) -> Rule {
    let empty = lists.iter().map(|list| format!("(!has(self.{list}) || self.{list}.size() == 0)"));
    let absent = entries.iter().map(|entry| format!("({})", missing("self", entry)));
    let none: Vec<String> = empty.chain(absent).collect();
    Rule::new(format!("oldSelf.hasValue() || ({})", none.join(" && "))).optional_old_self(true).message(said)
}

/// A status that is there stays there. For the root of a resource.
pub(crate) fn status_stays() -> Rule {
    Rule::new("!has(oldSelf.status) || has(self.status)").message("status cannot be removed")
}

/// The name of what others refer to by a label. For the root of a resource.
pub(crate) fn label_name() -> Rule {
    Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("metadata.name must be at most 63 lower-case letters, digits or '-'")
}

fn kept(field: &str) -> String {
    let present: Vec<String> = steps(field).map(|part| format!("has(self.{part})")).collect();
    format!("{} || ({} && self.{field} == oldSelf.{field})", missing("oldSelf", field), present.join(" && "))
}

fn missing(of: &str, field: &str) -> String {
    let absent: Vec<String> = steps(field).map(|part| format!("!has({of}.{part})")).collect();
    absent.join(" || ")
}

/// A path from its first part on: `manual`, `manual.start`.
fn steps(field: &str) -> impl Iterator<Item = &str> {
    field.match_indices('.').map(|(at, _)| &field[..at]).chain([field])
}

fn stays(kind: &str, field: &str) -> String {
    format!("{field} cannot be changed: create a new {kind}")
}

fn path(field: &str) -> String {
    format!(".{field}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_intent_is_looked_up_step_by_step() {
        assert_eq!(
            once("manual.start").rule,
            "!has(oldSelf.manual) || !has(oldSelf.manual.start) || (has(self.manual) && has(self.manual.start) \
             && self.manual.start == oldSelf.manual.start)"
        );
    }

    #[test]
    fn an_empty_list_and_a_parent_without_its_entry_decide_nothing() {
        assert_eq!(
            later(&["reviews"], &["manual.start", "abort"], "not yet").rule,
            "oldSelf.hasValue() || ((!has(self.reviews) || self.reviews.size() == 0) \
             && (!has(self.manual) || !has(self.manual.start)) && (!has(self.abort)))"
        );
    }
}
