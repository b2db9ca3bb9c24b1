//! What a person sees before they decide, and that nobody decides about anything else.

use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, environment, release};
use slipway_tests::stage::{ALICE, BOB, Stage};

use super::{ask, production, run};

const FIRST: &str = "hunter-first-22";
const SECOND: &str = "hunter-second-23";

fn secret(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"password": value}})
}

#[tokio::test]
async fn a_difference_shows_what_changes_and_never_a_secret() {
    let stage = Stage::open().await;
    stage.put(stage.may("reads", "edit", ALICE)).await;
    let place = environment("dev", &stage.namespace);
    stage.apply(ALICE, &place).await;
    let one = [config("web", &json!({"level": "one", "gone": "soon"})), config("old", &json!({})), secret(FIRST)];
    stage.apply(ALICE, &release("web-v1", "web", &one)).await;
    ask(&stage, ALICE, "web-v1", "web", "dev").await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;

    let changed = stage.apply(ALICE, &place.with("spec.policy.confirm", "Manual")).await.metadata.generation;
    stage.environment("dev", "has seen the change", |status| status.observed_generation == changed).await;
    let two = [config("web", &json!({"level": "two"})), secret(SECOND)];
    stage.apply(ALICE, &release("web-v2", "web", &two)).await;
    ask(&stage, ALICE, "web-v2", "web", "dev").await;
    stage.waits("web-v2", "ConfirmationRequired").await;
    let shown = run(&stage, ALICE, "preview web-v2").await;
    assert!(shown.stderr.is_empty(), "{shown:?}");
    for words in [
        "-  gone: soon\n-  level: one\n+  level: two\n",
        "-  password: (sealed ",
        "+  password: (sealed ",
        "--- v1/ConfigMap/old (live)\n+++ nothing\n",
    ] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    let read = run(&stage, ALICE, "preview web-v2 -o json").await;
    let yaml = run(&stage, ALICE, "preview web-v2 -o yaml").await;
    for said in [&shown, &read, &yaml] {
        // As it is, and as base64 has it.
        for secret in ["hunter", "aHVudGVy", "hmac-sha256"] {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{secret}: {said:?}");
        }
    }
    let yaml: Value = serde_yaml::from_str(&yaml.well()).unwrap();
    let read = read.json();
    assert_eq!(yaml["preview"], read["preview"]);
    let reference = stage.get::<Deployment>("web-v2").await.status.unwrap().preview.unwrap().reference;
    assert_eq!(read["preview"]["ref"], reference);

    // Who may not read the objects is told so, and sees what the controller found.
    let blind = run(&stage, BOB, "preview web-v2").await;
    assert_eq!(blind.code, Some(0), "{blind:?}");
    assert!(blind.stderr.contains("cannot be read as bob@example.com"), "{}", blind.stderr);
    assert_eq!(blind.stderr.lines().count(), 1, "{}", blind.stderr);
    assert!(blind.stdout.contains("- v1/ConfigMap/old") && !blind.stdout.contains("@@"), "{}", blind.stdout);
}

#[tokio::test]
async fn what_changed_after_it_was_shown_is_not_confirmed() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &production(&stage)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    ask(&stage, ALICE, "web-v1", "web", "prod").await;
    let waiting = stage.waits("web-v1", "ConfirmationRequired").await;
    let shown = waiting.status.unwrap().preview.unwrap().reference;
    stage.apply(ALICE, &production(&stage).with("spec.policy.sla", "1h")).await;
    let again = stage
        .until("web-v1", "is previewed again", |deployment: &Deployment| {
            let preview = deployment.status.as_ref().and_then(|status| status.preview.as_ref());
            preview.is_some_and(|preview| preview.reference != shown)
        })
        .await;
    let stands = again.status.unwrap().preview.unwrap().reference;
    let refused = run(&stage, ALICE, &format!("confirm web-v1 --yes --ref {shown}")).await.refused();
    assert!(refused.contains("preview_mismatch") && refused.contains(&stands), "{refused}");
    assert!(stage.get::<Deployment>("web-v1").await.spec.confirmations.is_empty());
    run(&stage, ALICE, &format!("confirm web-v1 --yes --ref {stands} --wait")).await.well();
    // Of a refusal the server's own sentence is shown, and what to do.
    let missing = run(&stage, ALICE, "approve no-such --yes").await.refused();
    assert!(missing.contains("(404 NotFound)") && missing.contains("next: "), "{missing}");
}
