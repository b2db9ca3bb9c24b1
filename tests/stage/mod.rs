//! A stage is a namespace with an account, people and a controller of its own: scenarios that share a plane never meet.
//!
//! The controller is the program that is shipped, run as the service account that is shipped, with the rights that are
//! shipped. It ends with its stage, however the scenario ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a step that fails is a test that fails"
)]
mod controller;
mod history;
pub(crate) mod install;
pub mod objects;
mod people;
mod wait;

use std::process::Output;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, NamespaceResourceScope};
use serde_json::{Value, json};
use tempfile::TempDir;

use slipway_domain::admission::{CONTROLLER_ACCOUNT, NAMESPACE_CONTROLLER};

pub use controller::{Controller, Ending};
pub use install::schemas;
pub use people::{ALICE, BOB, CAROL};
pub use wait::{PATIENCE, answered, eventually};

use crate::plane::Plane;
use objects::With as _;

/// The service account that Slipway acts as on every stage.
pub const ACCOUNT: &str = "deployer";

/// A namespace of its own, and the controller that looks after it.
pub struct Stage {
    /// The namespace.
    pub namespace: String,
    /// The administrator.
    pub admin: Client,
    plane: &'static Plane,
    folder: TempDir,
    kubeconfig: std::path::PathBuf,
    controller: Option<Controller>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Stage {
    /// A stage whose controller leads.
    pub async fn open() -> Self {
        let mut stage = Self::dark().await;
        stage.start().await;
        stage
    }

    /// A stage without a controller yet.
    pub async fn dark() -> Self {
        let plane = Plane::shared().unwrap();
        install::once(plane);
        Self::furnished(plane).await
    }

    /// A stage without a controller yet, on a plane that has got Slipway in another way.
    pub async fn on(plane: &'static Plane) -> Self {
        install::stamped(plane);
        Self::furnished(plane).await
    }

    async fn furnished(plane: &'static Plane) -> Self {
        let admin = plane.client().await.unwrap();
        let namespace = format!("stage-{}", &uuid::Uuid::new_v4().simple().to_string()[..10]);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = install::kubeconfig(plane, folder.path());
        let stage = Self { namespace, admin, plane, folder, kubeconfig, controller: None };
        stage.furnish().await;
        stage
    }

    async fn furnish(&self) {
        self.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})).await;
        self.put(self.service_account(ACCOUNT)).await;
        self.put(self.may("edit", "edit", &format!("system:serviceaccount:{}:{ACCOUNT}", self.namespace))).await;
        self.put(self.may("slipway", "slipway-namespace", "system:serviceaccount:slipway-system:slipway")).await;
        for object in people::rights(&self.namespace) {
            self.put(object).await;
        }
    }

    /// A service account.
    pub fn service_account(&self, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": self.namespace}})
    }

    /// The same Environment as an account of its own: it is beside no other then.
    pub async fn apart(&self, environment: Value) -> Value {
        let name = environment["metadata"]["name"].as_str().unwrap().to_owned();
        self.put(self.service_account(&name)).await;
        self.put(self.may(&name, "edit", &format!("system:serviceaccount:{}:{name}", self.namespace))).await;
        environment.with("spec.runtime.k8s.serviceAccountName", name)
    }

    /// A binding of a `ClusterRole` to a user in this namespace.
    pub fn may(&self, name: &str, role: &str, user: &str) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": self.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        })
    }

    /// Starts a controller, and waits until it leads.
    pub async fn start(&mut self) -> &Controller {
        let controller = Controller::start(&self.kubeconfig, &self.namespace, &self.database());
        controller.says("leading").await;
        self.controller.insert(controller)
    }

    /// Asks the controller to end, and waits until it has.
    pub async fn stop(&mut self) -> Ending {
        self.controller.take().unwrap().stop().await
    }

    /// The controller that runs.
    pub fn controller(&self) -> &Controller {
        self.controller.as_ref().unwrap()
    }

    /// A kubeconfig of the controller's own account.
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// The archive.
    pub fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("archive.db")
    }

    /// kubectl as the administrator, in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        let all = ["--namespace", &self.namespace].into_iter().chain(arguments.iter().copied());
        self.plane.kubectl(all).unwrap()
    }

    /// kubectl as the administrator, in no namespace, with `input` to read.
    pub fn feed_kubectl(&self, arguments: &[&str], input: &str) -> String {
        let output = self.plane.kubectl_with_input(arguments, input).unwrap();
        assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the policies count as in force.
    pub fn settled(&self) {
        install::settled(self.plane);
    }

    /// A kind of policies or bindings as kubectl names it.
    pub fn of_kind(kind: &str) -> String {
        install::of_kind(kind)
    }

    /// What kubectl prints, if it succeeds.
    pub fn kubectl_says(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments);
        assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Applies an object as the administrator.
    pub async fn put(&self, object: Value) -> DynamicObject {
        apply(&self.admin, &self.namespace, &object).await.unwrap()
    }

    /// Applies an object as a person.
    pub async fn apply(&self, person: &str, object: &Value) -> DynamicObject {
        self.try_apply(person, object).await.unwrap()
    }

    /// Applies an object as a person, who may be refused.
    pub async fn try_apply(&self, person: &str, object: &Value) -> Result<DynamicObject, kube::Error> {
        apply(&self.as_person(person).await, &self.namespace, object).await
    }

    /// Adds to an object as a person: a merge patch.
    pub async fn say<K: Custom>(&self, person: &str, name: &str, patch: Value) {
        self.try_say::<K>(person, name, patch).await.unwrap();
    }

    /// Adds to an object as a person, who may be refused.
    pub async fn try_say<K: Custom>(&self, person: &str, name: &str, patch: Value) -> Result<K, kube::Error> {
        let api: Api<K> = Api::namespaced(self.as_person(person).await, &self.namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await
    }

    /// Writes the status of a Deployment as the controller would.
    pub async fn forge(&self, name: &str, change: impl FnOnce(&mut Value)) -> Result<(), kube::Error> {
        let client = self.client_of(CONTROLLER_ACCOUNT, &[]).await;
        let api = dynamic(&client, &self.namespace, "slipway.dev/v1alpha1", "Deployment");
        let mut object = api.get(name).await?;
        change(&mut object.data["status"]);
        api.replace_status(name, &PostParams::default(), &object).await.map(drop)
    }

    /// Asks for the deletion of an object as the namespace controller does, whose deletions no rule refuses.
    pub async fn delete<K: Custom>(&self, name: &str) {
        let client = self.client_of(NAMESPACE_CONTROLLER, &[]).await;
        let api: Api<K> = Api::namespaced(client, &self.namespace);
        api.delete(name, &DeleteParams::background()).await.unwrap();
    }

    /// Takes an object away whatever holds it: its finalizers go with it.
    pub async fn vanish<K: Custom>(&self, name: &str) {
        self.delete::<K>(name).await;
        let api: Api<K> = Api::namespaced(self.client_of(CONTROLLER_ACCOUNT, &[]).await, &self.namespace);
        let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.patch(name, &PatchParams::default(), &bare).await.unwrap();
        self.gone::<K>(name).await;
    }

    /// An object as it is now.
    pub async fn get<K: Custom>(&self, name: &str) -> K {
        self.find(name).await.unwrap()
    }

    /// An object as it is now, if there is one.
    pub async fn find<K: Custom>(&self, name: &str) -> Option<K> {
        let api: Api<K> = Api::namespaced(self.admin.clone(), &self.namespace);
        api.get_opt(name).await.unwrap()
    }

    /// What people have said, and where each object stands: all that a refused request must leave as it was.
    pub async fn said(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for kind in ["Deployment", "Environment", "Release"] {
            let api = dynamic(&self.admin, &self.namespace, "slipway.dev/v1alpha1", kind);
            for object in api.list(&kube::api::ListParams::default()).await.unwrap() {
                let metadata = object.metadata;
                all.push(json!({
                    "kind": kind, "name": metadata.name, "uid": metadata.uid, "finalizers": metadata.finalizers,
                    "deleting": metadata.deletion_timestamp, "spec": object.data["spec"],
                    "phase": object.data["status"]["phase"], "preview": object.data["status"]["preview"]["ref"],
                }));
            }
        }
        all
    }

    /// The version of every object of Slipway's on this stage: what a write would change.
    pub async fn versions(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for kind in ["Deployment", "Environment", "Release"] {
            let api = dynamic(&self.admin, &self.namespace, "slipway.dev/v1alpha1", kind);
            for object in api.list(&kube::api::ListParams::default()).await.unwrap() {
                let metadata = object.metadata;
                let name = metadata.name.unwrap_or_default();
                versions.push(format!("{kind}/{name}@{}", metadata.resource_version.unwrap_or_default()));
            }
        }
        versions
    }

    /// A client of a person who is also a member of these groups.
    pub async fn client_of(&self, person: &str, groups: &[&str]) -> Client {
        let mut config = self.plane.config().await.unwrap();
        config.auth_info.impersonate = Some(person.to_owned());
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        config.auth_info.impersonate_groups = (!groups.is_empty()).then_some(groups);
        Client::try_from(config).unwrap()
    }

    /// A configuration of a service account of this stage, by its own token.
    pub async fn account(&self, name: &str) -> kube::Config {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        self.plane.kubeconfig_of(&self.namespace, name, &path).unwrap();
        self.plane.account(&path).await.unwrap()
    }

    async fn as_person(&self, person: &str) -> Client {
        self.client_of(person, &[]).await
    }
}

/// A kind that scenarios read by its type.
pub trait Custom:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + serde::Serialize
    + serde::de::DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Custom for K where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

async fn apply(client: &Client, namespace: &str, object: &Value) -> Result<DynamicObject, kube::Error> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let api = dynamic(client, namespace, text("apiVersion"), text("kind"));
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    api.patch(name, &PatchParams::apply("kubectl").force(), &Patch::Apply(object)).await
}

/// Objects of a kind that is known only by its name. Every kind here has a regular plural.
fn dynamic(client: &Client, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match kind {
        "Namespace" | "ClusterRole" | "ClusterRoleBinding" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}
