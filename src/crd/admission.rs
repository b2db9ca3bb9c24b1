//! What the API server itself refuses, at once and in the words of the rule: `domain::admission`, said as policies.
//!
//! A request that passes here is judged again by the controller, with the domain's functions themselves. What the two
//! say is compared, case by case, in `tests/admission`.

mod caller;
mod deployment;
mod environment;
mod object;
mod path;
mod policy;
mod request;
mod sentence;

use serde_json::Value;

/// The policies that refuse, each with its binding.
pub(crate) fn policies() -> impl Iterator<Item = Value> {
    let all = [deployment::policies(), environment::policies(), object::policies()];
    all.into_iter().flatten().flat_map(policy::Refusing::objects)
}
