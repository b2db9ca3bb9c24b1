//! At creation, and before there is anything to review.

use serde_json::json;
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::stage::Stage;
use slipway_tests::stage::objects::With as _;

use super::*;

pub async fn at_creation(stage: &Stage, tries: &mut Try<'_>) {
    let new = |name| asked(name).with("spec.requester", ANN);
    tries.refused("ask in the name of somebody else", "actas", create(stage, MAL, new("x"))).await;
    tries.refused("ask without the verb deploy", "forbidden", create(stage, MAL, asked("x"))).await;
    tries.refused("ask with the verb on another Environment", "forbidden", create(stage, BERT, asked("x"))).await;
    let back = asked("x").with("spec.operation", json!({"rollback": {"toReleaseRef": {"name": "web-v1"}}}));
    tries.refused("go back to an older release without the verb rollback", "forbidden", create(stage, ANN, back)).await;
    let mut unsaid = asked("x");
    unsaid["spec"].as_object_mut().unwrap().remove("risk");
    tries.refused("production without saying the risk", "validation_failed", create(stage, ANN, unsaid)).await;
    let hollow = asked("x").with("spec.risk", "\u{200B}\u{FEFF}\u{3000}");
    tries.refused("a risk of characters that nobody sees", "must not be blank", create(stage, ANN, hollow)).await;
    let hollow = asked("x").with("spec.rollbackPlan", "\u{3164}\u{2060}");
    tries.refused("a plan of characters that nobody sees", "must not be blank", create(stage, ANN, hollow)).await;
    tries
        .refused(
            "a pipeline asks for itself where review is required",
            "requester_required",
            create(stage, BOT, asked("x")),
        )
        .await;
    let decided = new("x").with("spec.abort", act(BOT));
    tries
        .refused("a request that brings its own decision", "carries no confirmation", create(stage, BOT, decided))
        .await;
    let forged = new("web-v1").with("spec.submittedBy", ROB);
    create(stage, BOT, forged).await.unwrap();
    let stored: Deployment = stage.get("web-v1").await;
    assert_eq!(stored.spec.submitted_by.as_deref(), Some(BOT));
    tries.saw("a forged submittedBy", "overwritten with the caller");
}

pub async fn before_review(stage: &Stage, tries: &mut Try<'_>) {
    stage.phase("web-v1", Phase::Previewed).await;
    let of = reference(stage).await;
    let confirm = |who: &str, of: &str| json!({"confirmations": [{"previewRef": of, "actor": who}]});
    let reviews = |entry: Value| json!({ "reviews": [entry] });
    tries
        .refused(
            "approve before it was confirmed",
            "invalid_transition",
            say(stage, ROB, reviews(review(ROB, "Approve", &of))),
        )
        .await;
    tries
        .refused(
            "break glass before there is a review to skip",
            "invalid_transition",
            say(stage, OZ, json!({"breakGlass": act(OZ)})),
        )
        .await;
    tries.refused("confirm as somebody else", "forbidden", say(stage, ANN, confirm(ROB, &of))).await;
    tries.refused("confirm without the verb", "forbidden", say(stage, MAL, confirm(MAL, &of))).await;
    let other = of.replacen('1', "7", 1);
    tries.refused("confirm what was not shown", "preview_mismatch", say(stage, ANN, confirm(ANN, &other))).await;
    tries.refused("abort without the verb", "forbidden", say(stage, MAL, json!({"abort": act(MAL)}))).await;
    tries
        .refused(
            "override a freeze without the verb",
            "forbidden",
            say(stage, ANN, json!({"overrideFreeze": act(ANN)})),
        )
        .await;
    tries
        .refused(
            "roll back what has not begun",
            "invalid_transition",
            say(stage, OZ, json!({"rollbacks": [{"id": "r", "actor": OZ, "note": "n"}]})),
        )
        .await;
    tries
        .refused(
            "report by hand what the controller does",
            "invalid_transition",
            say(stage, ANN, json!({"manual": {"start": {"actor": ANN}}})),
        )
        .await;
    say(stage, ANN, confirm(ANN, &of)).await.unwrap();
    stage.phase("web-v1", Phase::PendingApproval).await;
    tries.refused("take a confirmation back", "history", say(stage, ANN, json!({"confirmations": null}))).await;
    let edited = json!({"confirmations": [{"previewRef": of, "actor": ANN, "note": "not so sure"}]});
    tries.refused("edit a confirmation", "history", say(stage, ANN, edited)).await;
}
