//! Nobody weakens, frees or removes an Environment without the verb for it.

use super::{Caller, Verb};
use crate::environment::Environment;
use crate::refusal::Refusal;
use crate::safeguard::Weakening;

#[cfg(test)]
mod tests;

/// Whether `caller` may make `new` out of `old`; `new` is None for a deletion, and `unfinished` are the Deployments to it
/// that have not ended.
pub fn admit(old: &Environment, new: Option<&Environment>, unfinished: usize, caller: &Caller) -> Result<(), Refusal> {
    match new {
        Some(new) => change(old, new, caller),
        None => deletion(old, unfinished, caller),
    }
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
    let weaker: Vec<_> = new.weakenings(old).into_iter().map(Weakening::as_str).collect();
    if !weaker.is_empty() && !caller.verbs.contains(&Verb::Govern) {
        let what = format!("would ask for less than before ({})", weaker.join(", "));
        return Err(ungoverned(old, caller, what));
    }
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

/// What is deleted and created again may ask for anything: where something depends on it, that is weakening it.
fn deletion(old: &Environment, unfinished: usize, caller: &Caller) -> Result<(), Refusal> {
    let runs = old.status.services.len();
    let needed = runs > 0 || unfinished > 0 || old.status.claim.is_some();
    if needed && !caller.verbs.contains(&Verb::Govern) {
        let what = format!("is needed ({runs} services, {unfinished} unfinished deployments)");
        return Err(ungoverned(old, caller, what));
    }
    Ok(())
}

fn ungoverned(environment: &Environment, caller: &Caller, what: String) -> Refusal {
    Refusal::Ungoverned { actor: caller.actor.clone(), environment: environment.id.name.clone(), what }
}
