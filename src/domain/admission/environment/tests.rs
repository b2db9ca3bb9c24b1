//! Petra governs, rita may reset, and everyone else may only make it stricter.

use rstest::rstest;

use super::*;
use crate::code::Code;
use crate::environment::{Claim, Reset};
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

fn changed(who: &str, change: Change) -> Result<(), Code> {
    let mut new = production();
    change(&mut new);
    admit(&production(), Some(&new), 0, &caller(who)).map_err(|refusal| refusal.code())
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
fn what_stands_already_is_not_said_again() {
    let mut old = production();
    old.reset = Some(reset_by("rita"));
    assert_eq!(admit(&old, Some(&old.clone()), 0, &caller("mallory")), Ok(()));
}

#[test]
fn a_refusal_names_every_field_that_would_ask_for_less() {
    let mut new = production();
    new.policy.confirm = Confirm::Auto;
    new.policy.approval.count = 0;
    let refusal = admit(&production(), Some(&new), 0, &caller("mallory")).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "environment shop would ask for less than before (spec.policy.approval.count, spec.policy.confirm), which \
         mallory may not decide: ask for the verb \"govern\" on environments.slipway.dev/shop"
    );
}

#[rstest]
#[case::unused(|_: &mut Environment| {}, 0, Ok(()))]
#[case::releases(|old: &mut Environment| old.status.services = production().status.services, 0, Err(Code::Forbidden))]
#[case::unfinished(|_: &mut Environment| {}, 1, Err(Code::Forbidden))]
#[case::claimed(
    |old: &mut Environment| old.status.claim = Some(Claim { deployment: uid("d7"), attempt: "d7-a1".to_owned(), epoch: 1 }),
    0,
    Err(Code::Forbidden)
)]
fn what_is_needed_is_deleted_only_by_who_governs(
    #[case] change: Change,
    #[case] unfinished: usize,
    #[case] expected: Result<(), Code>,
) {
    let mut old = production();
    old.status.services.clear();
    change(&mut old);
    let deleted = |who| admit(&old, None, unfinished, &caller(who)).map_err(|refusal| refusal.code());
    assert_eq!(deleted("mallory"), expected);
    assert_eq!(deleted("petra"), Ok(()));
}
