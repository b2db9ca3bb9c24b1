//! What waits for whom, the most urgent first.

use serde_json::json;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{config, release};
use slipway_tests::stage::{ALICE, BOB, CAROL, Stage};

use super::{ask, production, run, say};

#[tokio::test]
async fn the_inbox_shows_each_person_what_waits_for_them() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &production(&stage)).await;
    for service in ["cart", "web", "api"] {
        stage.apply(ALICE, &release(service, service, &[config(service, &json!({}))])).await;
        ask(&stage, ALICE, service, service, "prod").await;
        stage.waits(service, "ConfirmationRequired").await;
    }
    run(&stage, ALICE, "confirm web --yes --wait").await.well();
    say(&stage, CAROL, "break-glass web", Some("the shop is down")).await.well();
    stage.phase("web", Phase::Succeeded).await;
    run(&stage, ALICE, "confirm cart --yes --wait").await.well();

    let names = async |person: &str, flags: &str| {
        let said = run(&stage, person, &format!("inbox {flags} -o name")).await.well();
        said.lines().map(|line| line.trim_start_matches("deployment.slipway.dev/").to_owned()).collect::<Vec<_>>()
    };
    // A review has an end; a second look matters more than what has not been confirmed.
    assert_eq!(names(BOB, "").await, ["cart", "web", "api"]);
    assert_eq!(names(BOB, "--mine").await, ["cart", "web", "api"]);
    assert_eq!(names(ALICE, "--mine").await, ["api"], "she asked for all of them");
    assert_eq!(names(CAROL, "--mine").await, ["cart", "api"], "she broke the glass");
    let stranger = run(&stage, "dave@example.com", "inbox").await.refused();
    assert!(stranger.contains("(403 Forbidden)") && stranger.contains("next: "), "{stranger}");

    let read = run(&stage, BOB, "inbox -o json").await.json();
    let first = &read["items"][0];
    assert_eq!(
        (&first["waitsFor"], &first["mine"], &first["requester"]),
        (&json!("review"), &json!(true), &json!(ALICE))
    );
    for field in ["dueAt", "expiresAt", "ticket", "ref"] {
        assert!(first[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {first}");
    }
    let table = run(&stage, BOB, "inbox -o wide").await.well();
    assert!(table.starts_with("NAME") && table.contains("TICKET") && table.contains("second look"), "{table}");
    run(&stage, BOB, "reject cart").await.misused();
    say(&stage, BOB, "reject cart --wait", Some("no")).await.well();
    assert_eq!(names(BOB, "--pending").await, ["web", "api"]);
    assert_eq!(names(BOB, "--all").await, ["web", "api", "cart"]);
    run(&stage, BOB, "inbox --all --mine").await.misused();
}
