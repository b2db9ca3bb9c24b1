//! One case: someone does something to a Deployment in a situation at a place.

use serde_json::Value;
use slipway_domain::code::Code;
use slipway_domain::environment::Environment;

use super::deed::Deed;
use super::people::Person;
use super::place::{PLACES, Place};

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
    /// What the policies know of the Environments of the namespace.
    pub index: &'a Value,
}

impl Case<'_> {
    /// The Environment that the Deployment names, if it is there.
    pub fn environment(&self) -> Option<Environment> {
        let name = &self.after["spec"]["environmentRef"]["name"];
        PLACES.into_iter().find(|place| *name == place.name).map(|place| place.read(NAMESPACE))
    }
}
