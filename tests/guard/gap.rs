//! What is said while policies are missing counts for nothing, also when they are back before anybody looked.

use serde_json::json;
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_domain::rollback::RollbackState;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release};
use slipway_tests::stage::{ALICE, BOB};

use super::alone::{Alone, first, put_one_back, remove};

const KINDS: [&str; 2] = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];

#[tokio::test]
async fn an_approval_from_a_gap_that_no_controller_saw_is_void() {
    for kind in KINDS {
        let mut alone = Alone::open().await;
        let before = alone.waiting().await;
        alone.stage.stop().await;
        remove(&alone.stage, &first(kind));
        alone.approve().await;
        put_one_back(&alone.stage, &first(kind));
        alone.stage.start().await;
        alone.starts_over(&before).await;
        alone.stage.verify();
    }
}

#[tokio::test]
async fn a_controller_that_starts_in_a_gap_believes_nobody_either() {
    let mut alone = Alone::open().await;
    let before = alone.waiting().await;
    let policy = first(KINDS[0]);
    remove(&alone.stage, &policy);
    alone.distrusted(&policy.name).await;
    alone.stage.stop().await;
    alone.approve().await;
    alone.stage.start().await;
    alone.not_ready(&format!("{} {} is missing", policy.kind, policy.name)).await;
    let metrics = alone.stage.controller().fetch("/metrics").await.1;
    assert!(metrics.contains("slipway_policies_not_in_force 1\n"), "{metrics}");
    alone.stage.controller().says("WARN policies_not_in_force: ").await;
    let now = alone.distrusted(&policy.name).await;
    assert_eq!(now.status.unwrap().approval.unwrap().count, Some(0));
    alone.stage.stop().await;
    put_one_back(&alone.stage, &policy);
    alone.stage.start().await;
    alone.starts_over(&before).await;
}

#[tokio::test]
async fn a_gap_as_short_as_can_be_is_one() {
    let alone = Alone::open().await;
    let before = alone.waiting().await;
    remove(&alone.stage, &first(KINDS[1]));
    put_one_back(&alone.stage, &first(KINDS[1]));
    alone.approve().await;
    alone.starts_over(&before).await;
}

#[tokio::test]
async fn what_is_asked_for_in_a_gap_is_asked_for_again() {
    let alone = Alone::open().await;
    let policy = first("MutatingAdmissionPolicyBinding");
    remove(&alone.stage, &policy);
    alone.not_ready(&policy.name).await;
    let production = environment("prod", &alone.stage.namespace).with("spec.tier", "production");
    alone.stage.apply(ALICE, &production).await;
    alone.stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    // Nobody fills in who asks: alice says that it is somebody else.
    let asked = deployment("web-v1", "web", "prod", "web-v1")
        .with("spec.risk", "none known")
        .with("spec.requester", "nobody@example.com")
        .with("spec.submittedBy", "nobody@example.com");
    let taken = alone.stage.try_apply(ALICE, &asked).await;
    put_one_back(&alone.stage, &policy);
    // Another policy may refuse it all the same.
    if taken.is_ok() {
        let refused = alone
            .stage
            .until("web-v1", "is refused", |deployment: &Deployment| {
                let conditions = deployment.status.iter().flat_map(|status| &status.conditions);
                conditions.into_iter().any(|condition| {
                    condition.type_ == "Stalled"
                        && condition.status == "True"
                        && condition.message.contains("create another one")
                })
            })
            .await;
        assert_eq!(refused.status.unwrap().diagnostics.unwrap().code, "policies_not_in_force");
    }
}

#[tokio::test]
async fn a_rollback_that_is_asked_for_in_a_gap_is_not_made() {
    let mut alone = Alone::open().await;
    alone.stage.apply(ALICE, &environment("dev", &alone.stage.namespace)).await;
    for name in ["web-v1", "web-v2"] {
        alone.stage.apply(ALICE, &release(name, "web", &[config("web", &json!({"version": name}))])).await;
        alone.stage.apply(ALICE, &deployment(name, "web", "dev", name)).await;
        alone.stage.phase(name, Phase::Succeeded).await;
        alone.stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    }
    let policy = first(KINDS[0]);
    remove(&alone.stage, &policy);
    alone.not_ready(&policy.name).await;
    let rollback = |id: &str| json!({"id": id, "actor": BOB, "note": "errors rise"});
    alone.stage.say::<Deployment>(BOB, "web-v2", json!({"spec": {"rollbacks": [rollback("in-the-gap")]}})).await;
    alone
        .stage
        .until("web-v2", "says why it is not rolled back", |deployment: &Deployment| {
            let conditions = deployment.status.iter().flat_map(|status| &status.conditions);
            conditions
                .into_iter()
                .any(|condition| condition.type_ == "Ready" && condition.message.contains(&policy.name))
        })
        .await;
    alone.stage.stop().await;
    put_one_back(&alone.stage, &policy);
    alone.stage.start().await;
    let refused = alone
        .stage
        .until("web-v2", "has refused the rollback", |deployment: &Deployment| {
            let rollback = deployment.status.as_ref().and_then(|status| status.rollback.as_ref());
            rollback.is_some_and(|rollback| rollback.state == RollbackState::Rejected)
        })
        .await;
    let why = refused.status.unwrap().rollback.unwrap().diagnostics.unwrap();
    assert_eq!((why.code.as_str(), why.message.contains("under another id")), ("policies_not_in_force", true));
    let both = json!({"spec": {"rollbacks": [rollback("in-the-gap"), rollback("afterwards")]}});
    alone.stage.say::<Deployment>(BOB, "web-v2", both).await;
    alone.stage.phase("web-v2", Phase::RolledBack).await;
    alone.stage.verify();
}
