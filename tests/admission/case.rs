//! One case: someone does something to a Deployment in a situation at a place.

use serde_json::Value;
use slipway_domain::code::Code;

use super::deed::Deed;
use super::people::Person;
use super::place::Place;

/// Allowed, or refused with a code.
pub type Answer = Result<(), Code>;

/// The namespace in which all of it happens, unless a server gives another.
pub const NAMESPACE: &str = "shop";

/// One question.
#[derive(Debug)]
pub struct Case<'a> {
    pub who: Person,
    pub deed: Deed,
    pub place: Place,
    /// The Deployment before; none for a creation.
    pub before: Option<&'a Value>,
    /// What it would be.
    pub after: Value,
    /// The Environments of the namespace.
    pub environments: &'a [Value],
}

impl Case<'_> {
    /// The Environment that the Deployment names, if it is there.
    pub fn environment(&self) -> Option<&Value> {
        let name = &self.after["spec"]["environmentRef"]["name"];
        self.environments.iter().find(|environment| environment["metadata"]["name"] == *name)
    }
}
