//! Who acts, and the verbs they hold, as the chart's roles give them out.

use slipway_domain::admission::{CONTROLLER_ACCOUNT, Caller, NAMESPACE_CONTROLLER, Verb};

/// Someone, and what they hold on the Environment in question.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub name: &'static str,
    pub verbs: &'static [Verb],
    /// Verbs on another Environment, which must help nobody.
    pub elsewhere: &'static [Verb],
}

const fn person(name: &'static str, verbs: &'static [Verb]) -> Person {
    Person { name, verbs, elsewhere: &[] }
}

pub const ALICE: &str = "alice@example.com";
pub const CI: &str = "system:serviceaccount:ci:ci";
pub const BOB: &str = "bob@example.com";
pub const OLGA: &str = "olga@example.com";

/// alice asked, ci created the object for her, bob reviews, olga is on call, petra governs, mallory holds nothing, bert
/// holds everything, elsewhere. The controller and the namespace controller hold nothing either.
pub const PEOPLE: [Person; 9] = [
    person(ALICE, &[Verb::Deploy, Verb::Rollback, Verb::Approve]),
    person(CI, &[Verb::Deploy, Verb::ActAs, Verb::Approve]),
    person(BOB, &[Verb::Approve]),
    person(OLGA, &[Verb::Deploy, Verb::Rollback, Verb::Approve, Verb::BreakGlass, Verb::Reset]),
    person("petra@example.com", &[Verb::Govern]),
    person("mallory@example.com", &[]),
    Person { name: "bert@example.com", verbs: &[], elsewhere: &Verb::ALL },
    person(CONTROLLER_ACCOUNT, &[]),
    person(NAMESPACE_CONTROLLER, &[]),
];

impl Person {
    /// The caller that the domain judges.
    pub fn caller(&self) -> Caller {
        Caller { actor: self.name.parse().unwrap(), verbs: self.verbs.to_vec() }
    }
}
