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
            let environment = case.environment().map(|environment| {
                let mut environment = environment.clone();
                environment["metadata"]["uid"] = "6f3c1c9e-0000-4000-8000-000000000002".into();
                environment["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
                parse::environment(&serde_json::from_value(environment).unwrap()).unwrap()
            });
            admission::admit(before.as_ref(), &after, &caller, environment.as_ref())
        }
    };
    judged.map_err(|refusal| refusal.code())
}

fn deployment(object: &Value) -> Result<Deployment, String> {
    let object = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    parse::deployment(&object).map_err(|errors| format!("{errors:?}"))
}
