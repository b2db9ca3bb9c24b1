//! Nobody weakens, frees or removes an Environment without the verb for it.

use std::collections::BTreeSet;

use super::{Caller, NAMESPACE_CONTROLLER, Verb};
use crate::environment::{Environment, Reset};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::safeguard::Weakening;

#[cfg(test)]
mod tests;

/// What is said of a reset that comes with a new Environment.
pub const NOTHING_TO_RESET: &str = "a new environment has had no failure to be freed from: leave it out";
/// What is said to whoever takes a reset back.
pub const RESET_STAYS: &str = "what was said once stays; a later failure is named by a later reset";
/// What is said to whoever says a reset anew before it was answered.
pub const RESET_UNANSWERED: &str =
    "it is not answered yet; once status.resetAnswered is true another may take its place";

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
    governed(new, weaker, "its tier", caller)?;
    if new.reset.is_some() {
        return Err(Refusal::Invalid { field: "spec.reset".to_owned(), problem: NOTHING_TO_RESET.to_owned() });
    }
    Ok(())
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
    if old.reset == new.reset {
        return Ok(());
    }
    match &new.reset {
        Some(reset) => freed(old, reset, caller),
        None => Err(Refusal::Immutable { field: "spec.reset".to_owned(), hint: RESET_STAYS }),
    }
}

/// A reset names what failed, and takes the place of an earlier one that has been answered, or was about something else.
fn freed(old: &Environment, reset: &Reset, caller: &Caller) -> Result<(), Refusal> {
    let environment = || old.id.name.clone();
    caller.is(&reset.actor, "spec.reset.actor")?;
    if !caller.verbs.contains(&Verb::Reset) {
        let (actor, verb) = (caller.actor.clone(), Verb::Reset.as_str());
        return Err(Refusal::Forbidden { actor, verb, environment: environment() });
    }
    match &old.status.failed {
        None => return Err(Refusal::NothingFailed { environment: environment() }),
        Some(failed) if *failed != reset.of => {
            let (failed, named) = (failed.to_string(), reset.of.to_string());
            return Err(Refusal::NotWhatFailed { environment: environment(), failed, named });
        }
        Some(_) => {}
    }
    let answered = |before: &Reset| old.status.reset_handled == Some(before.digest());
    if old.reset.as_ref().is_some_and(|before| before.of == reset.of && !answered(before)) {
        return Err(Refusal::Immutable { field: "spec.reset".to_owned(), hint: RESET_UNANSWERED });
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
