//! What becomes of a decision is said at once, and what is refused says what to do.

use serde_json::json;
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release};
use slipway_tests::stage::{ALICE, BOB, CAROL, Stage};

use super::{ask, pending, run, say};

#[tokio::test]
async fn a_rollback_says_where_it_goes_back_to_or_why_it_is_impossible() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    for name in ["web-v1", "web-v2"] {
        stage.apply(ALICE, &release(name, "web", &[config("web", &json!({"version": name}))])).await;
        ask(&stage, ALICE, name, "web", "dev").await;
        stage.phase(name, Phase::Succeeded).await;
        stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    }
    let refused = say(&stage, CAROL, "rollback web-v1", Some("errors rise")).await.refused();
    assert!(
        refused.contains("web-v1 cannot be rolled back, and nothing was done [rollback_unavailable]: "),
        "{refused}"
    );
    assert!(refused.contains("release web-v2 of another Deployment"), "{refused}");
    assert!(refused.contains("next: ") && refused.contains("--back-to RELEASE"), "{refused}");
    assert!(stage.get::<Deployment>("web-v1").await.spec.rollbacks.is_empty());
    let said = say(&stage, CAROL, "rollback web-v2", Some("errors rise")).await.well();
    assert!(said.contains("  rollback     from release web-v2 back to web-v1\n"), "{said}");
    assert!(!said.contains("  preview  ") && said.contains("kubectl slipway watch"), "{said}");
    stage.phase("web-v2", Phase::RolledBack).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    stage.apply(ALICE, &release("api-v1", "api", &[config("api", &json!({}))])).await;
    ask(&stage, ALICE, "api-v1", "api", "dev").await;
    stage.phase("api-v1", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    let first = say(&stage, CAROL, "rollback api-v1", Some("errors rise")).await.refused();
    assert!(first.contains("no release of service api was in environment dev before it"), "{first}");
}

#[tokio::test]
async fn whoever_says_it_twice_is_told_so() {
    let stage = pending(2).await;
    let said = run(&stage, BOB, "approve web-v1 --yes").await.well();
    assert!(said.contains("is PendingApproval, with 1 of 2 approvals"), "{said}");
    let again = run(&stage, BOB, "approve web-v1 --yes").await.refused();
    assert!(again.contains("you have already approved 1-") && again.contains(" ago): "), "{again}");
    assert!(again.contains("it has 1 of 2 approvals, so someone else has to approve it too"), "{again}");
    let other = say(&stage, BOB, "reject web-v1", Some("on second thoughts")).await.refused();
    assert!(other.contains("you have already approved 1-"), "{other}");
    // The first of two that say the same is the one that counts.
    let reviews = stage.get::<Deployment>("web-v1").await.spec.reviews;
    assert_eq!(reviews.len(), 1);
}

#[tokio::test]
async fn what_a_policy_refuses_says_its_rule_and_the_next_step() {
    let stage = pending(1).await;
    let own = run(&stage, ALICE, "approve web-v1 --yes").await.refused();
    assert!(own.contains("cannot review it: ask someone else [self_approval]\nnext: ask someone else"), "{own}");
    let early = say(&stage, ALICE, "rollback web-v1", Some("errors rise")).await.refused();
    assert!(early.contains("while the deployment is PendingApproval"), "{early}");
    assert!(early.contains("[invalid_transition]\nnext: "), "{early}");
    // What the schema refuses is said in words, field by field.
    let line = "new web-v2 --service web -e prod --version a/b --work 1 --rollback-plan back --risk low --apply";
    let wrong = run(&stage, ALICE, line).await.refused();
    assert!(wrong.contains("not accepted: spec.operation.deploy.version: must match '^"), "{wrong}");
    assert!(wrong.contains("[validation_failed]\nnext: "), "{wrong}");
}

#[tokio::test]
async fn a_freeze_that_is_not_there_is_overridden_only_by_who_means_it() {
    let stage = pending(1).await;
    let unasked = say(&stage, CAROL, "override-freeze web-v1", Some("in a hurry")).await.misused();
    assert!(unasked.contains("no freeze window is open in environment prod now"), "{unasked}");
    assert!(unasked.contains("repeat with --yes"), "{unasked}");
    assert!(stage.get::<Deployment>("web-v1").await.spec.override_freeze.is_none());
    say(&stage, CAROL, "override-freeze web-v1 --yes", Some("in a hurry")).await.well();
    assert!(stage.get::<Deployment>("web-v1").await.spec.override_freeze.is_some());
}

#[tokio::test]
async fn what_stands_still_is_not_followed_for_ever() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    let stuck = run(&stage, ALICE, "watch web-v1").await.refused();
    assert!(stuck.contains("stands still, ReleaseNotFound") && stuck.contains("next: "), "{stuck}");
    let inbox = run(&stage, ALICE, "inbox -o wide").await.well();
    assert!(inbox.contains("mending") && inbox.contains("ReleaseNotFound"), "{inbox}");
    // It goes on by itself once that is mended.
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    run(&stage, ALICE, "watch web-v1").await.well();
}

#[tokio::test]
async fn what_could_never_be_previewed_is_not_created() {
    let stage = Stage::open().await;
    let line =
        |name: &str| format!("new {name} --service web -e dev --release web-v1 --work 1 --rollback-plan back --apply");
    let nowhere = run(&stage, ALICE, &line("web-v1")).await.refused();
    assert!(nowhere.contains("there is no Environment dev in namespace") && nowhere.contains("next: "), "{nowhere}");
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let nothing = run(&stage, ALICE, &line("web-v1")).await.refused();
    assert!(
        nothing.contains("there is no Release web-v1 in namespace") && nothing.contains("get releases"),
        "{nothing}"
    );
    stage.apply(ALICE, &release("web-v1", "api", &[config("web", &json!({}))])).await;
    let other = run(&stage, ALICE, &line("web-v1")).await.misused();
    assert!(other.contains("release web-v1 is of service api, not of web"), "{other}");
    assert!(stage.find::<Deployment>("web-v1").await.is_none());
    let right = line("web-v1").replace("--service web", "--service api");
    run(&stage, ALICE, &right).await.well();
    let again = run(&stage, ALICE, &right).await.refused();
    assert!(again.contains("next: take another name"), "{again}");
}

#[tokio::test]
async fn a_value_that_a_release_asks_for_is_named_with_its_flag() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let data = json!({"level": "${LEVEL}", "both": "${LEVEL} ${PORT}"});
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &data)])).await;
    let line = "new web-v1 --service web -e dev --release web-v1 --work 1 --rollback-plan back --apply";
    let missing = run(&stage, ALICE, line).await.misused();
    assert!(missing.contains("release web-v1 asks for ${LEVEL}, ${PORT}, and no value is given"), "{missing}");
    assert!(missing.contains("next: repeat with --var LEVEL=VALUE --var PORT=VALUE"), "{missing}");
    assert!(stage.find::<Deployment>("web-v1").await.is_none());
    run(&stage, ALICE, &format!("{line} --var LEVEL=info --var PORT=1")).await.well();
    stage.phase("web-v1", Phase::Succeeded).await;

    // One that was created in another way says it in its preview.
    stage.apply(ALICE, &deployment("web-v1-again", "web", "dev", "web-v1").with("spec.variables.PORT", "1")).await;
    stage.waits("web-v1-again", "Unpreviewable").await;
    let shown = run(&stage, ALICE, "preview web-v1-again").await;
    assert!(shown.stderr.contains("asks for ${LEVEL}, and no value is given"), "{shown:?}");
    assert!(shown.stderr.contains("create another Deployment with --var LEVEL=VALUE"), "{shown:?}");
    let stuck = run(&stage, ALICE, "watch web-v1-again").await.refused();
    assert!(stuck.contains("stands still, Unpreviewable"), "{stuck}");
}
