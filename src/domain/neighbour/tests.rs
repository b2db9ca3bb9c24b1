//! Who outranks whom, where both change the same things.

use rstest::rstest;

use super::*;
use crate::environment::RuntimeKind;
use crate::fixture::{at, by_hand, development, environment, production, uid};
use crate::policy::{Confirm, FreezeWindow, Tier};

/// The production that was there first.
fn first() -> Environment {
    let mut first = production();
    (first.id.name, first.id.uid, first.created_at) = ("production".to_owned(), uid("e0"), at(-120));
    first
}

fn says(newer: &Environment, others: &[Environment]) -> Option<String> {
    let others: Vec<_> = others.iter().cloned().map(Arc::new).collect();
    outranks(newer, &others, at(0)).map(|outranked| outranked.to_string())
}

#[test]
fn a_newer_one_that_asks_for_less_is_told_of_the_older_one_and_what_to_do() {
    assert_eq!(
        says(&development(), &[first()]).unwrap(),
        "it changes the same things as the older environment team/production and asks for less (spec.tier, \
         spec.policy.approval.count, spec.policy.approval.expiresAfter, spec.policy.confirm): let it ask for as much, or \
         let it go elsewhere"
    );
}

#[rstest]
#[case::as_much(|_: &mut Environment| {}, false)]
#[case::more(|newer: &mut Environment| newer.policy.approval.count = 3, false)]
#[case::less_in_one_thing(|newer: &mut Environment| newer.policy.confirm = Confirm::Auto, true)]
#[case::another_tier_with_the_same_policy(|newer: &mut Environment| newer.tier = Tier::Staging, true)]
#[case::a_kind_more(|newer: &mut Environment| { newer.reach.allowed_kinds.insert("/Namespace".to_owned()); }, true)]
#[case::less_and_elsewhere(|newer: &mut Environment| {
    newer.policy.confirm = Confirm::Auto;
    newer.reach.targets = ["other as deployer".to_owned()].into();
}, false)]
#[case::less_and_elsewhere_too(|newer: &mut Environment| {
    newer.policy.confirm = Confirm::Auto;
    newer.reach.targets.insert("other as deployer".to_owned());
}, true)]
fn a_newer_one_asks_for_no_less_where_it_changes_the_same(#[case] change: fn(&mut Environment), #[case] less: bool) {
    let mut newer = production();
    change(&mut newer);
    assert_eq!(says(&newer, &[first()]).is_some(), less);
}

#[test]
fn the_older_one_is_never_held_up() {
    let mut older = environment(Tier::Development, RuntimeKind::Kubernetes);
    older.created_at = at(-120);
    assert_eq!(says(&older, &[production()]), None, "whatever the newer asks for");
    assert_eq!(says(&production(), &[older]), None, "nor is the newer, which asks for more");
}

#[test]
fn of_two_of_the_same_second_the_one_that_asks_for_less_yields() {
    for lower in ["e1", "e3"] {
        let (mut less, mut more) = (development(), production());
        (less.id.uid, more.id.uid) = (uid(lower), uid("e2"));
        less.created_at = more.created_at;
        assert!(says(&less, std::slice::from_ref(&more)).is_some());
        assert_eq!(says(&more, &[less]), None);
    }
}

#[test]
fn of_two_of_the_same_second_that_ask_for_different_things_the_higher_uid_yields() {
    let (mut one, mut other) = (production(), production());
    (one.id.uid, other.id.uid) = (uid("e1"), uid("e2"));
    one.policy.confirm = Confirm::Auto;
    other.policy.approval.expires_after = None;
    assert_eq!(says(&one, std::slice::from_ref(&other)), None);
    assert!(says(&other, &[one]).unwrap().contains("(spec.policy.approval.expiresAfter)"));
}

#[test]
fn a_freeze_that_is_over_is_nothing_to_ask_for() {
    let window = |end| FreezeWindow { start: at(-30), end: at(end), reason: "sale".to_owned() };
    let mut older = first();
    older.policy.freeze_windows = vec![window(0)];
    assert_eq!(says(&production(), std::slice::from_ref(&older)), None);
    older.policy.freeze_windows = vec![window(1)];
    assert!(says(&production(), &[older]).unwrap().contains("spec.policy.freezeWindows"));
}

#[test]
fn work_by_hand_changes_nothing_that_slipway_knows_of() {
    let mut newer = by_hand();
    newer.reach.targets.clear();
    assert_eq!(says(&newer, &[first()]), None);
}
