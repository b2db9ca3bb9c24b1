//! A plane of its own for each measurement, with Slipway's resources installed, and what a person would do on it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::HeaderValue;
use http::header::USER_AGENT;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use serde_json::Value;
use slipway_crd::{Deployment, Environment, Release};
use slipway_tests::plane::{AuditLog, Plane};

use crate::Outcome;
use crate::controller::Controller;
use crate::release::{self, NAMESPACE};
use crate::traffic::BENCH_AGENT;

/// The counter of deployments that were applied.
pub(crate) const APPLIED: &str = "slipway_events_total{action=\"release.applied\"";
/// How many requests a person's tooling has under way.
const AT_ONCE: usize = 16;

/// A plane on which something is measured.
pub(crate) struct Bed {
    plane: Plane,
    binary: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) client: Client,
    pub(crate) audit: AuditLog,
}

impl Bed {
    /// A fresh plane with Slipway's resources.
    pub(crate) async fn new(binary: &Path) -> Outcome<Self> {
        let plane = Plane::start()?;
        let audit = plane.audit_log().ok_or("writes are counted in an audit log: unset SLIPWAY_TEST_KUBECONFIG")?;
        let client = Client::try_from(config(&plane).await?)?;
        let manifests = std::process::Command::new(binary).arg("manifests").output()?;
        let bed = Self { plane, binary: binary.to_owned(), folder: tempfile::tempdir()?, client, audit };
        bed.kubectl_apply(&String::from_utf8(manifests.stdout)?)?;
        bed.kubectl_apply(&release::surroundings().to_string())?;
        let crds = ["deployments", "environments", "environmentindexes", "releases"]
            .map(|plural| format!("crd/{plural}.slipway.dev"));
        let wait = ["wait", "--for=condition=Established", "--timeout=30s"].map(str::to_owned);
        let output = bed.plane.kubectl(wait.into_iter().chain(crds))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        // A new policy is in force a moment after it is stored.
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(bed)
    }

    /// Starts the controller, on the database of the last time.
    pub(crate) async fn controller(&self) -> Outcome<Controller> {
        let log = self.folder.path().join("slipway.log");
        let kubeconfig = self.folder.path().join("controller.kubeconfig");
        self.plane.kubeconfig_of("slipway-system", "slipway", &kubeconfig)?;
        Controller::start(&self.binary, &kubeconfig, &self.database(), &log).await
    }

    /// The archive.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("archive.db")
    }

    /// Where the plane keeps its files, which is how its processes are known.
    pub(crate) fn plane_folder(&self) -> &Path {
        self.plane.kubeconfig().parent().unwrap_or(Path::new("/nonexistent"))
    }

    /// A client configuration like the controller's, but for its name.
    pub(crate) async fn config(&self) -> Outcome<Config> {
        config(&self.plane).await
    }

    pub(crate) fn kubectl_apply(&self, text: &str) -> Outcome<()> {
        let output = self.plane.kubectl_with_input(["apply", "--server-side", "-f", "-"], text)?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(crate) fn environments(&self) -> Api<Environment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(crate) async fn create_release(&self, release: Value) -> Outcome<()> {
        let api: Api<Release> = Api::namespaced(self.client.clone(), NAMESPACE);
        api.create(&PostParams::default(), &serde_json::from_value(release)?).await?;
        Ok(())
    }

    /// Creates Environments and waits until each has been looked at.
    pub(crate) async fn create_environments(&self, names: impl Iterator<Item = String>) -> Outcome<()> {
        let api = self.environments();
        let each = names.map(|name| {
            let api = api.clone();
            async move {
                let environment: Environment = serde_json::from_value(release::environment(&name))?;
                api.create(&PostParams::default(), &environment).await?;
                Outcome::Ok(())
            }
        });
        stream::iter(each).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        until(Duration::from_mins(20), "settled Environments", async || {
            let all = api.list(&kube::api::ListParams::default()).await?;
            Ok(all.items.iter().all(|environment| {
                let status = environment.status.as_ref();
                status.is_some_and(|status| status.observed_generation.is_some() && !status.audit.journal.is_empty())
            }))
        })
        .await
    }

    /// Creates Deployments, `AT_ONCE` at a time.
    pub(crate) async fn create_deployments(&self, deployments: impl Iterator<Item = Value>) -> Outcome<()> {
        let api = self.deployments();
        let each = deployments.map(|deployment| {
            let api = api.clone();
            async move {
                api.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
                Outcome::Ok(())
            }
        });
        stream::iter(each).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    /// Waits until `count` deployments have been applied and every Environment is free.
    ///
    /// Asks the controller's own counter first: reading all objects again and again would be the load.
    pub(crate) async fn deployed(&self, controller: &Controller, count: f64) -> Outcome<()> {
        until(Duration::from_hours(1), "applied deployments", async || Ok(controller.metric(APPLIED).await? >= count))
            .await?;
        until(Duration::from_mins(5), "free Environments", async || {
            let all = self.environments().list(&kube::api::ListParams::default()).await?;
            let free = |environment: &Environment| environment.status.as_ref().is_some_and(|one| one.claim.is_none());
            Ok(all.items.iter().all(free))
        })
        .await
    }
}

async fn config(plane: &Plane) -> Outcome<Config> {
    let mut config = plane.config().await?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(BENCH_AGENT)));
    Ok(config)
}

/// Waits for something that is looked at often enough not to be the measurement.
pub(crate) async fn until(limit: Duration, what: &str, mut done: impl AsyncFnMut() -> Outcome<bool>) -> Outcome<()> {
    let end = Instant::now() + limit;
    while !done().await? {
        if Instant::now() > end {
            return Err(format!("there was no {what} within {} s", limit.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
