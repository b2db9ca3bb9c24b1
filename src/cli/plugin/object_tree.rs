//! The objects of a service as they are now, each with its health and its pods, read with the caller's own rights.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{self, Scope};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use slipway_domain::runtime::ObjectRef;
use slipway_k8s::kstatus::{Health, judge};

use super::paint::Paint;
use super::refusal;
use super::table::plain;
use super::tree::Node;

/// An object, how it is, and the pods that it has.
pub(super) struct Found {
    reference: ObjectRef,
    state: State,
    pods: Vec<(String, State)>,
}

enum State {
    Is(Health),
    Missing,
    /// Why it is not known.
    Unknown(String),
}

impl State {
    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Is(Health::Current) => ("Current", ""),
            Self::Is(Health::InProgress { message }) => ("InProgress", message),
            Self::Is(Health::Failed { message }) => ("Failed", message),
            Self::Missing => ("Missing", "it does not exist"),
            Self::Unknown(why) => ("Unknown", why),
        }
    }

    fn text(&self, paint: Paint) -> String {
        let (word, message) = self.words();
        let painted = match self {
            Self::Is(Health::Current) => paint.green(word),
            Self::Is(Health::InProgress { .. }) | Self::Unknown(_) => paint.yellow(word),
            Self::Is(Health::Failed { .. }) | Self::Missing => paint.red(word),
        };
        if message.is_empty() { painted } else { format!("{painted}: {}", plain(message)) }
    }
}

impl Found {
    /// As a branch of a tree.
    pub(super) fn node(&self, paint: Paint) -> Node {
        let mut node = Node::new(format!("{}  {}", plain(&self.reference.to_string()), self.state.text(paint)));
        for (name, state) in &self.pods {
            node.line(format!("Pod/{}  {}", plain(name), state.text(paint)));
        }
        node
    }

    /// As machines read it.
    pub(super) fn json(&self) -> Value {
        let (health, message) = self.state.words();
        let pods: Vec<Value> = self
            .pods
            .iter()
            .map(|(name, state)| json!({"name": name, "health": state.words().0, "message": state.words().1}))
            .collect();
        json!({"object": self.reference.to_string(), "health": health, "message": message, "pods": pods})
    }
}

/// Reads every object of an inventory.
pub(super) async fn read(client: &Client, namespace: &str, inventory: &[String]) -> Vec<Found> {
    let mut kinds = HashMap::new();
    let mut all = Vec::new();
    for reference in inventory.iter().filter_map(|object| object.parse::<ObjectRef>().ok()) {
        all.push(one(client, namespace, reference, &mut kinds).await);
    }
    all
}

type Kinds = HashMap<(String, String), Result<(ApiResource, Scope), String>>;

async fn one(client: &Client, namespace: &str, reference: ObjectRef, kinds: &mut Kinds) -> Found {
    let key = (reference.api_version.clone(), reference.kind.clone());
    let kind = if let Some(known) = kinds.get(&key) {
        known.clone()
    } else {
        let found = discovered(client, &reference).await;
        kinds.insert(key, found.clone());
        found
    };
    let (resource, scope) = match kind {
        Ok(kind) => kind,
        Err(why) => return Found { reference, state: State::Unknown(why), pods: Vec::new() },
    };
    let api: Api<DynamicObject> = match scope {
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
        Scope::Cluster => Api::all_with(client.clone(), &resource),
    };
    match refusal::timed(api.get(&reference.name)).await {
        Ok(object) => {
            let object = serde_json::to_value(object).unwrap_or_default();
            let pods = pods(client, namespace, &object).await;
            Found { reference, state: State::Is(judge(&object)), pods }
        }
        Err(error) if refusal::missing(&error) => Found { reference, state: State::Missing, pods: Vec::new() },
        Err(error) => Found { reference, state: State::Unknown(told(&error)), pods: Vec::new() },
    }
}

async fn discovered(client: &Client, reference: &ObjectRef) -> Result<(ApiResource, Scope), String> {
    let version = reference.api_version.split_once('/').map_or(reference.api_version.as_str(), |(_, version)| version);
    let gvk = GroupVersionKind::gvk(reference.group(), version, &reference.kind);
    let found = refusal::timed(discovery::pinned_kind(client, &gvk)).await.map_err(|error| told(&error))?;
    Ok((found.0, found.1.scope))
}

/// The pods that a workload selects.
async fn pods(client: &Client, namespace: &str, workload: &Value) -> Vec<(String, State)> {
    let group = workload["apiVersion"].as_str().unwrap_or_default();
    let labels = workload["spec"]["selector"]["matchLabels"].as_object();
    let Some(labels) =
        labels.filter(|labels| !labels.is_empty() && (group.starts_with("apps/") || group.starts_with("batch/")))
    else {
        return Vec::new();
    };
    let pairs: Vec<String> =
        labels.iter().filter_map(|(name, value)| value.as_str().map(|value| format!("{name}={value}"))).collect();
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let found = refusal::timed(api.list(&ListParams::default().labels(&pairs.join(",")))).await;
    match found {
        Ok(pods) => pods
            .items
            .iter()
            .map(|pod| (pod.name_any(), State::Is(judge(&serde_json::to_value(pod).unwrap_or_default()))))
            .collect(),
        Err(error) => vec![("?".to_owned(), State::Unknown(told(&error)))],
    }
}

fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => slipway_controller::explain(other),
    }
}
