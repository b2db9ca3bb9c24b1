//! Every decision a person can take, each as the person that takes it.

use serde_json::json;
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::EnvironmentPhase;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, environment, manual, release, workload};
use slipway_tests::stage::{ALICE, BOB, CAROL, Stage};

use super::{ask, pending, run, say};

#[tokio::test]
async fn a_rejection_says_why() {
    let stage = pending(1).await;
    run(&stage, BOB, "reject web-v1").await.misused();
    let said = say(&stage, BOB, "reject web-v1 --wait", Some("not on a Friday")).await.well();
    assert!(said.contains("is Rejected"), "{said}");
    let ended = run(&stage, ALICE, "watch web-v1").await.refused();
    assert!(ended.contains("ended as Rejected") && ended.contains("not on a Friday"), "{ended}");
}

#[tokio::test]
async fn an_abort_ends_it_and_names_its_author() {
    let stage = pending(1).await;
    run(&stage, ALICE, "abort web-v1").await.misused();
    let object = say(&stage, ALICE, "abort web-v1 -o json", Some("not needed")).await.json();
    assert_eq!(object["spec"]["abort"], json!({"actor": ALICE, "note": "not needed"}));
    assert!(object["metadata"]["managedFields"].is_null());
    stage.phase("web-v1", Phase::Aborted).await;
    // What was said once stays, to the letter or in other words.
    let same = say(&stage, ALICE, "abort web-v1", Some("not needed")).await.refused();
    assert!(same.contains("you have already stopped this Deployment"), "{same}");
    let again = say(&stage, ALICE, "abort web-v1", Some("once more")).await.refused();
    assert!(again.contains("you have already stopped this Deployment at 2") && again.contains("[conflict]"), "{again}");
}

#[tokio::test]
async fn what_goes_ahead_without_review_is_looked_at_afterwards() {
    let stage = pending(1).await;
    let said = say(&stage, CAROL, "break-glass web-v1 --wait", Some("the shop is down")).await.well();
    assert!(said.contains("after-review"), "{said}");
    run(&stage, CAROL, "watch web-v1").await.well();
    let said = say(&stage, BOB, "after-review web-v1 --wait", Some("it was right")).await.well();
    assert!(said.contains("is Succeeded"), "{said}");
    let history = run(&stage, BOB, "history web-v1").await.well();
    assert!(history.contains("release.break_glass_reviewed") && history.contains("the shop is down"), "{history}");
}

#[tokio::test]
async fn two_who_approve_at_once_both_count() {
    let stage = pending(2).await;
    // Whoever comes second meets a conflict, finds that what was shown still stands, and is heard too.
    let line = "approve web-v1 --yes";
    let (bob, carol) = tokio::join!(run(&stage, BOB, line), run(&stage, CAROL, line));
    bob.well();
    carol.well();
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    let reviewers: Vec<_> = done.spec.reviews.iter().map(|review| review.reviewer.as_str()).collect();
    assert!(reviewers.len() == 2 && reviewers.contains(&BOB) && reviewers.contains(&CAROL), "{reviewers:?}");
}

#[tokio::test]
async fn work_by_hand_is_reported_by_hand() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &manual("plant")).await;
    for name in ["line-v1", "line-v2"] {
        let line =
            format!("new {name} --service line -e plant --version 1.4 --work 12 --rollback-plan back --apply -o name");
        assert_eq!(run(&stage, ALICE, &line).await.well(), format!("deployment.slipway.dev/{name}\n"));
        stage.phase(name, Phase::PendingApproval).await;
        let said = run(&stage, BOB, &format!("approve {name} --yes --wait")).await.well();
        assert!(said.contains("is Approved"), "{said}");
        stage.waits(name, "InProgress").await;
        let inbox = run(&stage, ALICE, "inbox --mine").await.well();
        assert!(inbox.contains(name) && inbox.contains("  start  "), "{inbox}");
        let told = run(&stage, ALICE, &format!("watch {name}")).await.refused();
        assert!(told.contains("kubectl slipway start -n "), "{told}");
        let said = run(&stage, ALICE, &format!("start {name} --wait")).await.well();
        assert!(said.contains("is Applying"), "{said}");
    }
    let again = run(&stage, ALICE, "start line-v1").await.refused();
    assert!(again.contains("you have already started this Deployment"), "{again}");
    let said = say(&stage, ALICE, "succeed line-v1 --wait", Some("done by noon")).await.well();
    assert!(said.contains("is Succeeded"), "{said}");
    run(&stage, ALICE, "fail line-v2").await.misused();
    let said = say(&stage, ALICE, "fail line-v2 --wait", Some("a pump broke")).await.well();
    assert!(said.contains("is Failed"), "{said}");
    let said = say(&stage, ALICE, "rollback line-v2 --wait", Some("the old one runs")).await.well();
    assert!(said.contains("is RolledBack"), "{said}");
    let shown = run(&stage, ALICE, "preview line-v1").await;
    assert!(shown.stderr.contains("people do the work in environment plant"), "{shown:?}");
}

#[tokio::test]
async fn a_freeze_is_overridden_and_a_failed_environment_is_reset() {
    let stage = Stage::open().await;
    let window = json!([{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"}]);
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.policy.freezeWindows", window)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[workload("web", "crashing")])).await;
    ask(&stage, ALICE, "web-v1", "web", "dev").await;
    stage.waits("web-v1", "Frozen").await;
    let early = say(&stage, CAROL, "reset dev", Some("just so")).await.refused();
    assert!(early.contains("no operation has failed in it"), "{early}");
    say(&stage, CAROL, "override-freeze web-v1 --wait", Some("the shop is down")).await.well();
    let ended = run(&stage, ALICE, "watch web-v1").await.refused();
    assert!(ended.contains("ended as Failed [health_check_failed]") && ended.contains("CrashLoopBackOff"), "{ended}");
    stage.environment("dev", "is Failed", |status| status.phase == EnvironmentPhase::Failed).await;
    let inbox = run(&stage, CAROL, "inbox --mine").await.well();
    assert!(inbox.contains("web-v1") && inbox.contains("reset or rollback"), "{inbox}");
    let other = say(&stage, CAROL, "reset dev --of someone-else", Some("a guess")).await.refused();
    assert!(other.contains("nothing was done"), "{other}");
    let said = say(&stage, CAROL, "reset dev --wait", Some("the image is gone")).await.well();
    assert!(said.contains("failed by    web-v1 (Failed)") && said.contains("is Active"), "{said}");
    let uid = stage.get::<Deployment>("web-v1").await.metadata.uid;
    let reset = stage.get::<Environment>("dev").await.spec.reset.unwrap();
    assert_eq!((Some(reset.of), reset.actor.as_str(), reset.note.as_str()), (uid, CAROL, "the image is gone"));
}
