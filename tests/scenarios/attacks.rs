//! Every way around the rules that somebody could think of, tried as whoever would try it: refused, with its rule named,
//! and nothing changed. docs/SECURITY.md has the table; its rows and those here are the same.

mod around;
mod request;
mod review;

use kube::Error;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::EnvironmentPhase;
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
        "resources": [
            "deployments", "environments", "environmentindexes", "releases", "deployments/status", "environments/status",
        ],
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

fn entry(field: &str, entry: &Value) -> Value {
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
    Box::pin(request::at_creation(&stage, &mut tries)).await;
    Box::pin(request::before_review(&stage, &mut tries)).await;
    Box::pin(review::in_review(&stage, &mut tries)).await;
    Box::pin(around::on_status(&stage, &mut tries)).await;
    Box::pin(around::by_the_garbage_collector(&stage, &mut tries)).await;
    Box::pin(around::on_environments(&stage, &mut tries)).await;
    Box::pin(around::after_the_end(&stage, &mut tries)).await;
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
