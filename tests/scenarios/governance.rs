//! What people may decide together, what comes too late, and what is said aloud when someone goes past the rules.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Event as KubeEvent};
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment};
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, environment};
use slipway_tests::stage::{ALICE, BOB, CAROL, PATIENCE, Stage};

use super::production::{confirm, previewed, production, review, review_of};

#[tokio::test]
async fn a_quorum_takes_two_people_who_did_not_ask_for_it() {
    let stage = Stage::open().await;
    let uid = previewed(&stage, |environment| environment.with("spec.policy.approval.count", 2)).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    review(&stage, BOB, "Approve", &reference).await;
    let waiting = approvals(&stage, 1).await;
    let approval = waiting.status.as_ref().unwrap().approval.clone().unwrap();
    assert_eq!(waiting.status.unwrap().phase, Phase::PendingApproval);
    assert_eq!((approval.required, approval.reviewed_by.as_deref()), (Some(2), Some(BOB)));

    // The same person a second time is the same entry, or none at all.
    let twice = [review_of(BOB, "Approve", &reference), review_of(BOB, "Approve", &reference)];
    let answer = stage.try_say::<Deployment>(BOB, "web-v1", json!({"spec": {"reviews": twice}})).await;
    assert!(answer.unwrap_err().to_string().contains("Duplicate"));
    let own = [review_of(BOB, "Approve", &reference), review_of(ALICE, "Approve", &reference)];
    if stage.try_say::<Deployment>(ALICE, "web-v1", json!({"spec": {"reviews": own}})).await.is_ok() {
        stage.recorded(&uid, "release.review_void").await;
    }
    assert_eq!(stage.get::<Deployment>("web-v1").await.status.unwrap().phase, Phase::PendingApproval);

    review(&stage, CAROL, "Approve", &reference).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    let approval = done.status.unwrap().approval.unwrap();
    assert_eq!((approval.count, approval.reviewed_by.as_deref()), (Some(2), Some(CAROL)));
    assert_eq!(json!(approval.decision), "Approve");
    let history = stage.recorded(&uid, "release.applied").await;
    let said = history.iter().filter(|event| event.action.as_str() == "release.approved");
    let said: Vec<_> = said.map(|event| (event.actor_id.as_str(), event.detail["approvals"].as_str())).collect();
    assert_eq!(said, [(BOB, "1 of 2"), (CAROL, "2 of 2")]);
    stage.verify();
}

#[tokio::test]
async fn a_review_that_arrives_after_the_rules_have_changed_is_void_and_on_record() {
    let mut stage = Stage::open().await;
    let uid = previewed(&stage, |environment| environment).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    stage.recorded(&uid, "release.pending_approval").await;
    // While nobody looks, somebody approves and somebody else changes what the approval is for.
    stage.stop().await;
    review(&stage, BOB, "Approve", &reference).await;
    stage.apply(ALICE, &production(&stage).with("spec.policy.approval.count", 2)).await;
    stage.start().await;
    let history = stage.recorded(&uid, "release.review_void").await;
    let void = history.iter().find(|event| event.action.as_str() == "release.review_void").unwrap();
    assert_eq!((void.actor_id.as_str(), void.detail["code"].as_str()), (BOB, "preview_mismatch"));
    assert_eq!((void.detail["previewRef"].as_str(), void.status.as_str()), (reference.as_str(), "previewed"));
    let status = stage.get::<Deployment>("web-v1").await.status.unwrap();
    assert_eq!(status.phase, Phase::Previewed);
    assert!(status.preview.unwrap().reference.starts_with("2-"));
    let approval = status.approval.unwrap();
    assert_eq!((approval.decision, approval.reviewed_by), (None, None), "what is void is no decision");
    assert!(stage.find::<ConfigMap>("web").await.is_none());
    stage.verify();
}

#[tokio::test]
async fn a_broken_glass_goes_through_review_and_freeze_and_is_loud_until_somebody_looked() {
    let mut stage = Stage::open().await;
    let window = json!([{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"}]);
    let uid = previewed(&stage, |environment| environment.with("spec.policy.freezeWindows", window.clone())).await;
    confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    let silent = json!({"spec": {"breakGlass": {"actor": CAROL}}});
    let refused = stage.try_say::<Deployment>(CAROL, "web-v1", silent).await.unwrap_err();
    assert!(refused.to_string().contains("spec.breakGlass.note"), "{refused}");
    stage
        .say::<Deployment>(
            CAROL,
            "web-v1",
            json!({"spec": {"breakGlass": {"actor": CAROL, "note": "the shop is down"}}}),
        )
        .await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    assert_eq!(condition(&done), Some(("True".to_owned(), "AwaitsSecondLook".to_owned())));

    assert_eq!(warning(&stage, "BreakGlass").await, format!("release.break_glass by {CAROL}: the shop is down"));
    let log = stage.controller().log();
    let words = ["WARN", "release.break_glass", CAROL, "the shop is down"];
    assert!(
        log.lines().any(|line| words.iter().all(|word| line.contains(word))),
        "{}",
        stage.controller().last_words()
    );
    stage.controller().shows("/metrics", "slipway_break_glass_total 1\n").await;
    stage.controller().shows("/metrics", "slipway_break_glass_unreviewed 1\n").await;

    // It is as loud after a restart.
    stage.stop().await;
    stage.start().await;
    stage.controller().shows("/metrics", "slipway_break_glass_unreviewed 1\n").await;
    let after = json!({"spec": {"afterReview": {"actor": BOB, "note": "it was right"}}});
    stage.say::<Deployment>(BOB, "web-v1", after).await;
    let looked = stage
        .until("web-v1", "was looked at", |deployment: &Deployment| {
            condition(deployment).is_some_and(|(status, _)| status == "False")
        })
        .await;
    assert_eq!(condition(&looked), Some(("False".to_owned(), "LookedAt".to_owned())));
    stage.controller().shows("/metrics", "slipway_break_glass_unreviewed 0\n").await;
    let history = stage.recorded(&uid, "release.break_glass_reviewed").await;
    let words: Vec<_> = history.iter().map(|event| (event.action.as_str(), event.actor_id.as_str())).collect();
    assert_eq!(words[4], ("release.break_glass", CAROL));
    assert_eq!(words.last(), Some(&("release.break_glass_reviewed", BOB)));
    stage.verify();
}

#[tokio::test]
async fn an_environment_is_not_exchanged_for_a_weaker_one_beneath_what_waits() {
    let stage = Stage::open().await;
    previewed(&stage, |environment| environment).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    let first = stage.get::<Environment>("prod").await.metadata.uid;
    stage.delete::<Environment>("prod").await;
    // It stays while something waits for it, and nothing starts in it, approved or not.
    review(&stage, BOB, "Approve", &reference).await;
    stage.waits("web-v1", "EnvironmentNotActive").await;
    assert_eq!(stage.get::<Environment>("prod").await.metadata.uid, first);
    let abort = json!({"spec": {"abort": {"actor": ALICE, "note": "the environment goes"}}});
    stage.say::<Deployment>(ALICE, "web-v1", abort).await;
    stage.gone::<Environment>("prod").await;
    stage.apply(ALICE, &environment("prod", &stage.namespace)).await;
    stage.environment("prod", "is ready", |status| status.readiness.to_string() == "ready").await;
    assert_eq!(stage.get::<Deployment>("web-v1").await.status.unwrap().phase, Phase::Aborted);
    assert!(stage.find::<ConfigMap>("web").await.is_none());
    stage.verify();
}

#[tokio::test]
async fn a_freeze_is_overridden_by_someone_with_a_reason_and_said_aloud() {
    let stage = Stage::open().await;
    let window = json!([{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"}]);
    let uid = previewed(&stage, |environment| environment.with("spec.policy.freezeWindows", window.clone())).await;
    let reference = confirm(&stage).await;
    stage.phase("web-v1", Phase::PendingApproval).await;
    review(&stage, BOB, "Approve", &reference).await;
    stage.waits("web-v1", "Frozen").await;
    let go = |act: Value| json!({"spec": {"overrideFreeze": act}});
    let refused = stage.try_say::<Deployment>(CAROL, "web-v1", go(json!({"actor": CAROL}))).await.unwrap_err();
    assert!(refused.to_string().contains("spec.overrideFreeze.note"), "{refused}");
    let reason = json!({"actor": CAROL, "note": "a fix for the holidays"});
    stage.say::<Deployment>(CAROL, "web-v1", go(reason)).await;
    let done = stage.phase("web-v1", Phase::Succeeded).await;
    assert_eq!(condition(&done), None, "it was reviewed");
    let history = stage.recorded(&uid, "release.applied").await;
    let words: Vec<_> = history.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(words[4..], ["release.approved", "release.freeze_overridden", "release.applying", "release.applied"]);
    assert_eq!((history[5].actor_id.as_str(), history[5].detail["note"].as_str()), (CAROL, "a fix for the holidays"));
    let said = format!("release.freeze_overridden by {CAROL}: a fix for the holidays");
    assert_eq!(warning(&stage, "FreezeOverridden").await, said);
}

/// The condition of a broken glass, if there is one: its status and reason.
fn condition(deployment: &Deployment) -> Option<(String, String)> {
    let conditions = &deployment.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == "BreakGlass")?;
    Some((found.status.clone(), found.reason.clone()))
}

/// Waits for the Kubernetes Event with this reason, which has to be a warning; what it says.
async fn warning(stage: &Stage, reason: &str) -> String {
    let events: Api<KubeEvent> = Api::namespaced(stage.admin.clone(), &stage.namespace);
    let about = watcher::Config::default().fields(&format!("involvedObject.name=web-v1,reason={reason}"));
    let mut told = watcher(events, about).applied_objects().boxed();
    let event = tokio::time::timeout(PATIENCE, told.try_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    event.message.unwrap_or_default()
}

async fn approvals(stage: &Stage, count: u32) -> Deployment {
    stage
        .until("web-v1", "has this many approvals", |deployment: &Deployment| {
            let approval = deployment.status.as_ref().and_then(|status| status.approval.as_ref());
            approval.is_some_and(|approval| approval.count == Some(count))
        })
        .await
}
