//! One Environment that asks for much, and every single way of asking for less.

use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::environment::RuntimeKind;
use crate::fixture::{at, production};
use crate::runtime::Probe;

type Change = fn(&mut Environment);

fn check(url: &str) -> HealthCheck {
    let probe = Probe::Http { url: url.to_owned(), expect_status: 200 };
    HealthCheck { probe, timeout: Duration::from_secs(10), retries: 1 }
}

fn window(start: i64, end: i64) -> FreezeWindow {
    FreezeWindow { start: at(start), end: at(end), reason: "sale".to_owned() }
}

fn strong() -> Environment {
    let mut environment = production();
    environment.policy.approval.count = 2;
    environment.policy.freeze_windows = vec![window(0, 60), window(100, 160)];
    environment.health_checks = vec![check("http://web/healthz"), check("http://web/ready")];
    environment.reach.allowed_kinds = ["rbac.authorization.k8s.io/Role".to_owned()].into();
    environment
}

#[rstest]
#[case::fewer_approvals(Weakening::Approvals, |e: &mut Environment| e.policy.approval.count = 1)]
#[case::no_approval(Weakening::Approvals, |e: &mut Environment| e.policy.approval = crate::policy::Approval {
    required: false, count: 0, ..e.policy.approval
})]
#[case::a_ticket_for_a_second_longer(Weakening::Expiry, |e: &mut Environment| {
    e.policy.approval.expires_after = Some(Duration::from_secs(30 * 60 + 1));
})]
#[case::a_ticket_for_ever(Weakening::Expiry, |e: &mut Environment| e.policy.approval.expires_after = None)]
#[case::no_confirmation(Weakening::Confirmation, |e: &mut Environment| e.policy.confirm = Confirm::Auto)]
#[case::what_failed_stays(Weakening::OnFailure, |e: &mut Environment| e.policy.on_failure = OnFailure::Hold)]
#[case::no_freeze(Weakening::Freeze, |e: &mut Environment| e.policy.freeze_windows.clear())]
#[case::one_freeze_less(Weakening::Freeze, |e: &mut Environment| { e.policy.freeze_windows.pop(); })]
#[case::a_freeze_that_begins_later(Weakening::Freeze, |e: &mut Environment| e.policy.freeze_windows[0] = window(1, 60))]
#[case::a_freeze_that_ends_earlier(Weakening::Freeze, |e: &mut Environment| e.policy.freeze_windows[1] = window(100, 159))]
#[case::a_freeze_in_two_parts(Weakening::Freeze, |e: &mut Environment| {
    e.policy.freeze_windows = vec![window(0, 30), window(30, 60), window(100, 160)];
})]
#[case::work_by_hand(Weakening::Runtime, |e: &mut Environment| e.runtime = RuntimeKind::Manual)]
#[case::another_account(Weakening::Runtime, |e: &mut Environment| e.reach.place = Digest::of(b"another account"))]
#[case::one_kind_more(Weakening::AllowedKinds, |e: &mut Environment| {
    e.reach.allowed_kinds.insert("/Namespace".to_owned());
})]
#[case::another_kind(Weakening::AllowedKinds, |e: &mut Environment| e.reach.allowed_kinds = ["/Namespace".to_owned()].into())]
#[case::no_health_checks(Weakening::HealthChecks, |e: &mut Environment| e.health_checks.clear())]
#[case::one_health_check_less(Weakening::HealthChecks, |e: &mut Environment| { e.health_checks.pop(); })]
#[case::another_address(Weakening::HealthChecks, |e: &mut Environment| e.health_checks[0] = check("http://web/"))]
#[case::a_check_with_more_time(Weakening::HealthChecks, |e: &mut Environment| e.health_checks[0].timeout = Duration::from_secs(11))]
#[case::a_check_with_another_try(Weakening::HealthChecks, |e: &mut Environment| e.health_checks[0].retries = 2)]
fn every_single_way_of_asking_for_less_is_weaker(#[case] expected: Weakening, #[case] change: Change) {
    let mut weak = strong();
    change(&mut weak);
    assert_eq!(weak.weakenings(&strong()), BTreeSet::from([expected]));
    assert!(weak.weaker_than(&strong()));
}

#[rstest]
#[case::the_same(|_: &mut Environment| {})]
#[case::more_approvals(|e: &mut Environment| e.policy.approval.count = 3)]
#[case::a_shorter_ticket(|e: &mut Environment| e.policy.approval.expires_after = Some(Duration::from_mins(5)))]
#[case::a_longer_freeze(|e: &mut Environment| e.policy.freeze_windows[0] = window(-10, 70))]
#[case::one_freeze_for_both(|e: &mut Environment| e.policy.freeze_windows = vec![window(0, 160)])]
#[case::another_reason(|e: &mut Environment| e.policy.freeze_windows[0].reason = "stocktaking".to_owned())]
#[case::the_order_of_freezes(|e: &mut Environment| e.policy.freeze_windows.reverse())]
#[case::another_freeze(|e: &mut Environment| e.policy.freeze_windows.push(window(200, 260)))]
#[case::fewer_kinds(|e: &mut Environment| e.reach.allowed_kinds.clear())]
#[case::another_check(|e: &mut Environment| e.health_checks.push(check("http://web/more")))]
#[case::the_order_of_checks(|e: &mut Environment| e.health_checks.reverse())]
#[case::a_check_with_less_time(|e: &mut Environment| e.health_checks[0].timeout = Duration::from_secs(1))]
#[case::a_check_with_fewer_tries(|e: &mut Environment| e.health_checks[0].retries = 0)]
#[case::no_hurry(|e: &mut Environment| e.policy.sla = None)]
#[case::another_timeout(|e: &mut Environment| e.timeout = Duration::from_hours(2))]
#[case::more_attempts(|e: &mut Environment| e.retry.max_attempts = 9)]
fn what_asks_for_as_much_is_not_weaker(#[case] change: Change) {
    let mut other = strong();
    change(&mut other);
    assert_eq!(other.weakenings(&strong()), BTreeSet::new());
}

#[test]
fn asking_for_more_and_for_less_at_once_is_weaker() {
    let mut mixed = strong();
    mixed.policy.approval.count = 5;
    mixed.policy.confirm = Confirm::Auto;
    mixed.health_checks.clear();
    assert_eq!(mixed.weakenings(&strong()), BTreeSet::from([Weakening::Confirmation, Weakening::HealthChecks]));
}

#[test]
fn the_rules_of_a_lower_tier_are_weaker_than_those_of_a_higher_one() {
    use crate::policy::Tier;
    let of = |tier| Policy::default_for(tier, RuntimeKind::Kubernetes);
    assert!(of(Tier::Development).weaker_than(&of(Tier::Production)));
    assert!(!of(Tier::Production).weaker_than(&of(Tier::Development)));
}
