//! Figure 4: from the moment that a workload is ready to the terminal status and the committed event.
//!
//! Both ends are seen by this process: the ready event through a watch of its own, judged as Slipway judges it; the status
//! through another watch; the commit by asking the archive. The yardstick is one PATCH of an object of the same size and
//! one commit of the same event, one after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use rusqlite::{Connection, OpenFlags, params};
use serde_json::{Value, json};
use slipway_crd::Deployment;
use slipway_domain::phase::Phase;
use slipway_k8s::kstatus::{Health, judge};

use crate::Outcome;
use crate::bed::Bed;
use crate::release::{self, NAMESPACE};
use crate::report::{Goal, Report};
use crate::sample::Sample;

const MIGRATION: &str = include_str!("../migrations/0001_archive.sql");

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Deployments, one after the other.
    #[arg(long, default_value_t = 200)]
    deployments: usize,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { deployments: 200 }
    }
}

pub(crate) async fn measure(binary: &Path, arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let bed = Bed::new(binary).await?;
    let controller = bed.controller().await?;
    bed.create_environments(std::iter::once("latency".to_owned())).await?;
    bed.create_release(release::workload("workload")).await?;
    let archive = Connection::open_with_flags(bed.database(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let yardstick = Yardstick::new(&bed).await?;

    let mut workloads = workloads(&bed).await?;
    let mut statuses = statuses(&bed).await?;
    let (mut status, mut committed, mut both, mut least) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..arguments.deployments {
        let (name, content) = (format!("latency-{n}"), n.to_string());
        let deployment = release::deployment(&name, "latency", "workload", "web", &content);
        bed.create_deployments(std::iter::once(deployment)).await?;
        let ready = next(&mut workloads, |workload| is_ready(workload, &content)).await?;
        let (seen, stored) = tokio::join!(
            next(&mut statuses, |deployment: &Deployment| is_over(deployment, &name)),
            commit(&archive, &name),
        );
        let (seen, stored) = (seen?.duration_since(ready), stored?.saturating_duration_since(ready));
        status.push(milliseconds(seen));
        committed.push(milliseconds(stored));
        both.push(milliseconds(seen.max(stored)));
        bed.deployed(&controller, 0.0).await?;
        least.push(milliseconds(yardstick.once(n).await?));
    }
    let [status, committed, both, least] = [status, committed, both, least].map(Sample::new);
    let line = |sample: &Sample| format!("median {:.2} ms, p99 {:.2} ms", sample.median(), sample.part(0.99));
    report.note("ready event → terminal status", line(&status));
    report.note("ready event → committed event", line(&committed));
    report.note("ready event → both", line(&both));
    report.note("one PATCH and one commit", line(&least));
    let goal = Goal::AtMost(3.0);
    report.goal(
        "ready event → both ÷ one PATCH and one commit, p99 ÷ p99",
        both.part(0.99) / least.part(0.99),
        "",
        goal,
    );
    report.goal("the same, p99 ÷ median", both.part(0.99) / least.median(), "", goal);
    report.note("the same, median ÷ median", format!("{:.2}", both.median() / least.median()));
    controller.stop()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn is_ready(workload: &Workload, content: &str) -> bool {
    let metadata = workload.spec.template.metadata.as_ref();
    let current = metadata.and_then(|metadata| metadata.annotations.as_ref()?.get("content"));
    let mut object = serde_json::to_value(workload).unwrap_or_default();
    object["apiVersion"] = Value::from("apps/v1");
    object["kind"] = Value::from("Deployment");
    current.is_some_and(|current| current == content) && matches!(judge(&object), Health::Current)
}

fn is_over(deployment: &Deployment, name: &str) -> bool {
    let phase = deployment.status.as_ref().map(|status| status.phase);
    deployment.name_any() == name && phase == Some(Phase::Succeeded)
}

async fn workloads(bed: &Bed) -> Outcome<BoxStream<'static, kube::Result<WatchEvent<Workload>>>> {
    let api: Api<Workload> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let version = api.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    Ok(api.watch(&WatchParams::default().timeout(290), &version).await?.boxed())
}

async fn statuses(bed: &Bed) -> Outcome<BoxStream<'static, kube::Result<WatchEvent<Deployment>>>> {
    let version = bed.deployments().list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    Ok(bed.deployments().watch(&WatchParams::default().timeout(290), &version).await?.boxed())
}

/// When the watch has told of an object that is as wanted.
async fn next<K>(
    stream: &mut BoxStream<'static, kube::Result<WatchEvent<K>>>,
    wanted: impl Fn(&K) -> bool,
) -> Outcome<Instant> {
    let told = async {
        while let Some(event) = stream.try_next().await? {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
                && wanted(&object)
            {
                return Ok(Instant::now());
            }
        }
        Err("a watch ended: run fewer deployments".into())
    };
    tokio::time::timeout(Duration::from_mins(1), told).await.map_err(|_| "a deployment did not get ready")?
}

/// When the archive has the event that says that `name` was applied. Asked every half millisecond.
async fn commit(archive: &Connection, name: &str) -> Outcome<Instant> {
    let mut question = archive.prepare_cached(
        "SELECT 1 FROM deployment_events WHERE resource_name = ?1 AND action = 'release.applied' \
         AND row > (SELECT max(row) - 8 FROM deployment_events)",
    )?;
    let resource = format!("{NAMESPACE}/{name}");
    let end = Instant::now() + Duration::from_mins(1);
    while Instant::now() < end {
        if question.exists([&resource])? {
            return Ok(Instant::now());
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Err("an event was not committed".into())
}

/// The least that has to be done: the object says it, and the disk has it.
struct Yardstick {
    api: Api<ConfigMap>,
    database: Connection,
    _folder: tempfile::TempDir,
}

impl Yardstick {
    async fn new(bed: &Bed) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let database = Connection::open(folder.path().join("yardstick.db"))?;
        database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        database.execute_batch(MIGRATION)?;
        let api: Api<ConfigMap> = Api::namespaced(bed.client.clone(), NAMESPACE);
        // About what a settled Deployment is.
        let object = json!({"metadata": {"name": "yardstick"}, "data": {"rest": "x".repeat(3000)}});
        api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(Self { api, database, _folder: folder })
    }

    async fn once(&self, n: usize) -> Outcome<Duration> {
        let patch = Patch::Merge(json!({"data": {"said": n.to_string()}}));
        let start = Instant::now();
        self.api.patch("yardstick", &PatchParams::default(), &patch).await?;
        let (hash, row) = ([7_u8; 32], i64::try_from(n)? + 1);
        let body = "x".repeat(500);
        self.database
            .prepare_cached(
                "INSERT INTO deployment_events SELECT ?1, 'r' || ?1 || '/1', 1, 1, 'release.applied', 'deployment', \
                 'r' || ?1, 'shop/web', 'shop', 'web', 'latency', 'controller', 'controller', 'succeeded', \
                 '2026-01-02T03:04:05.500000000Z', '{}', ?2, ?3, ?3, ?3",
            )?
            .execute(params![row, body, hash])?;
        Ok(start.elapsed())
    }
}
