//! What the domain says.

use serde_json::Value;
use slipway_crd::parse;
use slipway_domain::admission;
use slipway_domain::code::Code;
use slipway_domain::deployment::Deployment;

use super::case::{Answer, Case};
use super::deed::Way;

/// The domain's answer.
pub fn answer(case: &Case<'_>) -> Answer {
    let caller = case.who.caller();
    let before = case.before.map(|object| deployment(object).unwrap());
    let judged = match case.deed.way {
        Way::Status => admission::control(&caller.actor, "write status"),
        Way::Delete => admission::delete(before.as_ref().unwrap(), &caller.actor),
        Way::Create | Way::Spec => {
            // What cannot be read is what the schema refuses.
            let Ok(after) = deployment(&case.after) else { return Err(Code::ValidationFailed) };
            admission::admit(before.as_ref(), &after, &caller, case.environment().as_ref())
        }
    };
    judged.map_err(|refusal| refusal.code())
}

fn deployment(object: &Value) -> Result<Deployment, String> {
    let object = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    parse::deployment(&object).map_err(|errors| format!("{errors:?}"))
}
