//! Production, all its way: asked for, looked at, confirmed, approved by another, followed, and taken back.

use serde_json::json;
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{config, release, workload};
use slipway_tests::stage::{ALICE, BOB, CAROL, Stage};

use super::{ask, command, ended, production, run, say};

#[tokio::test]
async fn a_change_to_production_goes_all_its_way_through_the_plugin() {
    let stage = Stage::open().await;
    stage.put(stage.may("reads", "edit", ALICE)).await;
    stage.apply(ALICE, &production(&stage)).await;
    for name in ["web-v1", "web-v2"] {
        let objects = [config("web", &json!({"version": name})), workload("web", &name[4..])];
        stage.apply(ALICE, &release(name, "web", &objects)).await;
    }
    first(&stage).await;
    stage.environment("prod", "is free", |status| status.claim.is_none()).await;
    standing(&stage).await;

    ask(&stage, ALICE, "web-v2", "web", "prod").await;
    stage.waits("web-v2", "ConfirmationRequired").await;
    let shown = run(&stage, ALICE, "preview web-v2").await.well();
    assert!(shown.contains("-  version: web-v1\n+  version: web-v2\n"), "{shown}");
    run(&stage, ALICE, "confirm web-v2 --yes --wait").await.well();
    run(&stage, BOB, "approve web-v2 --yes").await.well();
    run(&stage, BOB, "watch web-v2").await.well();
    stage.environment("prod", "is free", |status| status.claim.is_none()).await;
    taken_back(&stage).await;
    stage.verify();
}

async fn first(stage: &Stage) {
    ask(stage, ALICE, "web-v1", "web", "prod").await;
    let mut watch = command(stage);
    watch.args(["--as", BOB, "watch", "web-v1"]);
    let watching = tokio::spawn(ended(watch));
    // Whoever follows is told when nothing goes on by itself.
    let still = watching.await.unwrap();
    assert!(still.stdout.contains("release.previewed"), "{still:?}");
    let still = still.refused();
    assert!(still.contains("kubectl slipway confirm -n ") && still.contains("somebody acts"), "{still}");
    let waiting = stage.waits("web-v1", "ConfirmationRequired").await;
    let reference = waiting.status.unwrap().preview.unwrap().reference;

    let shown = run(stage, ALICE, "preview web-v1").await.well();
    for words in
        [reference.as_str(), "+ v1/ConfigMap/web", "+++ apps/v1/Deployment/web (release)", "+  version: web-v1"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let unasked = run(stage, ALICE, "confirm web-v1").await.misused();
    assert!(unasked.contains("--yes"), "{unasked}");
    assert!(stage.get::<Deployment>("web-v1").await.spec.confirmations.is_empty());

    let confirmed = say(stage, ALICE, "confirm web-v1 --yes --wait", Some("as agreed")).await.well();
    assert!(confirmed.contains("deployment.slipway.dev/web-v1 is PendingApproval"), "{confirmed}");
    let still = run(stage, BOB, "watch web-v1").await.refused();
    assert!(still.contains("kubectl slipway approve -n "), "{still}");
    // Nobody approves what they asked for: the API server or the controller refuses it, and either is said.
    let own = run(stage, ALICE, "approve web-v1 --yes --wait").await.refused();
    assert!(own.contains("[self_approval]"), "{own}");
    let line = format!("approve web-v1 --yes --wait --ref {reference}");
    let approved = say(stage, BOB, &line, Some("read it")).await.well();
    assert!(approved.contains("requester    alice@example.com") && approved.contains(&reference), "{approved}");

    let followed = run(stage, BOB, "watch web-v1").await.well();
    let order =
        ["release.previewed", "release.confirmed by alice", "release.approved by bob", "release.applied", "Succeeded"];
    let places: Vec<_> = order.iter().map(|words| followed.rfind(words)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} {followed}");
}

/// Status and history of what has succeeded.
async fn standing(stage: &Stage) {
    let status = run(stage, ALICE, "status slipd/web-v1").await.well();
    for words in [
        "runs release web-v1 (healthy), brought by this Deployment",
        "apps/v1/Deployment/web  Current",
        "v1/ConfigMap/web  Current",
        "Pod/web-",
        "environment prod  production, Active, ready",
        "Healthy True",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
    let read = run(stage, ALICE, "status web-v1 -o json").await.json();
    assert_eq!(read["deployment"]["status"]["phase"], "Succeeded");
    assert_eq!(read["objects"].as_array().unwrap().iter().filter(|one| one["health"] == "Current").count(), 2);
    // Who may not read the objects sees everything else.
    let blind = run(stage, BOB, "status web-v1").await.well();
    assert!(blind.contains("apps/v1/Deployment/web  Unknown: ") && blind.contains("Succeeded"), "{blind}");

    let history = run(stage, BOB, "history web-v1").await.well();
    assert!(history.contains("bob@example.com    release.approved") && history.contains("read it"), "{history}");
    let uid = stage.get::<Deployment>("web-v1").await.metadata.uid.unwrap();
    stage.recorded(&uid, "release.applied").await;
    let database = stage.database();
    let archived = run(stage, BOB, &format!("history web-v1 --database {}", database.display())).await.well();
    assert!(archived.contains("release.created") && archived.contains("release.applied"), "{archived}");
    let done = run(stage, BOB, "watch web-v1").await.well();
    assert!(done.contains("Succeeded"), "{done}");
}

/// A rollback by hand, agreed to by someone else.
async fn taken_back(stage: &Stage) {
    let asked = say(stage, CAROL, "rollback web-v2 --wait", Some("errors rise")).await.well();
    assert!(asked.contains("its rollback Requested: from release web-v2 back to web-v1"), "{asked}");
    assert!(asked.contains("someone else has to agree first: `kubectl slipway approve"), "{asked}");
    let waiting = stage
        .until("web-v2", "has a rollback that waits", |deployment: &Deployment| {
            deployment.status.as_ref().is_some_and(|status| status.rollback.is_some())
        })
        .await;
    let reference = waiting.status.unwrap().rollback.unwrap().reference;
    let inbox = run(stage, ALICE, "inbox --mine -o wide").await.well();
    let back = "from release web-v2 back to web-v1";
    for words in ["rollback review", "carol@example.com", back, "errors rise"] {
        assert!(inbox.contains(words), "{words}: {inbox}");
    }
    let status = run(stage, ALICE, "status web-v2").await.well();
    assert!(
        status.contains(back) && status.contains("by carol@example.com") && status.contains(&reference),
        "{status}"
    );
    let none = run(stage, CAROL, "inbox --mine").await;
    assert!(none.stdout.is_empty() && none.stderr.contains("Nothing waits for you"), "{none:?}");
    // The difference is that of the rollback now.
    let shown = run(stage, ALICE, "preview web-v2").await.well();
    assert!(shown.contains("-  version: web-v2\n+  version: web-v1\n") && shown.contains(&reference), "{shown}");
    // The requester may judge it: only whoever asked for the rollback may not.
    let agreed = run(stage, ALICE, &format!("approve web-v2 --yes --ref {reference}")).await.well();
    for words in [back, "asked for by carol@example.com", "errors rise", reference.as_str()] {
        assert!(agreed.contains(words), "{words}: {agreed}");
    }
    assert!(!agreed.contains("  preview  "), "the preview before is done with: {agreed}");
    let followed = run(stage, BOB, "watch web-v2").await.refused();
    assert!(followed.contains("ended as RolledBack"), "{followed}");
    assert_eq!(stage.get::<Deployment>("web-v2").await.status.unwrap().phase, Phase::RolledBack);
}
