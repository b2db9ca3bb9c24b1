//! A controller that goes away leaves everything as the next one can find it.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use serde_json::json;
use slipway_crd::{Deployment, Release};
use slipway_domain::environment::Readiness;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, Stage};

#[tokio::test]
async fn a_controller_that_is_asked_to_stop_gives_the_lease_back_and_the_next_one_writes_nothing() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({})), workload("web", "1")])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let versions = stage.versions().await;

    let ending = stage.stop().await;
    assert_eq!(ending.status.code(), Some(0), "{}", ending.log);
    let leases: Api<Lease> = Api::namespaced(stage.admin.clone(), "slipway-system");
    let holder = leases.get(&stage.namespace).await.unwrap().spec.and_then(|spec| spec.holder_identity);
    assert_eq!(holder.unwrap_or_default(), "");

    // It is had at the first try: nobody holds it, and nothing has to run out.
    let log = stage.start().await.log();
    let tries = log.split("attempting to acquire leadership lease").nth(1).unwrap();
    let before = tries.split("acquired leadership lease").next().filter(|before| before.len() < tries.len()).unwrap();
    assert!(!before.contains("held by another candidate"), "{before}");
    // What is new is done, and so everything old has been looked at.
    stage.apply(ALICE, &release("api-v1", "api", &[config("api", &json!({}))])).await;
    stage.apply(ALICE, &deployment("api-v1", "api", "nowhere", "api-v1")).await;
    stage.waits("api-v1", "EnvironmentNotFound").await;
    let (status, body) = stage.controller().fetch("/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    let now = stage.versions().await;
    assert!(versions.iter().all(|version| now.contains(version)), "{versions:?} became {now:?}");
    stage.verify();
}

#[tokio::test]
async fn what_was_released_is_archived_without_its_secrets_and_written_once() {
    const PLANTED: &str = "hunter2-and-more";
    let mut stage = Stage::open().await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"a": PLANTED}});
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"name": "all"}, "items": [secret]});
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[list, config("page", &json!({"a": "kept"}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let known = |release: &Release| release.status.as_ref().is_some_and(|status| status.digest.is_some());
    stage.until("web-v1", "is known", known).await;
    stage.stop().await;
    let before = archived(&stage);
    let [(name, content)] = &before[..] else { panic!("{before:?}") };
    assert_eq!(name, "web-v1");
    assert!(content.contains("kept") && content.contains("Secret") && !content.contains(PLANTED), "{content}");
    assert!(!String::from_utf8_lossy(&std::fs::read(stage.database()).unwrap()).contains(PLANTED));

    stage.start().await;
    stage.apply(ALICE, &release("web-v2", "web", &[config("page", &json!({"a": "new"}))])).await;
    stage.until("web-v2", "is known", known).await;
    stage.stop().await;
    assert_eq!(archived(&stage).len(), 2);
    stage.verify();
}

/// What the archive has written of Releases, in that order: each time with what it now says.
fn archived(stage: &Stage) -> Vec<(String, String)> {
    let archive = rusqlite::Connection::open(stage.database()).unwrap();
    let mut written = archive
        .prepare(
            "SELECT name, content FROM state_changes JOIN releases ON uid = row_key WHERE table_name = 'releases'
             ORDER BY change",
        )
        .unwrap();
    let rows = written.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_term_that_cannot_have_been_stops_only_the_object_that_claims_it() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    stage.stop().await;
    let forged = async |epoch: u64| stage.forge("web-v1", |status| status["audit"]["epoch"] = epoch.into()).await;
    assert!(forged(u64::MAX >> 1).await.is_err(), "no number that JSON cannot carry");
    forged(slipway_crd::NUMBER_MAX).await.unwrap();

    stage.start().await;
    stage.controller().says("cannot have been").await;
    stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v1")).await;
    stage.phase("web-v2", Phase::Succeeded).await;
    stage.verify();
}

#[tokio::test]
async fn a_database_that_is_taken_away_ends_the_controller() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.environment("dev", "is ready", |status| status.readiness == Readiness::Ready).await;
    let elsewhere = stage.database().with_extension("elsewhere");
    std::fs::rename(stage.database(), &elsewhere).unwrap();
    stage.controller().says("was removed or replaced").await;
    assert_eq!(stage.stop().await.status.code(), Some(1));
    std::fs::rename(&elsewhere, stage.database()).unwrap();
    stage.start().await;
    stage.verify();
}

#[tokio::test]
async fn what_was_being_applied_is_taken_up_again() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let slow = workload("web", "1");
    let slow = slipway_tests::stage::objects::With::with(
        slow,
        "spec.template.metadata.annotations",
        json!({"slipway.dev/ready-after": "6s"}),
    );
    stage.apply(ALICE, &release("web-v1", "web", &[slow])).await;
    let uid = stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await.metadata.uid.unwrap();
    stage.until("web", "is there", |_: &k8s_openapi::api::apps::v1::Deployment| true).await;
    let attempt = stage.phase("web-v1", Phase::Applying).await.status.unwrap().attempt.unwrap();
    assert_eq!(stage.stop().await.status.code(), Some(0));
    assert_eq!(stage.get::<Deployment>("web-v1").await.status.unwrap().phase, Phase::Applying);
    stage.start().await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    assert_eq!(done.status.unwrap().attempt.unwrap().id, attempt.id);
    stage.recorded(&uid, "release.applied").await;
    assert_eq!(stage.actions(&uid).iter().filter(|action| *action == "release.applying").count(), 1);
    stage.verify();
}

#[tokio::test]
async fn what_was_decided_while_nobody_looked_is_done_afterwards() {
    let mut stage = Stage::dark().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v1")).await;
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "wrong version"}}});
    stage.say::<Deployment>(ALICE, "web-v2", abort).await;
    stage.start().await;
    stage.phase("web-v1", Phase::Succeeded).await;
    let aborted = stage.phase("web-v2", Phase::Aborted).await;
    let uid = aborted.metadata.uid.unwrap();
    stage.recorded(&uid, "release.aborted").await;
    assert_eq!(stage.actions(&uid), ["release.created", "release.aborted"]);
}
