//! What a crash, a frozen controller and a restored backup do, and do not do. The whole sweep is `make sweep`; here is one
//! fault of each kind, and everything that a sweep cannot try.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use serde_json::Value;
use slipway_domain::event::{Action, ResourceType};
use slipway_tests::plane::Plane;
use slipway_tests::sweep::{
    ALL, Fault, Held, Mode, Point, Restorable, Rules, Scenario, Site, Step, Thawed, learn, single, take_over,
};

/// One effect of each kind: a lease, a transaction, a status, an object of a release, the end of a claim.
const CUTS: [(&str, Mode); 8] = [
    ("acquire lease #1", Mode::After),
    ("commit epoch #1", Mode::After),
    ("update deployments.slipway.dev/web-v1/status #1", Mode::Before),
    ("update deployments.slipway.dev/web-v1/status #1", Mode::Lost),
    ("patch services/web #1", Mode::After),
    ("patch deployments.apps/web #1", Mode::Lost),
    ("commit record deployments/web-v1 release.applied #1", Mode::Before),
    ("update environments.slipway.dev/development/status #3", Mode::After),
];

#[tokio::test]
async fn a_controller_that_is_cut_at_any_kind_of_effect_ends_like_one_that_is_left_alone() {
    let site = Site::open(Plane::shared().unwrap()).await.unwrap();
    let references = learn(&site, &[&ALL[0]], 2).await.unwrap();
    let cuts: Vec<Fault> =
        CUTS.map(|(point, mode)| Fault { point: point.parse::<Point>().unwrap(), mode }).into_iter().collect();
    for cut in &cuts {
        assert!(references[0].points.contains(&cut.point), "{cut}: {:?}", references[0].points);
    }
    let (report, _) = single(&site, &references, 4, |_, fault| cuts.contains(fault), |_| {}).await;
    assert_eq!((report.complete, report.failures), (cuts.len(), Vec::new()));
}

async fn thawed(namespace: &str, point: &str) -> Thawed {
    let plane = Plane::shared().unwrap();
    let site = Site::open(plane).await.unwrap();
    let thawed = take_over(&site, plane.audit_log().as_ref(), namespace, &point.parse().unwrap()).await.unwrap();
    assert!(thawed.failed && thawed.log.contains("the lease was lost"), "{}", thawed.log);
    assert_eq!(thawed.writes, Vec::<String>::new(), "{}", thawed.log);
    assert_eq!(thawed.differences, Vec::<String>::new(), "{}", thawed.log);
    thawed
}

#[tokio::test]
async fn an_object_is_not_overwritten_by_a_controller_that_thaws_in_the_middle_of_its_apply() {
    assert_eq!(thawed("frozen-apply", "patch deployments.apps/web #2").await.late, 409);
}

/// The reads of the workload: preview and apply of the first release, preview and apply of the second.
#[tokio::test]
async fn what_is_read_after_the_thaw_is_not_overwritten_on_the_strength_of_an_answer_from_before() {
    assert_eq!(thawed("frozen-read", "get deployments.apps/web #4").await.late, 200);
}

#[tokio::test]
async fn an_outcome_is_not_written_by_a_controller_whose_successor_has_written_it() {
    assert_eq!(thawed("frozen-outcome", "update deployments.slipway.dev/web-v2/status #2").await.late, 409);
}

#[tokio::test]
async fn a_claim_is_not_taken_by_a_controller_that_thaws_after_its_successor_has_given_it_back() {
    assert_eq!(thawed("frozen-claim", "update environments.slipway.dev/development/status #4").await.late, 409);
}

#[tokio::test]
async fn nothing_begins_in_a_controller_that_thaws_before_its_first_write() {
    assert_eq!(thawed("frozen-commit", "patch configmaps/web #2").await.late, 409);
}

#[tokio::test]
async fn a_connection_that_is_reset_costs_no_attempt() {
    let site = Site::open(Plane::shared().unwrap()).await.unwrap();
    let held = Held::cut(&site, "reset-read", "get deployments.slipway.dev/web-v2 #1", Mode::Unsent).await.unwrap();
    held.tell(&[Step::Phase("web-v2", "Succeeded"), Step::Settled("Active")]).await.unwrap();
    assert_eq!((held.fired(), held.attempt("web-v2").await.unwrap()), (true, 1));
    held.end().await.unwrap();
}

async fn held<'a>(site: &'a Site, namespace: &str, point: &str) -> Held<'a> {
    Held::open(site, namespace, point).await.unwrap()
}

#[tokio::test]
async fn a_rollback_waits_for_the_answer_to_what_the_release_has_sent() {
    let site = Site::open(Plane::shared().unwrap()).await.unwrap();
    let mut held = held(&site, "held-rollback", "patch deployments.apps/web #2").await;
    held.tell(&[Step::Rollback("web-v2")]).await.unwrap();
    assert!(!held.happens(Step::Phase("web-v2", "RolledBack")).await.unwrap());
    held.go().unwrap();
    held.tell(&[Step::Phase("web-v2", "RolledBack"), Step::Workload("web:1"), Step::Settled("Active")]).await.unwrap();
    held.end().await.unwrap();
}

#[tokio::test]
async fn what_is_stopped_before_it_has_written_anything_has_changed_nothing() {
    let site = Site::open(Plane::shared().unwrap()).await.unwrap();
    let mut held = held(&site, "held-read", "get configmaps/web #4").await;
    held.tell(&[Step::Abort("web-v2"), Step::Phase("web-v2", "Failed"), Step::Settled("Active")]).await.unwrap();
    held.go().unwrap();
    held.end().await.unwrap();
}

#[tokio::test]
async fn the_lease_is_kept_until_what_was_sent_is_answered() {
    let site = Site::open(Plane::shared().unwrap()).await.unwrap();
    let mut held = held(&site, "held-lease", "patch deployments.apps/web #2").await;
    assert!(!held.gives_the_lease_back().await.unwrap());
    held.go().unwrap();
    held.released().await.unwrap();
}

/// The audit block of an object, which every write of it moves on, and its phase.
fn standing(object: &Value) -> (Value, Value, Value) {
    let status = &object["status"];
    (status["audit"].clone(), status["phase"].clone(), object["metadata"]["resourceVersion"].clone())
}

/// One after the other on a plane of their own: the definitions are changed for a moment.
#[tokio::test]
async fn what_comes_back_from_a_backup_is_noticed_left_alone_and_settled_by_a_person() {
    let plane = Plane::start().unwrap();
    let site = Site::open(&plane).await.unwrap();
    a_deployment_comes_back(&site).await;
    an_environment_comes_back(&site).await;
    the_archive_comes_back(&site).await;
}

/// A Deployment that is created now is looked at, and nothing is done with it.
async fn nothing_starts(place: &Restorable<'_>, name: &'static str, image: &'static str) {
    place.tell(&[Step::Release(name, image), Step::Deploy(name)]).await.unwrap();
    // The second look comes when the first has found it stalled, and time has passed.
    place.looked_at(name, 2).await.unwrap();
    assert!(place.object("Deployment", name).await.unwrap()["status"].is_null());
}

async fn a_deployment_comes_back(site: &Site) {
    let mut place = Restorable::open(site, "restored-deployment").await.unwrap();
    place.tell(&[Step::Environment(Rules::Confirmed), Step::Ready, Step::Release("web-v1", "web:1")]).await.unwrap();
    place.tell(&[Step::Deploy("web-v1"), Step::Phase("web-v1", "Previewed")]).await.unwrap();
    let older = place.object("Deployment", "web-v1").await.unwrap();
    place.confirm("web-v1").await.unwrap();
    place.tell(&[Step::Phase("web-v1", "Succeeded"), Step::Settled("Active")]).await.unwrap();
    place.stop().await.unwrap();
    place.restore_status("Deployment", &older).await.unwrap();
    let restored = place.object("Deployment", "web-v1").await.unwrap();

    place.start().unwrap();
    let report = place.ready(503).await.unwrap();
    assert!(report.contains("audit_diverged") && report.contains("restored-deployment/web-v1"), "{report}");
    assert_eq!(standing(&place.object("Deployment", "web-v1").await.unwrap()), standing(&restored));
    // Its Environment waits too.
    nothing_starts(&place, "web-v2", "web:2").await;

    place.adopt_object(&restored, ResourceType::Deployment, "succeeded").unwrap();
    place.ready(200).await.unwrap();
    place.tell(&[Step::Phase("web-v1", "Succeeded"), Step::Phase("web-v2", "Previewed")]).await.unwrap();
    place.tell(&[Step::Abort("web-v2"), Step::Settled("Active")]).await.unwrap();
    place.stop().await.unwrap();
    place.is_whole().await.unwrap();
    let history = place.history(&restored).unwrap();
    assert_eq!(history[history.len() - 2..], [Action::ReleaseApplied, Action::ReleaseAdopted]);
}

async fn an_environment_comes_back(site: &Site) {
    let mut place = Restorable::open(site, "restored-environment").await.unwrap();
    place.tell(Scenario::FIRST).await.unwrap();
    let older = place.object("Environment", "development").await.unwrap();
    place.tell(&[Step::Release("web-v2", "web:2"), Step::Deploy("web-v2"), Step::Settled("Active")]).await.unwrap();
    place.stop().await.unwrap();
    place.restore_status("Environment", &older).await.unwrap();
    let restored = place.object("Environment", "development").await.unwrap();

    place.start().unwrap();
    let report = place.ready(503).await.unwrap();
    assert!(report.contains("audit_diverged") && report.contains("restored-environment/development"), "{report}");
    // Nothing is deployed to what may be wrong about what runs there.
    nothing_starts(&place, "web-v3", "web:3").await;
    let report = place.ready(503).await.unwrap();
    assert_eq!(standing(&place.object("Environment", "development").await.unwrap()), standing(&restored), "{report}");

    place.adopt_object(&restored, ResourceType::Environment, "Active").unwrap();
    place.ready(200).await.unwrap();
    place.tell(&[Step::Phase("web-v3", "Succeeded"), Step::Settled("Active")]).await.unwrap();
    let services = place.object("Environment", "development").await.unwrap()["status"]["services"].clone();
    let names = [&services[0]["currentRelease"]["name"], &services[0]["previousRelease"]["name"]];
    assert_eq!(names, ["web-v3", "web-v2"]);
    place.stop().await.unwrap();
    place.is_whole().await.unwrap();
    assert!(place.history(&restored).unwrap().contains(&Action::EnvironmentAdopted));
}

async fn the_archive_comes_back(site: &Site) {
    let mut place = Restorable::open(site, "restored-archive").await.unwrap();
    place.tell(Scenario::FIRST).await.unwrap();
    place.stop().await.unwrap();
    place.back_up().unwrap();
    place.start().unwrap();
    place.tell(&[Step::Release("web-v2", "web:2"), Step::Deploy("web-v2"), Step::Settled("Active")]).await.unwrap();
    place.ready(200).await.unwrap();
    place.head_is_remembered().await.unwrap();
    place.stop().await.unwrap();
    place.restore_archive().unwrap();
    let before = place.object("Deployment", "web-v2").await.unwrap();

    place.start().unwrap();
    let report = place.ready(503).await.unwrap();
    assert!(report.contains("audit_diverged") && report.contains("--lost-head"), "{report}");
    assert_eq!(standing(&place.object("Deployment", "web-v2").await.unwrap()), standing(&before));

    place.adopt_archive().await.unwrap();
    place.ready(200).await.unwrap();
    place
        .tell(&[Step::Release("web-v3", "web:3"), Step::Deploy("web-v3"), Step::Phase("web-v3", "Succeeded")])
        .await
        .unwrap();
    place.stop().await.unwrap();
    let history = place.history(&before).unwrap();
    assert_eq!(history, [Action::ReleaseAdopted]);
}
