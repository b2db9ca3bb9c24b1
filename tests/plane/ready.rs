//! When a plane is ready: its server answers with this plane's certificate, namespaces get their service accounts, and a
//! node takes pods. A plane that is handed out earlier fails its first test, strangely.
use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, NodeStatus, ServiceAccount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::Instant;

use super::component::Components;
use super::error::PlaneError;

/// How long a plane may take from its first process to ready. It takes 3 to 5 s on two idle cores.
const LIMIT: Duration = Duration::from_mins(2);
const INTERVAL: Duration = Duration::from_millis(50);
/// A server that accepts and does not answer counts as not ready.
const ANSWER: Duration = Duration::from_secs(5);

/// The one node of a plane.
const NODE: &str = "node-1";

/// The time that is left for a plane to become ready.
#[derive(Debug)]
pub(super) struct Readiness {
    until: Instant,
}

impl Readiness {
    pub(super) fn start() -> Self {
        Self { until: Instant::now() + LIMIT }
    }

    /// Waits for `/readyz`. The client trusts this plane's authority alone, so no other server can answer for it.
    pub(super) async fn server(&self, components: &mut Components, client: &Client) -> Result<(), PlaneError> {
        let probe = async || {
            let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
            client.request_text(request).await.map(drop).map_err(|error| error.to_string())
        };
        self.until(components, "a ready API server", "kube-apiserver", probe).await
    }

    /// Waits for the `default` service account, without which no pod is admitted.
    pub(super) async fn service_account(&self, components: &mut Components, client: &Client) -> Result<(), PlaneError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        let probe = async || accounts.get("default").await.map(drop).map_err(|error| error.to_string());
        self.until(components, "the default ServiceAccount", "kube-controller-manager", probe).await
    }

    /// Creates the node and waits until kwok has made it Ready and the controller manager lets pods onto it.
    pub(super) async fn node(&self, components: &mut Components, client: &Client) -> Result<(), PlaneError> {
        let nodes: Api<Node> = Api::all(client.clone());
        let create = async || match nodes.create(&PostParams::default(), &node()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        self.until(components, "a node", "kube-apiserver", create).await?;
        let probe = async || takes_pods(&nodes.get(NODE).await.map_err(|error| error.to_string())?);
        self.until(components, "a node that takes pods", "kwok", probe).await
    }

    /// Repeats `probe` until it succeeds, a component ends, or the time is up.
    async fn until(
        &self,
        components: &mut Components,
        what: &'static str,
        component: &'static str,
        probe: impl AsyncFn() -> Result<(), String>,
    ) -> Result<(), PlaneError> {
        loop {
            components.check()?;
            let answer = tokio::time::timeout(ANSWER, probe()).await;
            let last = match answer.unwrap_or_else(|_| Err("no answer".into())) {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            };
            if Instant::now() >= self.until {
                return Err(components.late(component, what, LIMIT, last));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// More room than any test fills.
fn node() -> Node {
    let sizes = [("cpu", "1000"), ("memory", "4Ti"), ("ephemeral-storage", "4Ti"), ("pods", "100000")];
    let resources: BTreeMap<_, _> = sizes.map(|(name, size)| (name.to_owned(), Quantity(size.to_owned()))).into();
    let labels = [("kubernetes.io/hostname", NODE), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", "amd64")];
    Node {
        metadata: ObjectMeta {
            name: Some(NODE.into()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        status: Some(NodeStatus {
            capacity: Some(resources.clone()),
            allocatable: Some(resources),
            ..NodeStatus::default()
        }),
        ..Node::default()
    }
}

/// A node is created with a taint that the controller manager removes once it is Ready.
fn takes_pods(node: &Node) -> Result<(), String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    if !conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True") {
        return Err("it is not Ready".into());
    }
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    match taints.first() {
        Some(taint) => Err(format!("it has the taint {}", taint.key)),
        None => Ok(()),
    }
}
