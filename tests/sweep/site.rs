//! What all runs share: a plane with Slipway's resources, someone to act as, and an eye on every write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::error::{SweepError, io_error, kube_error};
use super::objects;
use super::process::program;
use super::writes::Writes;
use crate::plane::Plane;

/// Whom the namespace controller acts as, which may delete what has not ended.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// Who judges what the administrator asks for. The group is the one that may do everything.
const REVIEWER: (&str, &str) = ("reviewer@example.com", "system:masters");

/// A plane to run cases on.
pub struct Site {
    /// The administrator.
    pub client: Client,
    /// The controller's own account.
    pub controller: Client,
    /// Every write to an object of a release.
    pub writes: Writes,
    /// Who the administrator is to the API server.
    pub actor: String,
    /// Who judges what the administrator asks for.
    pub reviewer: &'static str,
    reviews: Client,
    namespaces: Client,
    kubeconfig: PathBuf,
    folder: TempDir,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Site {
    /// Installs Slipway's resources and policies on `plane`, and waits until they are in force.
    pub async fn open(plane: &Plane) -> Result<Self, SweepError> {
        let manifests = slipway_crd::install::everything().map_err(|error| SweepError::Wrong(error.to_string()))?;
        let applied =
            plane.kubectl_with_input(["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifests)?;
        if !applied.status.success() {
            return Err(SweepError::Wrong(String::from_utf8_lossy(&applied.stderr).into_owned()));
        }
        let client = plane.client().await?;
        let actor = whoami(&client).await?;
        let as_someone = |mut config: Config, user: &str, groups: &[&str]| {
            config.auth_info.impersonate = Some(user.to_owned());
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            config.auth_info.impersonate_groups = (!groups.is_empty()).then_some(groups);
            Client::try_from(config).map_err(kube_error("a client cannot be made"))
        };
        let namespaces = as_someone(plane.config().await?, NAMESPACE_CONTROLLER, &[])?;
        let (reviewer, may_all) = REVIEWER;
        let reviews = as_someone(plane.config().await?, reviewer, &[may_all])?;
        let writes = Writes::watch(&client);
        let folder = tempfile::Builder::new().prefix("slipway-sweep-").tempdir();
        let folder = folder.map_err(io_error("a folder cannot be made"))?;
        let kubeconfig = folder.path().join("controller.kubeconfig");
        plane.kubeconfig_of("slipway-system", "slipway", &kubeconfig)?;
        let controller = plane.account(&kubeconfig).await?;
        let controller = Client::try_from(controller).map_err(kube_error("a client cannot be made"))?;
        let site = Self { client, controller, writes, actor, reviewer, reviews, namespaces, kubeconfig, folder };
        site.wait_for_policies().await?;
        crate::stage::install::settled(plane);
        Ok(site)
    }

    /// The kubeconfig of the controller's own account.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A folder for one case.
    pub fn folder(&self, name: &str) -> Result<PathBuf, SweepError> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).map_err(io_error(format!("{} cannot be made", path.display())))?;
        Ok(path)
    }

    /// Moves the folder of a case that went wrong to where it stays: `target/sweep-failures`. Returns where it is then.
    pub fn set_aside(&self, name: &str) -> PathBuf {
        let from = self.folder.path().join(name);
        let moved = failures().and_then(|to| {
            let to = to.join(name);
            let _ = std::fs::remove_dir_all(&to);
            std::fs::create_dir_all(&to)
                .and_then(|()| shift(&from, &to))
                .map_err(io_error("a folder cannot be kept"))?;
            Ok(to)
        });
        moved.unwrap_or(from)
    }

    /// Keeps the folders of all cases, for a look after a failure. Returns where they are.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// A namespace with an account that may deploy to it.
    pub async fn namespace(&self, name: &str) -> Result<(), SweepError> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &objects::resource("Namespace"));
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let patch = api.patch(name, &PatchParams::apply("sweep"), &Patch::Apply(&object)).await;
        patch.map_err(kube_error(format!("namespace {name}")))?;
        for object in objects::account(name) {
            self.apply(name, object).await?;
        }
        self.wait_for_rights(name, name).await
    }

    /// Waits until the account of the namespace `from` may write to `name`. The server learns of a binding a moment after
    /// it has stored it, and a controller that asked before would ask again, and write that down, some seconds later.
    pub async fn wait_for_rights(&self, name: &str, from: &str) -> Result<(), SweepError> {
        let resource = objects::resource("SubjectAccessReview");
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let review = DynamicObject::new("", &resource).data(json!({"spec": {
            "user": format!("system:serviceaccount:{from}:deployer"),
            "resourceAttributes": {"namespace": name, "verb": "patch", "group": "apps", "resource": "deployments"},
        }}));
        until(30, &format!("the rights of {from} in {name}"), async || {
            let answer = api.create(&PostParams::default(), &review).await.map_err(kube_error("who may write"))?;
            let allowed = answer.data.pointer("/status/allowed").and_then(Value::as_bool) == Some(true);
            Ok(if allowed { Ok(()) } else { Err(answer.data["status"].to_string()) })
        })
        .await
    }

    /// Applies an object as the administrator.
    pub async fn apply(&self, namespace: &str, (kind, object): (String, Value)) -> Result<(), SweepError> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let api = self.api(&kind, namespace);
        let written = api.patch(name, &PatchParams::apply("sweep"), &Patch::Apply(&object)).await;
        written.map(|_| ()).map_err(kube_error(format!("{kind} {namespace}/{name}")))
    }

    /// Adds to the spec of an object: a merge patch.
    pub async fn add(&self, kind: &str, namespace: &str, name: &str, spec: Value) -> Result<(), SweepError> {
        let patch = json!({ "spec": spec });
        let written = self.api(kind, namespace).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        written.map(|_| ()).map_err(kube_error(format!("{kind} {namespace}/{name}")))
    }

    /// Adds to the spec of a Deployment as whoever judges it: a merge patch.
    pub async fn add_as_reviewer(&self, namespace: &str, name: &str, spec: Value) -> Result<(), SweepError> {
        let resource = objects::resource("Deployment");
        let api: Api<DynamicObject> = Api::namespaced_with(self.reviews.clone(), namespace, &resource);
        let patch = json!({ "spec": spec });
        let written = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        written.map(|_| ()).map_err(kube_error(format!("Deployment {namespace}/{name}")))
    }

    /// Deletes an object as the namespace controller does.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<(), SweepError> {
        let resource = objects::resource(kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.namespaces.clone(), namespace, &resource);
        let deleted = api.delete(name, &DeleteParams::background()).await;
        deleted.map(|_| ()).map_err(kube_error(format!("{kind} {namespace}/{name}")))
    }

    /// An object as it is now.
    pub async fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, SweepError> {
        let object = self.api(kind, namespace).get_opt(name).await;
        let object = object.map_err(kube_error(format!("{kind} {namespace}/{name}")))?;
        Ok(object.map(serde_json::to_value).transpose()?)
    }

    /// All objects of a kind in a namespace.
    pub async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>, SweepError> {
        let list = self.api(kind, namespace).list(&kube::api::ListParams::default()).await;
        let list = list.map_err(kube_error(format!("{kind} in {namespace}")))?;
        Ok(list.items.into_iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
    }

    /// The API of a kind in a namespace, as the administrator.
    pub fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &objects::resource(kind))
    }

    /// Ends the pods of a case that is over, so that the plane does not fill up.
    pub async fn clear(&self, namespace: &str) {
        let api = self.api("Workload", namespace);
        // Nothing depends on it.
        let _ = api.delete_collection(&DeleteParams::background(), &kube::api::ListParams::default()).await;
    }

    /// A policy takes effect a moment after it is created.
    async fn wait_for_policies(&self) -> Result<(), SweepError> {
        let probes = [
            objects::environment("probe", "default", &json!({})),
            objects::release("probe", "probe", "probe:1"),
            objects::deployment("probe", "probe", "probe", "probe"),
        ];
        for (kind, object) in probes {
            let api = self.api(&kind, "default");
            let object: DynamicObject = serde_json::from_value(object)?;
            let params = PostParams { dry_run: true, ..PostParams::default() };
            until(30, &format!("the policies for {kind}"), async || {
                Ok(match api.create(&params, &object).await {
                    Ok(made) if made.metadata.finalizers.is_some() => Ok(()),
                    Ok(_) => Err("no finalizer is stamped".to_owned()),
                    Err(error) => Err(error.to_string()),
                })
            })
            .await?;
        }
        Ok(())
    }
}

/// Where the folders of cases that went wrong are kept.
fn failures() -> Result<PathBuf, SweepError> {
    let program = program("faulty")?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    Ok(target.join("sweep-failures"))
}

/// Removes what earlier sweeps have set aside.
pub fn forget_failures() {
    if let Ok(folder) = failures() {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Moves the files of a folder, also to another file system.
fn shift(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    std::fs::remove_dir_all(from)
}

async fn whoami(client: &Client) -> Result<String, SweepError> {
    let resource = kube::core::ApiResource {
        group: "authentication.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "authentication.k8s.io/v1".to_owned(),
        kind: "SelfSubjectReview".to_owned(),
        plural: "selfsubjectreviews".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let review = DynamicObject::new("", &resource);
    let answer = api.create(&PostParams::default(), &review).await.map_err(kube_error("who am I"))?;
    let name = answer.data.pointer("/status/userInfo/username").and_then(Value::as_str);
    Ok(name.unwrap_or_default().to_owned())
}

/// Looks until `look` finds what it wants, or says what it saw instead when the time is over.
pub async fn until<T>(
    seconds: u64,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>, SweepError>,
) -> Result<T, SweepError> {
    let mut looks = tokio::time::interval(Duration::from_millis(60));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    loop {
        looks.tick().await;
        match look().await? {
            Ok(found) => return Ok(found),
            Err(last) if tokio::time::Instant::now() >= end => {
                return Err(SweepError::Late { what: what.to_owned(), seconds, last });
            }
            Err(_) => {}
        }
    }
}
