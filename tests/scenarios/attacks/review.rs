//! While it waits for review.

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use slipway_crd::{Deployment, Release};
use slipway_tests::stage::Stage;

use super::*;

pub async fn in_review(stage: &Stage, tries: &mut Try<'_>) {
    let of = reference(stage).await;
    let approve = |who: &str| json!({ "reviews": [review(who, "Approve", &of)] });
    tries.refused("approve one's own request", "self_approval", say(stage, ANN, approve(ANN))).await;
    tries.refused("approve what one submitted for another", "self_approval", say(stage, BOT, approve(BOT))).await;
    let grouped: Api<Deployment> = Api::namespaced(stage.client_of(ANN, &["reviewers"]).await, &stage.namespace);
    let patch = entry("reviews", &json!([review(ANN, "Approve", &of)]));
    let through = async { grouped.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await };
    tries.refused("approve one's own request as member of a group of reviewers", "self_approval", through).await;
    tries
        .refused(
            "reject one's own request instead of aborting it",
            "self_approval",
            say(stage, ANN, json!({"reviews": [review(ANN, "Reject", &of)]})),
        )
        .await;
    tries.refused("approve as somebody else", "forbidden", say(stage, ANN, approve(ROB))).await;
    tries.refused("approve without the verb", "forbidden", say(stage, MAL, approve(MAL))).await;
    tries.refused("approve with the verb on another Environment", "forbidden", say(stage, BERT, approve(BERT))).await;
    impersonated(stage, tries, &of).await;
    let older = of.replacen('1', "7", 1);
    tries
        .refused(
            "approve another digest",
            "preview_mismatch",
            say(stage, ROB, json!({"reviews": [review(ROB, "Approve", &older)]})),
        )
        .await;
    let unsaid = json!({"reviews": [{"reviewer": ROB, "decision": "Reject", "previewRef": of}]});
    tries.refused("reject without saying why", "note", say(stage, ROB, unsaid)).await;
    tries.refused("break glass without the verb", "forbidden", say(stage, ROB, json!({"breakGlass": act(ROB)}))).await;
    tries.refused("break glass as somebody else", "forbidden", say(stage, ANN, json!({"breakGlass": act(OZ)}))).await;
    tries
        .refused(
            "a second look before any glass was broken",
            "validation_failed",
            say(stage, ROB, json!({"afterReview": act(ROB)})),
        )
        .await;
    tries
        .refused(
            "change what was asked",
            "cannot be changed",
            say(stage, ANN, json!({"operation": {"deploy": {"releaseRef": {"name": "web-v0"}}}})),
        )
        .await;
    tries.refused("change the variables", "cannot be changed", say(stage, ANN, json!({"variables": {"A": "b"}}))).await;
    tries
        .refused(
            "move it to another Environment",
            "cannot be changed",
            say(stage, ANN, json!({"environmentRef": {"name": "strict"}})),
        )
        .await;
    tries
        .refused(
            "become another submitter afterwards",
            "cannot be changed",
            say(stage, ANN, json!({"submittedBy": ROB})),
        )
        .await;
    tries
        .refused("change the Release between preview and apply", "cannot be changed", async {
            let patch = json!({"spec": {"version": "other"}});
            api::<Release>(stage, ANN).await.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await
        })
        .await;
    tries.refused("delete it to be rid of it", "abort it first", delete::<Deployment>(stage, ANN, "web-v1")).await;
}

/// A real account of its own: the others here are impersonated themselves.
async fn impersonated(stage: &Stage, tries: &mut Try<'_>, of: &str) {
    stage.put(stage.service_account("someone")).await;
    let mut config = stage.account("someone").await;
    config.auth_info.impersonate = Some(ROB.to_owned());
    let api: Api<Deployment> = Api::namespaced(Client::try_from(config).unwrap(), &stage.namespace);
    let patch = entry("reviews", &json!([review(ROB, "Approve", of)]));
    let attempt = async { api.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await };
    tries.refused("impersonate a reviewer without the right to", "cannot impersonate", attempt).await;
}
