//! Who calls, and what they may do, as an admission policy asks.

use slipway_domain::admission::Verb;

use crate::GROUP;
use crate::admission::sentence::literal;

/// Who calls.
pub(super) const CALLER: &str = "request.userInfo.username";

/// Whether the caller holds `verb` on the Environment in `variables.environment`.
pub(super) fn may(verb: Verb) -> String {
    asked("environments", "variables.environment", verb)
}

/// Whether the caller may name that person as requester.
pub(super) fn acts_as(person: &str) -> String {
    asked("requesters", person, Verb::ActAs)
}

/// Neither is ever stored: it is a name to grant verbs on. An empty name would mean all of them.
fn asked(resource: &str, name: &str, verb: Verb) -> String {
    format!(
        "{name} != '' && authorizer.group('{GROUP}').resource('{resource}').namespace(request.namespace)\
         .name({name}).check('{}').allowed()",
        verb.as_str()
    )
}

/// Whether `variables.caller` is that account.
pub(super) fn is(account: &str) -> String {
    format!("variables.caller == {}", literal(account))
}
