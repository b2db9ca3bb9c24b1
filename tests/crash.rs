//! What a crash, a frozen controller and a restored backup do, and do not do. The whole sweep is `make sweep`; here is one
//! fault of each kind, and everything that a sweep cannot try.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use slipway_tests::plane::Plane;
use slipway_tests::sweep::{ALL, Fault, Mode, Point, Site, Thawed, learn, single, take_over};

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
    let report = single(&site, &references, 4, |_, fault| cuts.contains(fault), |_| {}).await;
    assert_eq!((report.runs, report.failures), (cuts.len(), Vec::new()));
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

#[tokio::test]
async fn an_outcome_is_not_written_by_a_controller_whose_successor_has_written_it() {
    assert_eq!(thawed("frozen-outcome", "update deployments.slipway.dev/web-v2/status #3").await.late, 409);
}

#[tokio::test]
async fn a_claim_is_not_taken_by_a_controller_that_thaws_after_its_successor_has_given_it_back() {
    assert_eq!(thawed("frozen-claim", "update environments.slipway.dev/development/status #4").await.late, 409);
}

#[tokio::test]
async fn the_successors_head_is_not_overwritten_on_the_lease() {
    assert_eq!(thawed("frozen-commit", "patch configmaps/web #2").await.late, 409);
}
