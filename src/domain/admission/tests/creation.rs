//! What a request must say, and who may make it.

use rstest::rstest;

use super::{caller, confirm};
use crate::admission::{Caller, SERVICE_ACCOUNT_PREFIX, Verb, admit};
use crate::code::Code;
use crate::deployment::{Deployment, Operation};
use crate::environment::{Environment, RuntimeKind};
use crate::fixture::{act, actor, by_hand, deployment, development, environment, production};
use crate::policy::Tier;

/// What creating it answers, by alice.
fn created(change: fn(&mut Deployment), environment: &Environment) -> Result<(), Code> {
    let mut new = deployment();
    change(&mut new);
    admit(None, &new, &caller("alice"), Some(environment)).map_err(|refusal| refusal.code())
}

#[test]
fn a_request_that_says_everything_is_accepted_everywhere() {
    for tier in Tier::ALL {
        for runtime in [RuntimeKind::Kubernetes, RuntimeKind::Ssh, RuntimeKind::Manual] {
            assert_eq!(created(|_| {}, &environment(*tier, runtime)), Ok(()));
        }
    }
    let unknown = admit(None, &deployment(), &caller("alice"), None);
    assert_eq!(unknown, Ok(()), "an Environment that does not exist yet is waited for");
}

#[rstest]
#[case::work_reference(|new: &mut Deployment| new.request.work_references.clear())]
#[case::rollback_plan(|new: &mut Deployment| new.request.rollback_plan = "  ".to_owned())]
#[case::a_plan_that_shows_nothing(|new: &mut Deployment| new.request.rollback_plan = "\u{200B}\u{A0}".to_owned())]
#[case::no_intents_yet(|new: &mut Deployment| new.intents.abort = Some(act("alice")))]
#[case::not_even_a_confirmation(|new: &mut Deployment| confirm(new, "alice"))]
fn every_request_says_why_and_how_to_get_out_and_nothing_else(#[case] change: fn(&mut Deployment)) {
    assert_eq!(created(change, &development()), Err(Code::ValidationFailed));
}

#[rstest]
#[case::absent(None)]
#[case::blank(Some(" ".to_owned()))]
#[case::nothing_that_shows(Some("\u{FEFF}\u{2003}".to_owned()))]
fn production_alone_asks_for_the_risk(#[case] risk: Option<String>) {
    let mut new = deployment();
    new.request.risk = risk;
    let by_alice = |environment: &Environment| admit(None, &new, &caller("alice"), Some(environment));
    assert_eq!(by_alice(&development()), Ok(()));
    let refusal = by_alice(&production()).unwrap_err();
    assert_eq!(refusal.to_string(), "spec.risk: is required for production: say what could go wrong");
}

#[test]
fn a_bare_version_is_for_the_manual_runtime() {
    let by_version: fn(&mut Deployment) =
        |new| new.request.operation = Operation::DeployVersion { version: "2.1".to_owned() };
    assert_eq!(created(by_version, &by_hand()), Ok(()));
    assert_eq!(created(by_version, &development()), Err(Code::ValidationFailed));
}

#[test]
fn whoever_creates_it_is_its_submitter_and_needs_the_verb() {
    let new = deployment();
    let mallory = admit(None, &new, &caller("mallory"), Some(&development())).unwrap_err();
    assert!(mallory.to_string().starts_with("spec.submittedBy must be the caller"), "{mallory}");
    let without = Caller { actor: actor("alice"), verbs: vec![Verb::Approve] };
    assert_eq!(admit(None, &new, &without, None).unwrap_err().code(), Code::Forbidden);
}

#[test]
fn naming_another_requester_takes_a_verb_for_that_person() {
    let mut new = deployment();
    new.request.submitted_by = actor("ci");
    assert_eq!(admit(None, &new, &caller("ci"), Some(&production())), Ok(()));
    let without = Caller { actor: actor("ci"), verbs: vec![Verb::Deploy] };
    assert_eq!(admit(None, &new, &without, Some(&production())).unwrap_err().code(), Code::Forbidden);
}

#[test]
fn where_approval_is_required_a_service_account_names_a_person() {
    let robot = format!("{SERVICE_ACCOUNT_PREFIX}flux-system:flux");
    let mut new = deployment();
    (new.request.requester, new.request.submitted_by) = (actor(&robot), actor(&robot));
    let flux = Caller { actor: actor(&robot), verbs: vec![Verb::Deploy] };
    let refusal = admit(None, &new, &flux, Some(&production())).unwrap_err();
    assert_eq!(refusal.code(), Code::RequesterRequired);
    assert_eq!(admit(None, &new, &flux, Some(&development())), Ok(()));
}

#[test]
fn a_return_to_an_older_release_takes_the_verb_for_rollbacks() {
    let created = |verb: Verb, back: bool| {
        let mut new = deployment();
        if back {
            new.request.operation = Operation::Rollback { to: "web-v0".parse().unwrap() };
        }
        let caller = Caller { actor: actor("alice"), verbs: vec![verb] };
        admit(None, &new, &caller, Some(&production())).map_err(|refusal| refusal.code())
    };
    assert_eq!((created(Verb::Rollback, true), created(Verb::Deploy, false)), (Ok(()), Ok(())));
    for (verb, back) in [(Verb::Deploy, true), (Verb::Rollback, false)] {
        assert_eq!(created(verb, back), Err(Code::Forbidden), "{verb:?} {back}");
    }
}
