//! Petra governs, rita may reset, and everyone else may only make it stricter.

use rstest::rstest;

use super::*;
use crate::code::Code;
use crate::environment::Reset;
use crate::fixture::{actor, note, production, uid};
use crate::policy::{Confirm, Tier};

type Change = fn(&mut Environment);

fn caller(who: &str) -> Caller {
    let verbs = match who {
        "petra" => vec![Verb::Govern],
        "rita" => vec![Verb::Reset],
        _ => vec![Verb::Deploy, Verb::Approve, Verb::Rollback, Verb::BreakGlass, Verb::Backup],
    };
    Caller { actor: actor(who), verbs }
}

/// Production, where d7 has failed.
fn stored() -> Environment {
    let mut stored = production();
    stored.status.failed = Some(uid("d7"));
    stored
}

fn changed(who: &str, change: Change) -> Result<(), Code> {
    let mut new = stored();
    change(&mut new);
    admit(Some(&stored()), Some(&new), &caller(who)).map_err(|refusal| refusal.code())
}

fn reset_by(who: &str) -> Reset {
    Reset { of: uid("d7"), actor: actor(who), note: note("looked at it") }
}

#[rstest]
#[case::stricter("mallory", |new: &mut Environment| new.policy.approval.count = 2, Ok(()))]
#[case::weaker("mallory", |new: &mut Environment| new.policy.confirm = Confirm::Auto, Err(Code::Forbidden))]
#[case::weaker_in_one_thing_and_stricter_in_another("rita", |new: &mut Environment| {
    new.policy.approval.count = 2;
    new.policy.approval.expires_after = None;
}, Err(Code::Forbidden))]
#[case::weaker_by_who_governs("petra", |new: &mut Environment| new.policy.confirm = Confirm::Auto, Ok(()))]
#[case::another_tier("petra", |new: &mut Environment| new.tier = Tier::Development, Err(Code::ValidationFailed))]
#[case::another_team("petra", |new: &mut Environment| new.team = "other".to_owned(), Err(Code::ValidationFailed))]
#[case::a_reset("rita", |new: &mut Environment| new.reset = Some(reset_by("rita")), Ok(()))]
#[case::a_reset_without_the_verb("petra", |new: &mut Environment| new.reset = Some(reset_by("petra")), Err(Code::Forbidden))]
#[case::a_reset_in_anothers_name("mallory", |new: &mut Environment| new.reset = Some(reset_by("rita")), Err(Code::Forbidden))]
fn an_environment_is_changed_by_whoever_may(
    #[case] who: &str,
    #[case] change: Change,
    #[case] expected: Result<(), Code>,
) {
    assert_eq!(changed(who, change), expected);
}

#[test]
fn a_reset_names_what_failed() {
    let mut new = stored();
    new.reset = Some(reset_by("rita"));
    let says = |failed: Option<&str>| {
        let mut old = production();
        old.status.failed = failed.map(uid);
        admit(Some(&old), Some(&new), &caller("rita")).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(says(Some("d7")), Ok(()));
    assert_eq!(says(None).unwrap_err(), "no operation has failed in environment shop: there is nothing to reset");
    assert_eq!(
        says(Some("d8")).unwrap_err(),
        "it is d8 that failed in environment shop, not d7: look at that one, then name it in spec.reset.of"
    );
}

#[test]
fn a_reset_stays_until_it_is_answered() {
    let mut old = stored();
    old.reset = Some(reset_by("rita"));
    let mut new = old.clone();
    new.reset.as_mut().unwrap().note = note("looked again");
    let answer = |old: &Environment, new: &Environment| {
        admit(Some(old), Some(new), &caller("rita")).map_err(|refusal| refusal.code())
    };
    assert_eq!(answer(&old, &new), Err(Code::ValidationFailed), "nobody has read it");
    assert_eq!(answer(&old, &stored()), Err(Code::ValidationFailed), "nor is it taken back");
    old.status.reset_handled = Some(reset_by("rita").digest());
    assert_eq!(answer(&old, &new), Ok(()));
    assert_eq!(answer(&old, &stored()), Err(Code::ValidationFailed), "never");
    old.status.reset_handled = None;
    old.status.failed = Some(uid("d8"));
    new.reset.as_mut().unwrap().of = uid("d8");
    assert_eq!(answer(&old, &new), Ok(()), "another operation has failed since");
}

#[test]
fn a_new_environment_is_freed_from_nothing() {
    let mut new = production();
    new.reset = Some(reset_by("rita"));
    let refusal = admit(None, Some(&new), &caller("rita")).unwrap_err();
    assert_eq!(refusal.to_string(), "spec.reset: a new environment has had no failure to be freed from: leave it out");
}

#[test]
fn what_stands_already_is_not_said_again() {
    let mut old = production();
    old.reset = Some(reset_by("rita"));
    assert_eq!(admit(Some(&old), Some(&old.clone()), &caller("mallory")), Ok(()));
}

#[test]
fn a_refusal_names_every_field_that_would_ask_for_less() {
    let mut new = production();
    new.policy.confirm = Confirm::Auto;
    new.policy.approval.count = 0;
    let refusal = admit(Some(&production()), Some(&new), &caller("mallory")).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "environment shop would ask for less than before (spec.policy.approval.count, spec.policy.confirm), which \
         mallory may not decide: ask for the verb \"govern\" on environments.slipway.dev/shop"
    );
}

#[test]
fn only_who_governs_deletes_one_or_whoever_empties_a_namespace() {
    let deleted = |old: &Environment, who: &str| {
        let caller = Caller { actor: actor(who), verbs: caller(who).verbs };
        admit(Some(old), None, &caller).map_err(|refusal| refusal.code())
    };
    let mut old = production();
    assert_eq!(deleted(&old, "mallory"), Err(Code::Forbidden));
    assert_eq!(deleted(&old, "petra"), Ok(()));
    assert_eq!(deleted(&old, NAMESPACE_CONTROLLER), Ok(()));
    old.deleting = true;
    assert_eq!(deleted(&old, "mallory"), Ok(()), "it goes already");
}

#[rstest]
#[case::as_its_tier("mallory", |_: &mut Environment| {}, Ok(()))]
#[case::stricter("mallory", |new: &mut Environment| new.policy.approval.count = 3, Ok(()))]
#[case::weaker("mallory", |new: &mut Environment| new.policy.confirm = Confirm::Auto, Err(Code::Forbidden))]
#[case::weaker_by_who_governs("petra", |new: &mut Environment| new.policy.confirm = Confirm::Auto, Ok(()))]
fn a_new_one_asks_for_no_less_than_its_tier(
    #[case] who: &str,
    #[case] change: Change,
    #[case] expected: Result<(), Code>,
) {
    let mut new = production();
    change(&mut new);
    assert_eq!(admit(None, Some(&new), &caller(who)).map_err(|refusal| refusal.code()), expected);
}
