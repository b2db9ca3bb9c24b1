//! One test at a time, with the policies as they are installed before and after it.

use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_crd::likeness::{GROUP, KINDS, Model, SELECTOR, VERSION, models};
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release};
use slipway_tests::stage::{ALICE, BOB, Stage};
use tokio::sync::{Mutex, MutexGuard};

/// A stage whose policies nobody else touches.
pub(super) struct Alone {
    pub(super) stage: Stage,
    _turn: MutexGuard<'static, ()>,
}

impl Alone {
    /// A stage whose controller leads, when it is this test's turn.
    pub(super) async fn open() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let mut stage = Stage::dark().await;
        // What a test that failed has left behind.
        let found = installed(&stage);
        let wrong: Vec<Model> = models().into_iter().filter(|model| !stands(&found, model)).collect();
        for model in &wrong {
            remove(&stage, model);
        }
        if !wrong.is_empty() {
            put_back(&stage);
        }
        stage.settled();
        stage.start().await;
        Self { stage, _turn: turn }
    }

    /// A change to production that waits for its review; its preview.
    pub(super) async fn waiting(&self) -> String {
        let stage = &self.stage;
        let production = environment("prod", &stage.namespace).with("spec.tier", "production");
        stage.apply(ALICE, &production).await;
        stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
        stage.apply(ALICE, &deployment("web-v1", "web", "prod", "web-v1").with("spec.risk", "none known")).await;
        stage.waits("web-v1", "ConfirmationRequired").await;
        self.confirm().await;
        let waiting = stage.waits("web-v1", "ReviewRequired").await;
        waiting.status.unwrap().preview.unwrap().reference
    }

    /// Confirms the preview that stands, beside those that were confirmed before.
    pub(super) async fn confirm(&self) {
        let now: Deployment = self.stage.get("web-v1").await;
        let reference = now.status.unwrap().preview.unwrap().reference;
        let mut confirmations: Vec<Value> = now.spec.confirmations.iter().map(|one| json!(one)).collect();
        confirmations.push(json!({"previewRef": reference, "actor": ALICE}));
        self.stage.say::<Deployment>(ALICE, "web-v1", json!({"spec": {"confirmations": confirmations}})).await;
    }

    /// bob approves the preview that stands.
    pub(super) async fn approve(&self) {
        let now: Deployment = self.stage.get("web-v1").await;
        let reference = now.status.unwrap().preview.unwrap().reference;
        let mut reviews: Vec<Value> = now.spec.reviews.iter().map(|one| json!(one)).collect();
        reviews.push(json!({"reviewer": BOB, "decision": "Approve", "previewRef": reference, "note": "looked at it"}));
        self.stage.say::<Deployment>(BOB, "web-v1", json!({"spec": {"reviews": reviews}})).await;
    }

    /// Waits until the object says that no decision is acted upon, and because of what.
    pub(super) async fn distrusted(&self, because: &str) -> Deployment {
        let names = |deployment: &Deployment| {
            let conditions = deployment.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|condition| {
                condition.type_ == "Ready"
                    && condition.reason == "PoliciesNotInForce"
                    && condition.message.contains(because)
            })
        };
        self.stage.until("web-v1", because, names).await
    }

    /// Waits until `/readyz` says this, and that it is not ready.
    pub(super) async fn not_ready(&self, because: &str) {
        self.stage.controller().readyz(503, because).await;
    }

    /// Waits until `/readyz` has nothing to say.
    pub(super) async fn ready(&self) {
        self.stage.controller().readyz(200, "").await;
    }

    /// What was approved in the gap is void; a new look at a new preview is asked for, and leads to the end.
    pub(super) async fn starts_over(&self, before: &str) {
        let again = self.stage.waits("web-v1", "ConfirmationRequired").await;
        let status = again.status.unwrap();
        let reference = status.preview.unwrap().reference;
        assert_eq!(status.phase, Phase::Previewed);
        assert_ne!(reference, before);
        self.confirm().await;
        self.stage.waits("web-v1", "ReviewRequired").await;
        self.approve().await;
        self.stage.phase("web-v1", Phase::Succeeded).await;
    }
}

/// A policy or binding as kubectl names it.
pub(super) fn resource(model: &Model) -> String {
    Stage::of_kind(&model.kind)
}

/// Every policy and binding that is there.
fn installed(stage: &Stage) -> Vec<Value> {
    let kinds: Vec<String> = KINDS.iter().map(|kind| Stage::of_kind(kind)).collect();
    let shown = stage.kubectl_says(&["get", &kinds.join(","), "--selector", SELECTOR, "--output", "json"]);
    serde_json::from_str::<Value>(&shown).unwrap()["items"].as_array().unwrap().clone()
}

fn stands(found: &[Value], model: &Model) -> bool {
    found.iter().any(|object| {
        object["kind"] == model.kind.as_str()
            && object["metadata"]["name"] == model.name.as_str()
            && model.problem(&object["spec"], false).is_none()
    })
}

/// Deletes one.
pub(super) fn remove(stage: &Stage, model: &Model) {
    stage.kubectl_says(&["delete", &resource(model), &model.name, "--ignore-not-found"]);
}

/// Does what the message says.
pub(super) fn put_back(stage: &Stage) {
    let manifests = slipway_crd::install::everything().unwrap();
    stage.feed_kubectl(&["apply", "--server-side", "-f", "-"], &manifests);
}

/// Puts one back as it was.
pub(super) fn put_one_back(stage: &Stage, model: &Model) {
    let api_version = format!("{GROUP}/{VERSION}");
    let metadata = json!({"name": model.name, "labels": {"app.kubernetes.io/name": "slipway"}});
    let object = json!({"apiVersion": api_version, "kind": model.kind, "metadata": metadata, "spec": model.spec()});
    stage.feed_kubectl(&["apply", "--server-side", "-f", "-"], &object.to_string());
}

/// The first of a kind that looks at nothing but what is written.
pub(super) fn first(kind: &str) -> Model {
    let plain = |model: &Model| model.spec()["paramKind"].is_null() && model.spec()["paramRef"].is_null();
    models().into_iter().find(|model| model.kind == kind && plain(model)).unwrap()
}
