//! What Slipway writes for one deployment, recorded from the API server, and a bare client that writes the same again.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Request, header};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;

use crate::Outcome;
use crate::bed::{Bed, until};
use crate::controller::Controller;
use crate::release::{self, NAMESPACE};

/// The name that a recording is made under, and that is replaced by one of the same length.
const RECORDED: &str = "x99999";
/// How many objects of one deployment are written at a time, as Slipway does.
const WRITES: usize = 4;

/// The writes of one deployment, in the order in which the API server stored them.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    steps: Vec<Step>,
    /// Events for people, written beside the work.
    events: Vec<String>,
    uid: String,
}

#[derive(Debug, Clone)]
enum Step {
    /// The status of a Deployment or an Environment, with the URL of the object.
    Status { url: String, body: String },
    /// Objects that are applied together.
    Objects(Vec<(String, String)>),
}

impl Script {
    /// Deploys one release and records what was written for it. Other Environments may be there.
    pub(crate) async fn record(bed: &Bed, controller: &Controller, release: &str) -> Outcome<Self> {
        bed.create_environments(std::iter::once(RECORDED.to_owned())).await?;
        let params = WatchParams::default().fields(&format!("metadata.name={RECORDED}"));
        let version = |list: kube::core::ListMeta| list.resource_version.unwrap_or_default();
        let environments = version(bed.environments().list(&ListParams::default()).await?.metadata);
        let deployments = version(bed.deployments().list(&ListParams::default()).await?.metadata);
        let told = stream::select(
            bed.environments().watch(&params, &environments).await?.map_ok(|event| told("environments", &event)),
            bed.deployments().watch(&params, &deployments).await?.map_ok(|event| told("deployments", &event)),
        );
        let deployment = release::deployment(RECORDED, RECORDED, release, RECORDED, "1");
        bed.create_deployments(std::iter::once(deployment)).await?;
        bed.deployed(controller, 1.0).await?;
        // The watches go on for ever; what they tell comes at once.
        let told = told.take_until(tokio::time::sleep(Duration::from_secs(3)));
        let told: Vec<Option<(u64, String, Value)>> = told.try_collect().await?;
        let mut told: Vec<_> = told.into_iter().flatten().collect();
        told.sort_by_key(|(version, _, _)| *version);
        let uid = bed.deployments().get(RECORDED).await?.uid().ok_or("a Deployment has no uid")?;
        let first = told.iter().position(|(_, url, _)| url.contains("/deployments/")).ok_or("nothing was recorded")?;
        // The creation is each client's own first step.
        told.remove(first);
        let mut written = objects(bed).await?;
        written.sort_by_key(|(version, _, _)| *version);

        let mut steps = Vec::new();
        let mut group = Vec::new();
        let mut written = written.into_iter().peekable();
        for (version, url, body) in told {
            while let Some((_, url, body)) = written.next_if(|(at, _, _)| *at < version) {
                group.push((url, body.to_string()));
            }
            if !group.is_empty() {
                steps.push(Step::Objects(std::mem::take(&mut group)));
            }
            steps.push(Step::Status { url, body: body.to_string() });
        }
        Ok(Self { steps, events: events(bed).await?, uid })
    }

    /// How many writes one deployment is: its creation, and what follows.
    pub(crate) fn writes(&self) -> usize {
        let count = |step: &Step| match step {
            Step::Status { .. } => 1,
            Step::Objects(objects) => objects.len(),
        };
        1 + self.steps.iter().map(count).sum::<usize>()
    }

    /// Writes one deployment under `name`.
    pub(crate) async fn play(&self, client: &Client, name: &str, deployment: &Value) -> Outcome<()> {
        let collection = format!("/apis/slipway.dev/v1alpha1/namespaces/{NAMESPACE}/deployments");
        let created = send(client, "POST", &collection, deployment.to_string(), false).await?;
        let uid = created["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut versions = [("/deployments/", version(&created)), ("/environments/", String::new())];
        let own = |text: &str| text.replace(RECORDED, name).replace(&self.uid, &uid);
        for step in &self.steps {
            match step {
                Step::Status { url, body } => {
                    let (url, mut body) = (own(url), serde_json::from_str::<Value>(&own(body))?);
                    let place = versions.iter_mut().find(|(kind, _)| url.contains(kind)).ok_or("an unknown kind")?;
                    if place.1.is_empty() {
                        place.1 = version(&send(client, "GET", &url, String::new(), false).await?);
                    }
                    body["metadata"]["resourceVersion"] = Value::from(place.1.clone());
                    let stored = send(client, "PUT", &format!("{url}/status"), body.to_string(), false).await?;
                    place.1 = version(&stored);
                }
                Step::Objects(objects) => {
                    let own: Vec<_> = objects.iter().map(|(url, body)| (own(url), own(body))).collect();
                    let each = own.into_iter().map(|(url, body)| apply(client.clone(), url, body));
                    let _: Vec<Value> = stream::iter(each).buffer_unordered(WRITES).try_collect().await?;
                }
            }
        }
        Ok(())
    }

    /// Writes the Events of `name`, one after the other.
    pub(crate) async fn play_events(&self, client: &Client, name: &str) -> Outcome<()> {
        for event in &self.events {
            let url = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events");
            send(client, "POST", &url, event.replace(RECORDED, name), false).await?;
        }
        Ok(())
    }
}

/// An object as a watch tells it: its version, its URL, and what a client that writes its status sends.
fn told<K: kube::Resource + serde::Serialize>(plural: &str, event: &WatchEvent<K>) -> Option<(u64, String, Value)> {
    let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { return None };
    let mut body = serde_json::to_value(object).ok()?;
    let version = object.resource_version()?.parse().ok()?;
    body["metadata"].as_object_mut()?.remove("managedFields");
    // Each object has an identity of its own.
    body["metadata"].as_object_mut()?.remove("uid");
    let url = format!("/apis/slipway.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}/{}", object.name_any());
    Some((version, url, body))
}

/// The release's objects, as they were applied.
async fn objects(bed: &Bed) -> Outcome<Vec<(u64, String, Value)>> {
    let mut all = Vec::new();
    for (plural, kind) in [("configmaps", "ConfigMap"), ("secrets", "Secret"), ("services", "Service")] {
        let url = format!("/api/v1/namespaces/{NAMESPACE}/{plural}");
        let list = send(&bed.client, "GET", &url, String::new(), false).await?;
        for object in list["items"].as_array().into_iter().flatten() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if !name.starts_with(RECORDED) {
                continue;
            }
            let at = version(object).parse()?;
            let mut body = object.clone();
            body["apiVersion"] = "v1".into();
            body["kind"] = kind.into();
            forget(
                &mut body,
                "/metadata",
                &["managedFields", "uid", "resourceVersion", "creationTimestamp", "namespace"],
            );
            forget(&mut body, "", &["status"]);
            forget(&mut body, "/spec", &["clusterIP", "clusterIPs"]);
            all.push((at, format!("{url}/{name}"), body));
        }
    }
    Ok(all)
}

/// Takes out what the server adds.
fn forget(body: &mut Value, at: &str, fields: &[&str]) {
    if let Some(object) = body.pointer_mut(at).and_then(Value::as_object_mut) {
        object.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

/// The Events about the recorded Deployment.
async fn events(bed: &Bed) -> Outcome<Vec<String>> {
    let api: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let params = ListParams::default().fields(&format!("regarding.name={RECORDED},regarding.kind=Deployment"));
    let mut last = 0;
    until(Duration::from_secs(30), "Events", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = api.list(&params).await?.items.len();
        Ok(std::mem::replace(&mut last, now) == now && now > 0)
    })
    .await?;
    let mut events = Vec::new();
    for mut event in api.list(&params).await?.items {
        let name = format!("{RECORDED}.{}", events.len());
        event.metadata = kube::api::ObjectMeta { name: Some(name), ..kube::api::ObjectMeta::default() };
        events.push(serde_json::to_string(&event)?);
    }
    Ok(events)
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

async fn apply(client: Client, url: String, body: String) -> Outcome<Value> {
    send(&client, "PATCH", &url, body, true).await
}

/// One request, as the release's account where `acting`.
async fn send(client: &Client, method: &str, url: &str, body: String, acting: bool) -> Outcome<Value> {
    let (url, kind) = match method {
        "PATCH" => {
            (format!("{url}?fieldManager=slipway&force=true&fieldValidation=Strict"), "application/apply-patch+yaml")
        }
        _ => (url.to_owned(), "application/json"),
    };
    let mut request = Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, kind);
    if acting {
        request = request.header("impersonate-user", format!("system:serviceaccount:{NAMESPACE}:deployer"));
        for group in ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"] {
            request = request.header("impersonate-group", group);
        }
    }
    Ok(client.request(request.body(body.into_bytes())?).await?)
}
