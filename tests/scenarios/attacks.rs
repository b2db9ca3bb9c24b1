//! Every way around the rules that somebody could think of, tried as whoever would try it: refused, with its rule named,
//! and nothing changed. docs/SECURITY.md has the table; its rows and those here are the same.

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, Error};
use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment, Release};
use slipway_domain::environment::EnvironmentPhase;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release};
use slipway_tests::stage::{Custom, Stage};

const ANN: &str = "ann@example.com";
const BOT: &str = "system:serviceaccount:ci:bot";
const ROB: &str = "rob@example.com";
const OZ: &str = "oz@example.com";
const PAM: &str = "pam@example.com";
const MAL: &str = "mal@example.com";
const BERT: &str = "bert@example.com";

/// Everybody may write every object, as far as RBAC is asked. ann deploys and may approve, bot submits for others and may approve, rob
/// and the group `reviewers` approve, oz is on call, pam governs, mal holds no verb, bert holds all of them on another Environment.
fn rights(namespace: &str) -> Vec<Value> {
    let subject = |name: &str| {
        let kind = if name == "reviewers" { "Group" } else { "User" };
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
    };
    let grant = |name: &str, rules: Value, to: &[&str]| {
        let metadata = json!({"name": name, "namespace": namespace});
        let subjects: Vec<Value> = to.iter().map(|name| subject(name)).collect();
        [
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules,
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}, "subjects": subjects,
            }),
        ]
    };
    let verbs = |verbs: &[&str], on: &[&str]| json!([{"apiGroups": ["slipway.dev"], "resources": ["environments"], "resourceNames": on, "verbs": verbs}]);
    let here = ["prod", "strict"];
    let writes = json!([{
        "apiGroups": ["slipway.dev"],
        "resources": ["deployments", "environments", "releases", "deployments/status", "environments/status"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }]);
    let people = json!([{"apiGroups": ["slipway.dev"], "resources": ["requesters"], "verbs": ["actas"]}]);
    let all = ["deploy", "approve", "rollback", "reset", "backup", "breakglass", "govern"];
    [
        grant("writes", writes, &[ANN, BOT, ROB, OZ, PAM, MAL, BERT]),
        grant("deployer", verbs(&["deploy"], &here), &[ANN, BOT]),
        grant("for-others", people, &[BOT]),
        grant("reviewer", verbs(&["approve"], &here), &[ROB, ANN, BOT, "reviewers"]),
        grant("operator", verbs(&["deploy", "approve", "rollback", "reset", "breakglass"], &here), &[OZ]),
        grant("governor", verbs(&["govern"], &here), &[PAM]),
        grant("elsewhere", verbs(&all, &["other"]), &[BERT]),
    ]
    .concat()
}

/// One try: its row in the table.
struct Try<'a> {
    stage: &'a Stage,
    rows: Vec<(&'static str, &'static str)>,
}

impl Try<'_> {
    /// That it was refused, with this word in the answer, and that nothing has changed by it.
    async fn refused<T: std::fmt::Debug>(
        &mut self,
        attack: &'static str,
        word: &'static str,
        attempt: impl Future<Output = Result<T, Error>>,
    ) {
        let before = self.stage.said().await;
        let answer = attempt.await;
        let Err(Error::Api(status)) = answer else { panic!("{attack}: {answer:?}") };
        assert!(status.message.contains(word), "{attack}: {}", status.message);
        assert!([400, 403, 422].contains(&status.code), "{attack}: {status:?}");
        assert_eq!(self.stage.said().await, before, "{attack} changed something");
        self.rows.push((attack, word));
    }

    fn saw(&mut self, attack: &'static str, what: &'static str) {
        self.rows.push((attack, what));
    }
}

fn entry(field: &str, entry: Value) -> Value {
    json!({"spec": {field: entry}})
}

fn review(who: &str, decision: &str, of: &str) -> Value {
    json!({"reviewer": who, "decision": decision, "previewRef": of, "note": "read it"})
}

fn act(who: &str) -> Value {
    json!({"actor": who, "note": "had to"})
}

/// The API of a kind, as somebody.
async fn api<K: Custom>(stage: &Stage, who: &str) -> Api<K> {
    Api::namespaced(stage.client_of(who, &[]).await, &stage.namespace)
}

async fn say(stage: &Stage, who: &str, spec: Value) -> Result<Deployment, Error> {
    let patch = json!({ "spec": spec });
    api(stage, who).await.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await
}

async fn create(stage: &Stage, who: &str, object: Value) -> Result<DynamicObject, Error> {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let kind = object.types.clone().unwrap().kind;
    let resource = match kind.as_str() {
        "Environment" => ApiResource::erase::<Environment>(&()),
        _ => ApiResource::erase::<Deployment>(&()),
    };
    let api = Api::namespaced_with(stage.client_of(who, &[]).await, &stage.namespace, &resource);
    api.create(&PostParams::default(), &object).await
}

async fn change(stage: &Stage, who: &str, environment: &str, spec: Value) -> Result<Environment, Error> {
    let patch = json!({ "spec": spec });
    api(stage, who).await.patch(environment, &PatchParams::default(), &Patch::Merge(&patch)).await
}

async fn forge(stage: &Stage, who: &str, status: Value) -> Result<Deployment, Error> {
    let patch = json!({ "status": status });
    api(stage, who).await.patch_status("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await
}

async fn delete<K: Custom>(stage: &Stage, who: &str, name: &str) -> Result<(), Error> {
    api::<K>(stage, who).await.delete(name, &DeleteParams::default()).await.map(drop)
}

fn asked(name: &str) -> Value {
    deployment(name, "web", "prod", "web-v1").with("spec.risk", "none known")
}

fn production(stage: &Stage) -> Value {
    environment("prod", &stage.namespace).with("spec.tier", "production")
}

async fn reference(stage: &Stage) -> String {
    stage.get::<Deployment>("web-v1").await.status.unwrap().preview.unwrap().reference
}

/// ann asks through the bot; it is previewed.
async fn opened(stage: &Stage) {
    for object in rights(&stage.namespace) {
        stage.put(object).await;
    }
    stage.put(production(stage)).await;
    stage.put(environment("strict", &stage.namespace).with("spec.tier", "production")).await;
    stage.put(release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
    for name in ["prod", "strict"] {
        stage.environment(name, "is ready", |status| status.phase == EnvironmentPhase::Active).await;
    }
}

#[tokio::test]
async fn no_way_around_the_rules_is_open() {
    let stage = Stage::open().await;
    opened(&stage).await;
    let mut tries = Try { stage: &stage, rows: Vec::new() };
    at_creation(&stage, &mut tries).await;
    before_review(&stage, &mut tries).await;
    in_review(&stage, &mut tries).await;
    on_status(&stage, &mut tries).await;
    on_environments(&stage, &mut tries).await;
    after_the_end(&stage, &mut tries).await;
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SECURITY.md")).unwrap();
    let missing: Vec<_> = tries
        .rows
        .iter()
        .filter(|(attack, word)| !table.lines().any(|line| line.contains(attack) && line.contains(word)))
        .map(|(attack, word)| format!("| {attack} | `{word}` |"))
        .collect();
    assert!(missing.is_empty(), "docs/SECURITY.md lacks:\n{}", missing.join("\n"));
    assert!(tries.rows.len() >= 40, "{}", tries.rows.len());
    stage.verify();
}

async fn at_creation(stage: &Stage, tries: &mut Try<'_>) {
    let new = |name| asked(name).with("spec.requester", ANN);
    tries.refused("ask in the name of somebody else", "actas", create(stage, MAL, new("x"))).await;
    tries.refused("ask without the verb deploy", "forbidden", create(stage, MAL, asked("x"))).await;
    tries.refused("ask with the verb on another Environment", "forbidden", create(stage, BERT, asked("x"))).await;
    let mut unsaid = asked("x");
    unsaid["spec"].as_object_mut().unwrap().remove("risk");
    tries.refused("production without saying the risk", "validation_failed", create(stage, ANN, unsaid)).await;
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

async fn before_review(stage: &Stage, tries: &mut Try<'_>) {
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

async fn in_review(stage: &Stage, tries: &mut Try<'_>) {
    let of = reference(stage).await;
    let approve = |who: &str| json!({ "reviews": [review(who, "Approve", &of)] });
    tries.refused("approve one's own request", "self_approval", say(stage, ANN, approve(ANN))).await;
    tries.refused("approve what one submitted for another", "self_approval", say(stage, BOT, approve(BOT))).await;
    let grouped: Api<Deployment> = Api::namespaced(stage.client_of(ANN, &["reviewers"]).await, &stage.namespace);
    let patch = entry("reviews", json!([review(ANN, "Approve", &of)]));
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
    let patch = entry("reviews", json!([review(ROB, "Approve", of)]));
    let attempt = async { api.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await };
    tries.refused("impersonate a reviewer without the right to", "cannot impersonate", attempt).await;
}

async fn on_status(stage: &Stage, tries: &mut Try<'_>) {
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
    // What is not being deleted has its finalizer put back, whatever is written.
    let patch = json!({"metadata": {"finalizers": null}});
    let kept: Deployment =
        api(stage, ANN).await.patch("web-v1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    assert_eq!(kept.metadata.finalizers.as_deref(), Some(&["slipway.dev/audit".to_owned()][..]));
    tries.saw("take the finalizer off", "put back at once");
}

async fn on_environments(stage: &Stage, tries: &mut Try<'_>) {
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
    let reset = |who: &str| json!({"reset": {"of": "6f3c1c9e-0000-4000-8000-000000000001", "actor": who, "note": "n"}});
    tries.refused("reset without the verb", "forbidden", change(stage, ANN, "prod", reset(ANN))).await;
    tries.refused("reset as somebody else", "forbidden", change(stage, OZ, "prod", reset(ROB))).await;
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

async fn after_the_end(stage: &Stage, tries: &mut Try<'_>) {
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
