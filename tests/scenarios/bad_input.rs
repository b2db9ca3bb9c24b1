//! Whatever is wrong with an object, the API server says so at once and names the field.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Deserialize;
use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_tests::plane::Plane;
use slipway_tests::stage::objects::{config, deployment, environment, release};
use slipway_tests::stage::{ALICE, Stage, schemas};

#[path = "../bad_input/derive.rs"]
mod derive;

/// How many objects are tried at a time.
const AT_ONCE: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    of: String,
    #[serde(default)]
    with: BTreeMap<String, Value>,
    #[serde(default)]
    status: Option<Value>,
    #[serde(default)]
    then: BTreeMap<String, Value>,
    #[serde(default)]
    accepted: bool,
    #[serde(default)]
    says: Vec<String>,
}

#[tokio::test]
async fn every_field_of_every_schema_is_refused_by_name_in_every_way_it_can_be_wrong() {
    let stage = Stage::dark().await;
    let valid: Vec<Value> = valid().into_values().collect();
    let mut cases = Vec::new();
    for definition in slipway_crd::install::definitions().unwrap() {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let valid: Vec<Value> = valid.iter().filter(|object| object["kind"] == kind).cloned().collect();
        assert_eq!(derive::uncovered(schema, &valid), [""; 0], "valid.yaml lacks fields of {kind}");
        cases.extend(derive::cases(schema, &valid));
    }
    assert!(cases.len() > 400, "{} cases", cases.len());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let tried: Vec<_> = cases
        .iter()
        .map(|case| async {
            let answer = created(&stage.admin, &stage.namespace, &case.object, &dry).await.err();
            wrong(&case.name, answer.as_deref(), &case.says, false)
        })
        .collect();
    let wrong: Vec<String> =
        stream::iter(tried).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_the_schemas_alone_do_not_say_is_refused_in_a_sentence() {
    // Without the policies that ask who says it and when: these cases say many things at once, as anybody.
    let plane = Plane::start().unwrap();
    schemas(&plane);
    let client = plane.client().await.unwrap();
    let valid = valid();
    let cases: Vec<Written> = serde_yaml::from_str(include_str!("../bad_input/cases.yaml")).unwrap();
    let tried: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let (client, valid) = (&client, &valid);
            async move {
                let answer = answer(client, case, &valid[&case.of], number).await.err();
                wrong(&case.name, answer.as_deref(), &case.says, case.accepted)
            }
        })
        .collect();
    let wrong: Vec<String> =
        stream::iter(tried).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Its schema takes this status and nobody can read it: a rollback that a person asked for, and not who.
async fn unreadable(stage: &Stage, name: &str) {
    let rollback = json!({
        "id": "a", "origin": "Manual", "state": "Requested", "requestedAt": "2026-01-02T03:04:05Z",
    });
    stage.forge(name, |status| status["rollback"] = rollback).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_can_be_deleted_and_its_history_has_an_end() {
    let mut stage = Stage::dark().await;
    let mut object = deployment("new", "web", "dev", "web-v1");
    stage.apply(ALICE, &object).await;
    let first = json!({"phase": "Pending", "audit": {"seq": 0, "epoch": 0, "auditedSeq": 0}});
    stage.forge("new", |status| *status = first).await.unwrap();
    unreadable(&stage, "new").await;
    stage.start().await;
    stage.waits("new", "Invalid").await;
    stage.delete::<Deployment>("new").await;
    stage.gone::<Deployment>("new").await;

    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    object["metadata"]["name"] = json!("old");
    let uid = stage.apply(ALICE, &object).await.metadata.uid.unwrap();
    stage.phase("old", Phase::Succeeded).await;
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;
    unreadable(&stage, "old").await;
    stage.waits("old", "Invalid").await;
    stage.delete::<Deployment>("old").await;
    stage.gone::<Deployment>("old").await;
    assert_eq!(stage.actions(&uid).last().map(String::as_str), Some("release.deleted"));
    stage.verify();
}

fn valid() -> BTreeMap<String, Value> {
    serde_yaml::from_str(include_str!("../bad_input/valid.yaml")).unwrap()
}

/// What the server makes of one case; the error is its sentence.
async fn answer(client: &Client, case: &Written, valid: &Value, number: usize) -> Result<(), String> {
    let namespace = "default";
    let first = changed(valid.clone(), &case.with);
    if case.then.is_empty() {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        return created(client, namespace, &first, &dry).await.map(|_| ());
    }
    let name = format!("case-{number}");
    let first = changed(first, &BTreeMap::from([("/metadata/name".to_owned(), Value::from(name.as_str()))]));
    let params = PostParams::default();
    let mut stored = created(client, namespace, &undecided(&first), &params).await.unwrap();
    let api = api(client, namespace, &first);
    let decisions = decisions(&first);
    if !decisions.is_empty() {
        let written = api.replace(&name, &params, &read(changed(stored, &decisions))).await.unwrap();
        stored = serde_json::to_value(written).unwrap();
    }
    if let Some(status) = &case.status {
        let given = changed(stored, &BTreeMap::from([("/status".to_owned(), status.clone())]));
        let written = api.replace_status(&name, &params, &read(given)).await.unwrap();
        stored = serde_json::to_value(written).unwrap();
    }
    let next = read(changed(stored, &case.then));
    let of_status = case.then.keys().any(|pointer| pointer.starts_with("/status"));
    let written = if of_status {
        api.replace_status(&name, &params, &next).await
    } else {
        api.replace(&name, &params, &next).await
    };
    written.map(|_| ()).map_err(|error| error.to_string())
}

/// What people decide about a Deployment once it is there.
const DECISIONS: [&str; 8] =
    ["confirmations", "reviews", "manual", "rollbacks", "breakGlass", "afterReview", "overrideFreeze", "abort"];

/// What was decided about an object, by its pointers.
fn decisions(object: &Value) -> BTreeMap<String, Value> {
    let said = DECISIONS.map(|field| format!("/spec/{field}")).into_iter();
    said.filter_map(|field| object.pointer(&field).cloned().map(|value| (field, value))).collect()
}

/// The object as it is created: before anybody decided anything about it.
fn undecided(object: &Value) -> Value {
    changed(object.clone(), &decisions(object).into_keys().map(|field| (field, Value::Null)).collect())
}

async fn created(client: &Client, namespace: &str, object: &Value, params: &PostParams) -> Result<Value, String> {
    // Typed clients leave out what they do not know: what is wrong is sent as it is.
    let api = api(client, namespace, object);
    let dry = if params.dry_run { "&dryRun=All" } else { "" };
    let request = http::Request::post(format!("{}?fieldValidation=Strict{dry}", api.resource_url()))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    client.request::<Value>(request).await.map_err(|error| error.to_string())
}

fn api(client: &Client, namespace: &str, object: &Value) -> Api<DynamicObject> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("slipway.dev", "v1alpha1", object["kind"].as_str().unwrap()));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn read(object: Value) -> DynamicObject {
    serde_json::from_value(object).unwrap()
}

/// The object with a value at each pointer; null removes. What leads there is made.
fn changed(mut object: Value, changes: &BTreeMap<String, Value>) -> Value {
    for (pointer, value) in changes {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        let mut place = &mut object;
        for part in parent.split('/').skip(1) {
            place = match part.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[part],
            };
        }
        match (last.parse::<usize>(), value) {
            (Ok(index), value) => place[index] = value.clone(),
            (Err(_), Value::Null) => {
                place.as_object_mut().map(|map| map.remove(last));
            }
            (Err(_), value) => place[last] = value.clone(),
        }
    }
    object
}

/// Why a case is not as it should be.
fn wrong(name: &str, answer: Option<&str>, says: &[String], accepted: bool) -> Option<String> {
    match (answer, accepted) {
        (None, true) => None,
        (None, false) => Some(format!("{name}: was taken")),
        (Some(answer), true) => Some(format!("{name}: was refused: {answer}")),
        (Some(answer), false) => {
            let missing: Vec<&String> = says.iter().filter(|words| !answer.contains(words.as_str())).collect();
            (!missing.is_empty()).then(|| format!("{name}: {missing:?} is not in {answer}"))
        }
    }
}
