//! Claims, outcomes, and what a rollback can reach.

use super::*;

fn release(name: &str, deployment: &str) -> RunningRelease {
    RunningRelease {
        name: name.parse().unwrap(),
        digest: Digest::of(name.as_bytes()),
        deployment: deployment.parse().unwrap(),
        health: Health::Healthy,
        since: Timestamp::UNIX_EPOCH,
        variables: BTreeMap::new(),
    }
}

fn claim(deployment: &str) -> Claim {
    Claim { deployment: deployment.parse().unwrap(), attempt: "a1".into(), epoch: 1 }
}

fn objects(names: &[&str]) -> Vec<ObjectRef> {
    names.iter().map(|name| format!("v1/ConfigMap/{name}").parse().unwrap()).collect()
}

#[test]
fn a_claim_lists_old_and_planned_objects_and_success_only_the_new() {
    let web: ServiceName = "web".parse().unwrap();
    let first = EnvironmentStatus::default().claimed(claim("d1"), &web, &objects(&["a", "b"])).settled(
        &web,
        Outcome::Succeeded(release("v1", "d1")),
        Some(objects(&["a", "b"])),
    );
    let second = first.claimed(claim("d2"), &web, &objects(&["b", "c"]));
    assert_eq!(second.services[0].inventory, objects(&["a", "b", "c"]));
    let done = second.settled(&web, Outcome::Succeeded(release("v2", "d2")), Some(objects(&["b", "c"])));
    assert_eq!(done.services[0].inventory, objects(&["b", "c"]));
    assert_eq!(done.services[0].previous.as_ref().unwrap().name.as_str(), "v1");
    assert_eq!((done.phase, done.operations), (EnvironmentPhase::Active, 4));
}

#[test]
fn one_service_never_touches_another() {
    let (web, api): (ServiceName, ServiceName) = ("web".parse().unwrap(), "api".parse().unwrap());
    let status = EnvironmentStatus::default()
        .claimed(claim("d1"), &web, &objects(&["a"]))
        .settled(&web, Outcome::Succeeded(release("web-v1", "d1")), Some(objects(&["a"])))
        .claimed(claim("d2"), &api, &objects(&["b"]))
        .settled(&api, Outcome::Failed, None);
    assert_eq!(status.services[0].inventory, objects(&["a"]));
    assert_eq!(status.services[0].current.as_ref().unwrap().name.as_str(), "web-v1");
    assert_eq!(status.failed.unwrap().as_str(), "d2");
}

#[test]
fn a_rollback_leaves_nothing_further_back_to_roll_back_to() {
    let web: ServiceName = "web".parse().unwrap();
    let status = EnvironmentStatus::default()
        .claimed(claim("d1"), &web, &[])
        .settled(&web, Outcome::Succeeded(release("v1", "d1")), Some(objects(&["a"])))
        .claimed(claim("d2"), &web, &[])
        .settled(&web, Outcome::Succeeded(release("v2", "d2")), Some(objects(&["a"])))
        .claimed(claim("d2"), &web, &[])
        .settled(&web, Outcome::RolledBack { to: release("v1", "d1") }, Some(objects(&["a"])));
    assert_eq!(status.services[0].current.as_ref().unwrap().name.as_str(), "v1");
    assert_eq!(status.services[0].previous, None);
}

#[test]
fn what_touched_nothing_mends_nothing() {
    let web: ServiceName = "web".parse().unwrap();
    let failed =
        EnvironmentStatus::default().claimed(claim("d1"), &web, &objects(&["a"])).settled(&web, Outcome::Failed, None);
    let after = failed.claimed(claim("d1"), &web, &[]).settled(&web, Outcome::Untouched, None);
    assert_eq!(after.phase, EnvironmentPhase::Failed);
}

#[test]
fn a_failed_operation_names_itself_until_something_mends_it() {
    let web: ServiceName = "web".parse().unwrap();
    let failed = EnvironmentStatus::default().claimed(claim("d1"), &web, &[]).settled(&web, Outcome::Failed, None);
    assert_eq!((failed.phase, failed.failed.clone()), (EnvironmentPhase::Failed, Some("d1".parse().unwrap())));
    let mended =
        failed.claimed(claim("d1"), &web, &[]).settled(&web, Outcome::RolledBack { to: release("v1", "d0") }, None);
    assert_eq!((mended.phase, mended.failed), (EnvironmentPhase::Active, None));
}

#[test]
fn a_rollback_of_one_service_leaves_the_failure_of_another() {
    let (web, api): (ServiceName, ServiceName) = ("web".parse().unwrap(), "api".parse().unwrap());
    let failed = EnvironmentStatus::default()
        .claimed(claim("d1"), &api, &[])
        .settled(&api, Outcome::Succeeded(release("api-v1", "d1")), None)
        .claimed(claim("d3"), &web, &[])
        .settled(&web, Outcome::Failed, None);
    let back = || Outcome::RolledBack { to: release("api-v0", "d0") };
    for outcome in [back(), Outcome::Succeeded(release("api-v1", "d1")), Outcome::Failed, Outcome::Untouched] {
        let after = failed.claimed(claim("d1"), &api, &[]).settled(&api, outcome.clone(), None);
        let told = (after.phase, after.failed.as_ref().map(Uid::as_str));
        assert_eq!(told, (EnvironmentPhase::Failed, Some("d3")), "{outcome:?}");
    }
    let own = failed.claimed(claim("d3"), &web, &[]).settled(&web, back(), None);
    assert_eq!((own.phase, own.failed), (EnvironmentPhase::Active, None));
}

#[test]
fn a_rollback_reaches_the_release_before_and_nothing_else() {
    let web: ServiceName = "web".parse().unwrap();
    let mut environment = crate::fixture::development();
    let target = |environment: &Environment, deployment: &str| {
        environment.rollback_target(&crate::fixture::uid(deployment), &web).map(|release| release.name.to_string())
    };
    assert_eq!(target(&environment, "d1"), None, "nothing ran before web-v1");
    assert_eq!(target(&environment, "d2"), None, "d2 has not touched anything");
    environment.status = environment.status.claimed(claim("d2"), &web, &[]);
    assert_eq!(target(&environment, "d2").as_deref(), Some("web-v1"), "d2 is under way");
    let failed = environment.status.settled(&web, Outcome::Failed, None);
    let worked = environment.status.settled(&web, Outcome::Succeeded(release("web-v2", "d2")), None);
    environment.status = failed;
    assert_eq!(target(&environment, "d2").as_deref(), Some("web-v1"), "d2 is the operation that failed");
    environment.status = worked;
    assert_eq!(target(&environment, "d2").as_deref(), Some("web-v1"), "d2 made the current release");
    assert_eq!(target(&environment, "d1"), None, "an older release is reached by a new Deployment");
    assert_eq!(environment.rollback_target(&crate::fixture::uid("d2"), &"api".parse().unwrap()), None);
}

#[test]
fn writing_an_outcome_twice_keeps_the_release_before_within_reach() {
    let web: ServiceName = "web".parse().unwrap();
    let once = EnvironmentStatus::default()
        .claimed(claim("d1"), &web, &[])
        .settled(&web, Outcome::Succeeded(release("v1", "d1")), None)
        .claimed(claim("d2"), &web, &[])
        .settled(&web, Outcome::Succeeded(release("v2", "d2")), None);
    let twice = once.settled(&web, Outcome::Succeeded(release("v2", "d2")), None);
    assert_eq!(twice.services, once.services);
}
