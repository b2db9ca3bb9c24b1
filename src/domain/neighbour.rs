//! An Environment is no way around an older one: where two change the same things, the newer asks for no less.
//!
//! The older one is never held up by a newer, whatever that asks for: nobody stops what is there by creating something.
//! Which one is older is what the API server says of their creation, which it counts in seconds. Of two of the same second
//! the one that asks for less yields, and where each does in something, the one with the higher uid.

use std::cmp::Ordering;
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
pub fn outranks<'a>(
    environment: &Environment,
    others: &'a [Arc<Environment>],
    now: Timestamp,
) -> Option<Outranked<'a>> {
    let beside = others.iter().map(|other| &**other).filter(|other| same_things(environment, other));
    let mut before: Vec<&Environment> = beside.filter(|other| precedes(other, environment, now)).collect();
    before.sort_by_key(|other| (other.created_at, other.id.uid.clone()));
    let outranked = |older: &'a Environment| Outranked { older, less: environment.asks_less_than(older, now) };
    before.into_iter().map(outranked).find(|outranked| !outranked.less.is_empty())
}

fn precedes(other: &Environment, environment: &Environment, now: Timestamp) -> bool {
    match other.created_at.cmp(&environment.created_at) {
        Ordering::Less => true,
        Ordering::Equal => other.asks_less_than(environment, now).is_empty() || other.id.uid < environment.id.uid,
        Ordering::Greater => false,
    }
}

/// Whether both change something that the other changes too.
pub fn same_things(one: &Environment, other: &Environment) -> bool {
    !one.reach.targets.is_disjoint(&other.reach.targets)
}
