//! An Environment is no way around an older one: where two change the same things, the newer asks for no less.
//!
//! The older one is never held up by a newer, whatever that asks for: nobody stops what is there by creating something.
//! Which one is older is what the API server says of their creation, and where that is the same, their uids.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::environment::Environment;
use crate::safeguard::Weakening;

#[cfg(test)]
mod tests;

/// An older Environment that asks for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outranked<'a> {
    older: &'a Environment,
    less: BTreeSet<Weakening>,
}

impl Outranked<'_> {
    /// Which one, as `namespace/name`.
    pub fn by(&self) -> String {
        format!("{}/{}", self.older.id.namespace, self.older.id.name)
    }
}

impl fmt::Display for Outranked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.less.iter().map(|weakening| weakening.as_str()).collect();
        write!(
            f,
            "it changes the same things as the older environment {} and asks for less ({}): let it ask for as much, or let \
             it go elsewhere",
            self.by(),
            fields.join(", ")
        )
    }
}

/// The oldest of `others` that `environment` would be a way around.
pub fn outranks<'a>(environment: &Environment, others: &'a [Arc<Environment>], now: Timestamp) -> Option<Outranked<'a>> {
    let age = |environment: &Environment| (environment.created_at, environment.id.uid.clone());
    let mut older: Vec<&Environment> = others
        .iter()
        .map(AsRef::as_ref)
        .filter(|other| age(other) < age(environment) && same_things(environment, other))
        .collect();
    older.sort_by_key(|other| age(other));
    older
        .into_iter()
        .map(|older| Outranked { older, less: environment.asks_less_than(older, now) })
        .find(|outranked| !outranked.less.is_empty())
}

/// Whether both change something that the other changes too.
pub fn same_things(one: &Environment, other: &Environment) -> bool {
    !one.reach.targets.is_disjoint(&other.reach.targets)
}
