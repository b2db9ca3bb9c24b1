//! Nobody weakens, frees or removes an Environment without the verb for it.

use std::collections::BTreeSet;

use super::{Caller, NAMESPACE_CONTROLLER, Verb};
use crate::environment::Environment;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::safeguard::Weakening;

#[cfg(test)]
mod tests;

/// Whether `caller` may make `new` out of `old`; `old` is None for a creation, `new` for a deletion.
pub fn admit(old: Option<&Environment>, new: Option<&Environment>, caller: &Caller) -> Result<(), Refusal> {
    match (old, new) {
        (Some(old), Some(new)) => change(old, new, caller),
        (Some(old), None) => deletion(old, caller),
        (None, Some(new)) => creation(new, caller),
        (None, None) => Ok(()),
    }
}

/// One that is new asks for no less than its tier: what is deleted and created again is new.
fn creation(new: &Environment, caller: &Caller) -> Result<(), Refusal> {
    let weaker = new.policy.weakenings(&Policy::default_for(new.tier, new.runtime));
    governed(new, weaker, "its tier", caller)
}

fn change(old: &Environment, new: &Environment, caller: &Caller) -> Result<(), Refusal> {
    let fixed = [
        ("spec.project", old.project == new.project),
        ("spec.team", old.team == new.team),
        ("spec.tier", old.tier == new.tier),
    ];
    if let Some((field, _)) = fixed.into_iter().find(|(_, same)| !same) {
        return Err(Refusal::Immutable { field: field.to_owned(), hint: "create another Environment" });
    }
    governed(old, new.weakenings(old), "before", caller)?;
    if let Some(reset) = new.reset.as_ref().filter(|reset| old.reset.as_ref() != Some(reset)) {
        caller.is(&reset.actor, "spec.reset.actor")?;
        if !caller.verbs.contains(&Verb::Reset) {
            return Err(Refusal::Forbidden {
                actor: caller.actor.clone(),
                verb: Verb::Reset.as_str(),
                environment: old.id.name.clone(),
            });
        }
    }
    Ok(())
}

/// What is deleted takes with it what it asked for, of whatever waits or runs there.
fn deletion(old: &Environment, caller: &Caller) -> Result<(), Refusal> {
    if old.deleting || caller.actor.as_str() == NAMESPACE_CONTROLLER || caller.verbs.contains(&Verb::Govern) {
        return Ok(());
    }
    Err(ungoverned(old, caller, "would be gone, with what it asks for".to_owned()))
}

fn governed(
    environment: &Environment,
    weaker: BTreeSet<Weakening>,
    than: &str,
    caller: &Caller,
) -> Result<(), Refusal> {
    if weaker.is_empty() || caller.verbs.contains(&Verb::Govern) {
        return Ok(());
    }
    let fields: Vec<_> = weaker.into_iter().map(Weakening::as_str).collect();
    let what = format!("would ask for less than {than} ({})", fields.join(", "));
    Err(ungoverned(environment, caller, what))
}

fn ungoverned(environment: &Environment, caller: &Caller, what: String) -> Refusal {
    Refusal::Ungoverned { actor: caller.actor.clone(), environment: environment.id.name.clone(), what }
}
