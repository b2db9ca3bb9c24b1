//! `slipway audit adopt`: what the controller prints is pasted, and the controller goes on from it.

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use kube::api::Api;
use kube::runtime::wait::await_condition;
use slipway_crd::{Deployment, Environment};
use slipway_domain::event::{Action, Detail};
use slipway_domain::name::Uid;
use slipway_domain::phase::Phase;
use slipway_store::{Archive, Options, Record, Row};
use slipway_tests::plane::Plane;
use slipway_tests::stage::objects::{config, deployment, environment, release};
use slipway_tests::stage::{ALICE, Controller, PATIENCE, Stage};

use serde_json::json;

use super::archive::{Place, on};
use super::binary::{paste, say};

const WHO: &str = "--actor bob --note agreed";

#[tokio::test]
async fn an_object_that_the_archive_knows_is_adopted_from_what_it_knows() {
    let place = Place::new().await;
    let said = say(&format!("{} --resource dep-1 --object-seq 3 {WHO}", on("adopt", &place.path))).await.done();
    for words in ["release.adopted as event 6 of deployment shop/dep-1 (dep-1)", "bob: agreed", "the archive knew more"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let log = say(&on("log", &place.path)).await.done();
    assert!(log.lines().last().unwrap().ends_with("bob                release.adopted    succeeded  agreed"), "{log}");
    say(&on("verify", &place.path)).await.done();
}

#[tokio::test]
async fn an_object_that_the_archive_does_not_know_is_adopted_by_what_a_person_says() {
    let place = Place::empty().await;
    let adopt = format!("{} --resource dep-9 --object-seq 7 {WHO}", on("adopt", &place.path));
    let said = say(&adopt).await.usage();
    assert!(said.contains("no cluster is configured") && said.contains("--kind"), "{said}");
    for kind in ["deployment", "environment"] {
        let facts =
            format!("--kind {kind} --name shop/web --environment dev --project shop --team web --status started");
        let adopt = adopt.replace("dep-9", &format!("{kind}-9"));
        let said = say(&format!("{adopt} {facts}")).await.done();
        assert!(said.contains(&format!("as event 8 of {kind} shop/web ({kind}-9)")), "{said}");
        assert!(said.contains("the object knew more (event 7, the archive 0)"), "{said}");
    }
    say(&on("verify", &place.path)).await.done();
}

#[tokio::test]
async fn nobody_adopts_in_the_name_of_the_controller() {
    let place = Place::with(&[1, 2]).await;
    let adopt =
        format!("{} --resource dep-1 --object-seq 2 --note agreed --actor controller", on("adopt", &place.path));
    let said = say(&adopt).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("must not be 'controller', which is Slipway itself"), "{}", said.stderr);
    assert!(say(&on("verify", &place.path)).await.done().contains("\nevents  2\n"));
}

#[tokio::test]
async fn a_number_that_no_event_can_have_is_refused_as_an_argument() {
    let place = Place::with(&[1]).await;
    for number in [u64::MAX, i64::MAX.cast_unsigned()] {
        let said = say(&format!("{} --resource dep-1 --object-seq {number} {WHO}", on("adopt", &place.path))).await;
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains("--object-seq <N>") && said.stderr.contains("is not in"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn an_object_that_is_ahead_needs_its_status_said() {
    let place = Place::with(&[1, 2]).await;
    let adopt = format!("{} --resource dep-1 --object-seq 4 {WHO}", on("adopt", &place.path));
    let said = say(&adopt).await.usage();
    assert!(said.contains("ahead of the archive") && said.contains("--status"), "{said}");
    let said = say(&format!("{adopt} --status started")).await.done();
    assert!(said.contains("as event 5") && said.contains("its status stands"), "{said}");
    assert!(say(&on("log", &place.path)).await.done().contains("release.adopted    started"));
}

#[tokio::test]
async fn a_lost_head_is_adopted_once_and_a_head_that_is_there_never() {
    let place = Place::with(&[1, 2]).await;
    let old = place.copy("old.db");
    place.append(Options::default(), &[3]).await;
    let head = say(&on("head", &place.path)).await.done();
    let adopt = format!("{} --lost-head {head} {WHO}", on("adopt", &old));
    assert!(say(&adopt).await.done().contains("archive.adopted as event 1 of archive archive"));
    assert!(say(&adopt).await.no().contains("already says"));
    let said = say(&format!("{} --lost-head {head} {WHO}", on("adopt", &place.path))).await.no();
    assert!(said.contains("is part of this archive's history"), "{said}");
    let installation = say(&on("log", &old)).await.done();
    assert!(installation.contains("archive archive"), "{installation}");
    say(&on("verify", &old)).await.done();
    // What the head covered is still gone.
    say(&format!("{} --head {head}", on("verify", &old))).await.no();
}

/// A stage with one Deployment that succeeded.
async fn delivered() -> Stage {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none() && status.operations == 2).await;
    stage
}

fn uid<K: kube::Resource>(object: &K) -> Uid {
    object.meta().uid.as_deref().unwrap().parse().unwrap()
}

/// The commands in what a controller says.
fn commands(report: &str) -> Vec<&str> {
    report.lines().filter_map(|line| line.find("slipway audit adopt").map(|at| &line[at..])).collect()
}

#[tokio::test]
async fn a_deployment_that_is_an_older_copy_takes_over_what_is_archived() {
    let mut stage = delivered().await;
    let before = stage.get::<Deployment>("web-v1").await;
    let uid = uid(&before);
    stage.stop().await;
    // What an etcd from a backup looks like from here: the archive is ahead.
    let archive = Archive::open(&stage.database(), Options::default()).unwrap();
    let row = archive.deployment(&uid).await.unwrap().unwrap();
    let mut event = archive.last_event(&uid).await.unwrap().unwrap();
    event.seq += 1;
    event.event_id = format!("{uid}/{}", event.seq);
    event.action = Action::ReleaseReviewVoid;
    event.detail = Detail::new();
    let row = slipway_store::DeploymentRow { seq: event.seq, ..row };
    let seq = event.seq;
    let record = Record { events: vec![event], row: Some(Row::Deployment(row)), ..Record::default() };
    archive.record(record).await.unwrap();
    archive.close().await.unwrap();

    let controller = stage.start().await;
    let report = controller.readyz(503, "audit_diverged").await;
    assert_eq!(commands(&report).len(), 1, "{report}");
    let said = paste(commands(&report)[0], None).await.done();
    assert!(said.contains("the archive knew more") && said.contains("bob: why"), "{said}");
    stage.controller().readyz(200, "ok").await;
    let after = stage.get::<Deployment>("web-v1").await.status.unwrap();
    assert_eq!((after.phase, after.audit.seq), (Phase::Succeeded, seq + 1));
    assert_eq!(after.audit.journal.last().unwrap().action, Action::ReleaseAdopted);
    stage.verify();
}

#[tokio::test]
async fn an_environment_that_lacks_operations_takes_over_what_is_archived() {
    let mut stage = delivered().await;
    let uid = uid(&stage.get::<Environment>("dev").await);
    stage.stop().await;
    let archive = Archive::open(&stage.database(), Options::default()).unwrap();
    let row = archive.environment(&uid).await.unwrap().unwrap();
    let status = row.status.replace("\"operations\":2", "\"operations\":4");
    assert_ne!(status, row.status);
    let row = slipway_store::EnvironmentRow { operations: 4, status, ..row };
    archive.record(Record { row: Some(Row::Environment(row)), ..Record::default() }).await.unwrap();
    archive.close().await.unwrap();

    let controller = stage.start().await;
    let report = controller.readyz(503, "audit_diverged").await;
    paste(commands(&report)[0], None).await.done();
    stage.controller().readyz(200, "ok").await;
    let after = stage.get::<Environment>("dev").await.status.unwrap();
    assert_eq!(after.operations, 4);
    assert_eq!(after.audit.journal.last().unwrap().action, Action::EnvironmentAdopted);
    stage.verify();
}

#[tokio::test]
async fn an_adoption_that_nobody_needed_is_settled_like_any_other_divergence() {
    let stage = delivered().await;
    let environment = stage.get::<Environment>("dev").await;
    let (uid, seq) = (uid(&environment), environment.status.unwrap().audit.seq);
    let line = format!("{} --resource {uid} --object-seq {seq} {WHO}", on("adopt", &stage.database()));
    assert!(say(&line).await.done().contains("both were at event"));
    // The controller goes on from what it knew, and its next event is not the one that is archived.
    stage.say::<Environment>(ALICE, "dev", json!({"spec": {"timeout": "20m"}})).await;
    let report = stage.controller().readyz(503, "is not the same in both").await;
    paste(commands(&report)[0], None).await.done();
    stage.controller().readyz(200, "ok").await;
    stage.verify();
}

#[tokio::test]
async fn a_database_that_lost_everything_goes_on_from_the_objects_once_each_is_adopted() {
    let mut stage = delivered().await;
    stage.stop().await;
    let kubeconfig = Plane::shared().unwrap().kubeconfig();
    std::fs::remove_file(stage.database()).unwrap();
    // The Lease that remembers the head is gone as well, so that each object has to be settled by itself.
    stage.kubectl_says(&["delete", "lease", &stage.namespace, "--namespace", "slipway-system"]);
    let controller = stage.start().await;
    // The Environment still carries its whole history, and the archive has it again; the Deployment was told that its
    // was archived, and it is not.
    let report = controller.readyz(503, "deployment").await;
    assert_eq!(commands(&report).len(), 1, "{report}");
    let said = paste(commands(&report)[0], Some(kubeconfig)).await.done();
    assert!(said.contains("the object knew more") && said.contains("as event 6"), "{said}");
    stage.controller().readyz(200, "ok").await;
    stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v1")).await;
    stage.phase("web-v2", Phase::Succeeded).await;
    stage.verify();
}

#[tokio::test]
async fn what_was_looked_at_must_be_what_is_there() {
    let mut stage = delivered().await;
    let object = stage.get::<Deployment>("web-v1").await;
    stage.stop().await;
    let kubeconfig = Plane::shared().unwrap().kubeconfig().display().to_string();
    let adopt = |uid: &Uid, seq: u64| {
        format!(
            "{} --resource {uid} --object-seq {seq} {WHO} --kubeconfig {kubeconfig}",
            on("adopt", &stage.database())
        )
    };
    let said = say(&adopt(&uid(&object), 3)).await.usage();
    assert!(said.contains("is at event 5, not at 3"), "{said}");
    let said = say(&adopt(&"another".parse().unwrap(), 3)).await.usage();
    assert!(said.contains("no Deployment and no Environment with uid another"), "{said}");
    stage.verify();
}

#[tokio::test]
async fn a_database_from_before_is_accepted_as_it_is_and_the_controller_goes_on() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.environment("dev", "has a history", |status| status.audit.seq > 0).await;
    stage.stop().await;
    let old = std::fs::read(stage.database()).unwrap();
    stage.start().await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    stage.recorded(&uid(&done).to_string(), "release.applied").await;
    let head = say(&on("head", &stage.database())).await.done();
    remembered(&stage, head.trim()).await;
    stage.stop().await;
    std::fs::write(stage.database(), old).unwrap();

    let controller = Controller::start(stage.kubeconfig(), &stage.namespace, &stage.database());
    let report = controller.readyz(503, "the cluster remembers").await;
    assert_eq!(commands(&report).len(), 1, "{report}");
    let said = paste(commands(&report)[0], None).await.done();
    assert!(said.contains("archive.adopted"), "{said}");
    controller.says("leading").await;
    controller.readyz(200, "ok").await;
    stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v1")).await;
    stage.phase("web-v2", Phase::Succeeded).await;
    assert!(controller.stop().await.status.success());
    let log = say(&on("log", &stage.database())).await.done();
    for words in ["archive.adopted", "release.adopted"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    stage.verify();
}

/// Waits until the Lease has the head of the archive.
async fn remembered(stage: &Stage, head: &str) {
    let leases: Api<Lease> = Api::namespaced(stage.admin.clone(), "slipway-system");
    let says = |lease: Option<&Lease>| {
        lease.is_some_and(|lease| lease.annotations().get("slipway.dev/audit-head").is_some_and(|said| said == head))
    };
    let met = await_condition(leases, &stage.namespace, says);
    let told = tokio::time::timeout(PATIENCE, met).await;
    assert!(matches!(told, Ok(Ok(_))), "the lease does not say {head}");
}
