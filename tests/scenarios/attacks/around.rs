//! Around the Deployment: its status, its Environment, its end.

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::json;
use slipway_crd::environment_index::NAME;
use slipway_crd::{Deployment, Environment, EnvironmentIndex, Release};
use slipway_domain::phase::Phase;
use slipway_tests::stage::Stage;
use slipway_tests::stage::objects::{With as _, environment};

use super::*;

pub async fn on_status(stage: &Stage, tries: &mut Try<'_>) {
    tries.refused("write the phase", "forbidden", forge(stage, OZ, json!({"phase": "Approved"}))).await;
    tries
        .refused("write the number of approvals", "forbidden", forge(stage, ROB, json!({"approval": {"count": 1}})))
        .await;
    tries
        .refused("say that events are archived", "forbidden", forge(stage, OZ, json!({"audit": {"auditedSeq": 0}})))
        .await;
    tries.refused("edit the journal", "forbidden", forge(stage, OZ, json!({"audit": {"journal": []}}))).await;
    tries
        .refused("write the status of an Environment", "forbidden", async {
            let patch = json!({"status": {"phase": "Active", "failed": null}});
            api::<Environment>(stage, OZ)
                .await
                .patch_status("prod", &PatchParams::default(), &Patch::Merge(&patch))
                .await
        })
        .await;
    let less = json!({"spec": {"environments": {"prod": "development/controller/0"}}});
    tries
        .refused("say in the index that production asks for less", "forbidden", async {
            let indices = api::<EnvironmentIndex>(stage, PAM).await;
            indices.patch(NAME, &PatchParams::default(), &Patch::Merge(&less)).await
        })
        .await;
    tries.refused("remove the index", "forbidden", delete::<EnvironmentIndex>(stage, PAM, NAME)).await;
    // What is not being deleted has its finalizer put back, whatever is written.
    let patch = json!({"metadata": {"finalizers": null}});
    let kept: Deployment =
        api(stage, ANN).await.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    assert_eq!(kept.metadata.finalizers.as_deref(), Some(&["slipway.dev/audit".to_owned()][..]));
    tries.saw("take the finalizer off", "put back at once");
}

pub async fn on_environments(stage: &Stage, tries: &mut Try<'_>) {
    let weaker = |spec: Value| change(stage, OZ, "prod", spec);
    tries
        .refused("ask for no approval any more", "govern", weaker(json!({"policy": {"approval": {"required": false}}})))
        .await;
    tries.refused("confirm by itself from now on", "govern", weaker(json!({"policy": {"confirm": "Auto"}}))).await;
    tries
        .refused("let tickets live longer", "govern", weaker(json!({"policy": {"approval": {"expiresAfter": "999h"}}})))
        .await;
    tries
        .refused(
            "let releases go elsewhere, as another account",
            "govern",
            weaker(json!({"runtime": {"k8s": {"serviceAccountName": "other"}}})),
        )
        .await;
    tries
        .refused(
            "let releases bring kinds that are refused",
            "govern",
            weaker(json!({"runtime": {"k8s": {"allowedKinds": [{"group": "", "kind": "Namespace"}]}}})),
        )
        .await;
    tries
        .refused("lower the tier", "cannot be changed", change(stage, PAM, "prod", json!({"tier": "development"})))
        .await;
    tries
        .refused("delete an Environment to have a weaker one", "govern", delete::<Environment>(stage, OZ, "strict"))
        .await;
    let weak =
        environment("weak", &stage.namespace).with("spec.tier", "production").with("spec.policy.confirm", "Auto");
    tries.refused("create one that asks for less than its tier", "govern", create(stage, OZ, weak)).await;
    around_the_older_one(stage, tries).await;
    let reset = |who: &str| json!({"reset": {"of": "6f3c1c9e-0000-4000-8000-000000000001", "actor": who, "note": "n"}});
    tries.refused("reset without the verb", "forbidden", change(stage, ANN, "prod", reset(ANN))).await;
    tries.refused("reset as somebody else", "forbidden", change(stage, OZ, "prod", reset(ROB))).await;
    tries.refused("reset what has not failed", "there is nothing to reset", change(stage, OZ, "prod", reset(OZ))).await;
    // Whoever may weaken it gains nothing for what waits: all that was decided is void.
    let before = reference(stage).await;
    change(stage, PAM, "prod", json!({"policy": {"approval": {"expiresAfter": "2h"}}})).await.unwrap();
    stage
        .until("web-v1", "is previewed again", |deployment: &Deployment| {
            let status = deployment.status.as_ref().unwrap();
            status.phase == Phase::Previewed && status.preview.as_ref().is_some_and(|now| now.reference != before)
        })
        .await;
    tries.saw("weaken the Environment while a change waits", "previewed again, decisions void");
    tries
        .refused(
            "approve the preview from before",
            "invalid_transition",
            say(stage, ROB, json!({"reviews": [review(ROB, "Approve", &before)]})),
        )
        .await;
    let confirmations =
        json!([{"previewRef": before, "actor": ANN}, {"previewRef": reference(stage).await, "actor": ANN}]);
    say(stage, ANN, json!({"confirmations": confirmations})).await.unwrap();
    stage.phase("web-v1", Phase::PendingApproval).await;
    tries
        .refused(
            "approve the preview from before, in time",
            "preview_mismatch",
            say(stage, ROB, json!({"reviews": [review(ROB, "Approve", &before)]})),
        )
        .await;
}

/// What has an owner would go with it, by the hand of the garbage collector.
pub async fn by_the_garbage_collector(stage: &Stage, tries: &mut Try<'_>) {
    let owner = json!({"metadata": {"ownerReferences": [{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "bait", "uid": "6f3c1c9e-0000-4000-8000-000000000004",
    }]}});
    let patch = Patch::Merge(&owner);
    let params = PatchParams::default();
    let word = "metadata.ownerReferences: no object of Slipway's goes because another one goes";
    let deployment = async { api::<Deployment>(stage, OZ).await.patch("web-v1", &params, &patch).await };
    tries.refused("give a Deployment an owner that takes it along", word, deployment).await;
    let environment = async { api::<Environment>(stage, OZ).await.patch("strict", &params, &patch).await };
    tries.refused("give an Environment an owner that takes it along", word, environment).await;
    let release = async { api::<Release>(stage, ANN).await.patch("web-v1", &params, &patch).await };
    tries.refused("give a Release an owner that takes it along", word, release).await;
    let mut born = asked("owned").with("spec.requester", ANN);
    born["metadata"]["ownerReferences"] = owner["metadata"]["ownerReferences"].clone();
    tries.refused("ask with an owner", word, create(stage, BOT, born)).await;
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    tries
        .refused(
            "delete what has not ended as the garbage collector",
            "abort it first",
            delete::<Deployment>(stage, collector, "web-v1"),
        )
        .await;
    tries
        .refused(
            "delete an Environment as the garbage collector",
            "govern",
            delete::<Environment>(stage, collector, "strict"),
        )
        .await;
}

/// bert may do everything in an Environment of that name, and nothing in production.
async fn around_the_older_one(stage: &Stage, tries: &mut Try<'_>) {
    create(stage, BERT, environment("other", &stage.namespace)).await.unwrap();
    create(stage, BERT, asked("around").with("spec.environmentRef.name", "other")).await.unwrap();
    // Until the Environment was looked at, that is what it waits for.
    let held = stage.until("around", "is held by the older Environment", |around: &Deployment| {
        let said = around.status.as_ref().and_then(|status| status.diagnostics.as_ref());
        said.is_some_and(|said| {
            said.code == "environment_not_active"
                && said.message.contains("the older environment")
                && said.message.contains("asks for less")
        })
    });
    let held = held.await.status.unwrap();
    assert!(held.preview.is_none() && held.phase == Phase::Pending, "{held:?}");
    tries.saw(
        "go to production's place through a second Environment that asks for less",
        "not ready, nothing previewed",
    );
}

pub async fn after_the_end(stage: &Stage, tries: &mut Try<'_>) {
    let of = reference(stage).await;
    let no = review(ROB, "Reject", &of);
    say(stage, ROB, json!({ "reviews": [no] })).await.unwrap();
    let rejected = stage.phase("web-v1", Phase::Rejected).await;
    tries
        .refused(
            "approve after a rejection",
            "invalid_transition",
            say(stage, OZ, json!({"reviews": [no, review(OZ, "Approve", &of)]})),
        )
        .await;
    tries.refused("edit a review", "history", say(stage, ROB, json!({"reviews": [review(ROB, "Approve", &of)]}))).await;
    tries.refused("remove a review", "history", say(stage, ROB, json!({"reviews": null}))).await;
    tries
        .refused("break glass after the end", "invalid_transition", say(stage, OZ, json!({"breakGlass": act(OZ)})))
        .await;
    delete::<Deployment>(stage, ANN, "web-v1").await.unwrap();
    stage.gone::<Deployment>("web-v1").await;
    create(stage, BOT, asked("web-v1").with("spec.requester", ANN)).await.unwrap();
    let again = stage.phase("web-v1", Phase::Rejected).await;
    assert_eq!(again.status.unwrap().adopted_from.map(|uid| uid.to_string()), rejected.metadata.uid);
    tries.saw("delete and create it again to lose the rejection", "takes the recorded rejection");
    tries
        .refused("act in a namespace without a grant", "cannot create", async {
            let api: Api<Deployment> = Api::namespaced(stage.client_of(ANN, &[]).await, "default");
            api.create(&PostParams::default(), &serde_json::from_value(asked("x")).unwrap()).await
        })
        .await;
    tries
        .refused("remove the binding of a policy", "cannot delete", async {
            let resource = kube::core::GroupVersionKind::gvk(
                "admissionregistration.k8s.io",
                "v1",
                "ValidatingAdmissionPolicyBinding",
            );
            let api: Api<DynamicObject> =
                Api::all_with(stage.client_of(OZ, &[]).await, &ApiResource::from_gvk(&resource));
            api.delete("slipway-deployment-said", &DeleteParams::default()).await.map(drop)
        })
        .await;
}
