//! What watches tell, and what is made of it.

use serde_json::json;

use super::*;

const STORED: &str = "2026-01-02T03:04:05Z";

fn stored() -> Timestamp {
    STORED.parse().unwrap()
}

fn object(model: &Model, uid: &str, generation: i64) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": model.kind,
        "metadata": {"name": model.name, "uid": uid, "generation": generation, "creationTimestamp": STORED},
        "spec": model.spec(),
    }))
    .unwrap()
}

fn kind_of(model: &Model) -> &'static str {
    KINDS.into_iter().find(|kind| *kind == model.kind).unwrap()
}

/// Everything as it was generated, stored some time ago.
fn installed() -> State {
    let mut state = State::new("slipway-system");
    for kind in KINDS {
        state.note(kind, watcher::Event::Init);
        for model in models().iter().filter(|model| model.kind == kind) {
            state.note(kind, watcher::Event::InitApply(object(model, &model.name, 1)));
        }
        state.note(kind, watcher::Event::InitDone);
    }
    state
}

fn fingerprint(guard: &Guard) -> Digest {
    guard.fingerprint().unwrap().clone()
}

fn wrong(guard: &Guard) -> Vec<String> {
    match guard {
        Guard::InForce { .. } => Vec::new(),
        Guard::Broken { breaches, .. } => breaches.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_has_stood_for_a_while_is_in_force_at_once() {
    let guard = installed().guard(clock::now());
    let since = stored() + TAKES_EFFECT;
    assert!(matches!(&guard, Guard::InForce { since: known, .. } if *known == since), "{guard:?}");
    assert_eq!(guard, installed().guard(clock::now()), "a restart sees the same");
}

#[test]
fn nothing_is_known_before_everything_is_listed() {
    let mut state = State::new("slipway-system");
    state.note(KINDS[0], watcher::Event::Init);
    state.note(KINDS[0], watcher::Event::InitDone);
    assert!(!state.listed() && state.guard(clock::now()).fingerprint().is_none());
}

#[test]
fn each_one_that_goes_is_missed_by_name() {
    for model in models() {
        let mut state = installed();
        state.note(kind_of(&model), watcher::Event::Delete(object(&model, &model.name, 1)));
        assert_eq!(wrong(&state.guard(clock::now())), [format!("{} {} is missing", model.kind, model.name)]);
        state.note(kind_of(&model), watcher::Event::Init);
        state.note(kind_of(&model), watcher::Event::InitDone);
        let breaches = state.breaches();
        assert!(
            breaches.iter().all(|breach| breach.problem == Problem::Missing && breach.what.starts_with(&model.kind))
        );
    }
}

#[test]
fn each_one_that_is_altered_or_going_is_named() {
    for model in models() {
        let mut state = installed();
        let mut altered = object(&model, &model.name, 2);
        altered.data["spec"]["added"] = json!(true);
        state.note(kind_of(&model), watcher::Event::Apply(altered));
        let said = format!("{} {} is not as Slipway generates it, at spec.added: delete it", model.kind, model.name);
        assert_eq!(wrong(&state.guard(clock::now())), [said]);
        let mut state = installed();
        let mut going = object(&model, &model.name, 1);
        going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
        state.note(kind_of(&model), watcher::Event::Apply(going));
        assert_eq!(wrong(&state.guard(clock::now())), [format!("{} {} is being deleted", model.kind, model.name)]);
    }
}

#[test]
fn what_was_put_back_is_another_guard_and_takes_a_moment() {
    for (uid, generation) in [("recreated", 1), ("", 3)] {
        for model in models() {
            let mut state = installed();
            let before = fingerprint(&state.guard(clock::now()));
            let uid = if uid.is_empty() { &model.name } else { uid };
            state.note(kind_of(&model), watcher::Event::Apply(object(&model, uid, generation)));
            let at_once = state.guard(clock::now());
            assert!(
                matches!(&at_once, Guard::Broken { breaches, until: Some(_) } if breaches.is_empty()),
                "{at_once:?}"
            );
            let later = state.guard(clock::now() + TAKES_EFFECT);
            assert_ne!(fingerprint(&later), before);
        }
    }
}

#[test]
fn what_the_servers_own_controllers_note_changes_nothing() {
    let mut state = installed();
    let before = state.guard(clock::now());
    let model = &models()[0];
    let mut noted = object(model, &model.name, 1);
    noted.metadata.managed_fields = serde_json::from_value(json!([
        {"manager": "kube-controller-manager", "subresource": "status", "time": "2030-01-01T00:00:00Z"},
    ]))
    .unwrap();
    noted.data["status"] = json!({"observedGeneration": 1});
    state.note(kind_of(model), watcher::Event::Apply(noted));
    assert_eq!(state.guard(clock::now()), before);
}

#[test]
fn what_is_not_generated_does_not_matter() {
    let mut state = installed();
    let before = state.guard(clock::now());
    let mut other = object(&models()[0], "other", 1);
    other.metadata.name = Some("of-somebody-else".to_owned());
    state.note(kind_of(&models()[0]), watcher::Event::Apply(other));
    assert_eq!(state.guard(clock::now()), before);
}

#[test]
fn what_the_server_does_not_show_is_not_in_force() {
    let mut state = installed();
    state.kind(KINDS[2]).listing = Listing::Refused("forbidden".to_owned());
    assert_eq!(wrong(&state.guard(clock::now())), [format!("{} cannot be read: forbidden", KINDS[2])]);
}
