//! One run of one story with a controller that is cut, and started again whenever it has ended, as a kubelet does.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::SweepError;
use super::fault::Fault;
use super::lease;
use super::process::{Faulty, Journal, Process};
use super::scenario::Scenario;
use super::site::{Site, until};
use super::snapshot;
use super::step::{ENVIRONMENT, Step};

/// How long one step may take, in seconds: several lease periods, on a machine that is busy.
const PATIENCE: u64 = 60;
/// Where the controller-manager numbers the states of a workload.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// How often a controller ends in one run because it is asked to: after what comes before.
const CALM: usize = 1;
/// How often a controller may end in one run.
const LIVES: usize = 8;

/// What a run has come to.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that is there at the end, or why that cannot be said.
    pub end: Result<Value, SweepError>,
    /// The points of each process of the story itself, the first one's first.
    pub journals: Vec<Journal>,
    /// The kinds whose changes were not all seen: see [`super::writes::Writes::relisted`].
    pub relisted: Vec<String>,
}

impl Outcome {
    /// How many of the faults have happened.
    pub fn fired(&self) -> usize {
        self.journals.iter().filter(|journal| journal.fired.is_some()).count()
    }

    /// How often a controller was started.
    pub fn lives(&self) -> usize {
        self.journals.len()
    }
}

/// A run under way.
#[derive(Debug)]
pub struct Case<'a> {
    site: &'a Site,
    namespace: String,
    folder: PathBuf,
    controller: Faulty,
    faults: Vec<Fault>,
    /// How many of `faults` have been given to a process.
    given: usize,
    lives: usize,
    /// How many of them came before the story.
    before: usize,
    /// How many of them ended because their lease was lost.
    starved: usize,
    process: Option<Process>,
}

impl<'a> Case<'a> {
    /// Runs `scenario` in a namespace of its own. The first fault is the first process's, the second the second's.
    pub async fn run(site: &'a Site, scenario: &Scenario, namespace: &str, faults: &[Fault]) -> Outcome {
        let relisted = site.writes.relisted().len();
        let mut case = match Self::open(site, namespace) {
            Ok(case) => case,
            Err(error) => return Outcome { end: Err(error), journals: Vec::new(), relisted: Vec::new() },
        };
        let end = case.through(scenario, faults).await;
        case.process = None;
        let end = end.map_err(|error| snapshot::judged(&case.controller.database, error));
        site.clear(namespace).await;
        let journal = |life: usize| Journal::read(&case.folder.join(format!("journal-{life}")));
        let journals = (case.before..case.lives).map(journal).collect();
        let relisted = site.writes.relisted().into_iter().skip(relisted).collect();
        Outcome { end, journals, relisted }
    }

    fn open(site: &'a Site, namespace: &str) -> Result<Self, SweepError> {
        let folder = site.folder(namespace)?;
        let controller = Faulty {
            kubeconfig: site.kubeconfig().to_owned(),
            database: folder.join("archive.db"),
            namespace: namespace.to_owned(),
            agent: namespace.to_owned(),
        };
        let namespace = namespace.to_owned();
        let (faults, process) = (Vec::new(), None);
        Ok(Self { site, namespace, folder, controller, faults, given: 0, lives: 0, before: 0, starved: 0, process })
    }

    async fn through(&mut self, scenario: &Scenario, faults: &[Fault]) -> Result<Value, SweepError> {
        self.site.namespace(&self.namespace).await?;
        if !scenario.before.is_empty() {
            self.tell(scenario.before).await?;
            self.stop().await?;
        }
        self.faults = faults.to_vec();
        self.before = self.lives;
        self.tell(scenario.steps).await?;
        self.stop().await?;
        // Whatever ended the last process, the next one finds nothing to do.
        snapshot::take(self.site, &self.namespace, &self.controller.database).await
    }

    async fn tell(&mut self, steps: &[Step]) -> Result<(), SweepError> {
        self.tend()?;
        for step in steps {
            step.act(self.site, &self.namespace).await?;
            self.wait(*step).await?;
        }
        Ok(())
    }

    /// Starts a controller where there is none.
    fn tend(&mut self) -> Result<(), SweepError> {
        if let Some(process) = &mut self.process {
            let Some(_) = process.ended()? else { return Ok(()) };
            self.starved += usize::from(process.log().contains("the lease was lost"));
        }
        self.process = None;
        if self.lives >= LIVES {
            // A fault ends a process at most once for each that was asked for; whatever is left is a controller that fails.
            if self.starved + self.given + CALM >= self.lives {
                return Err(SweepError::Starved(self.starved));
            }
            return Err(SweepError::Wrong(format!("the controller ended {LIVES} times")));
        }
        let (journal, log) =
            (self.folder.join(format!("journal-{}", self.lives)), self.folder.join(format!("log-{}", self.lives)));
        let fault = self.faults.get(self.given);
        self.given += usize::from(fault.is_some());
        self.process = Some(self.controller.start(fault, &journal, &log)?);
        self.lives += 1;
        Ok(())
    }

    /// Asks the controller to end. One that was cut while it ended is started once more, settles, and is asked again.
    async fn stop(&mut self) -> Result<(), SweepError> {
        loop {
            let Some(process) = &mut self.process else { return Ok(()) };
            process.signal("TERM")?;
            let status = until(PATIENCE, "the controller's end", async || {
                Ok(process.ended()?.ok_or_else(|| "it still runs".to_owned()))
            })
            .await?;
            let starved = process.log().contains("the lease was lost");
            self.process = None;
            if status.success() {
                return Ok(());
            }
            self.starved += usize::from(starved);
            self.tend()?;
            self.wait(Step::Settled("")).await?;
        }
    }

    async fn wait(&mut self, step: Step) -> Result<(), SweepError> {
        let (site, namespace) = (self.site, self.namespace.clone());
        let database = self.controller.database.clone();
        until(PATIENCE, &format!("{step:?}"), async || {
            self.tend()?;
            look(site, &namespace, &database, step).await
        })
        .await
    }
}

impl Step {
    /// Waits for what the step waits for, with a controller that somebody else looks after.
    pub(super) async fn wait(self, site: &Site, namespace: &str, database: &Path) -> Result<(), SweepError> {
        until(PATIENCE, &format!("{self:?}"), async || look(site, namespace, database, self).await).await
    }
}

/// Whether what a step waits for is so.
async fn look(site: &Site, namespace: &str, database: &Path, step: Step) -> Result<Result<(), String>, SweepError> {
    let phase = async |kind: &str, name: &str| -> Result<String, SweepError> {
        let object = site.get(kind, namespace, name).await?;
        let phase = object.as_ref().and_then(|object| object.pointer("/status/phase")).and_then(Value::as_str);
        Ok(phase.unwrap_or("none").to_owned())
    };
    Ok(match step {
        Step::Environment(_)
        | Step::Release(..)
        | Step::Settings(_)
        | Step::Deploy(_)
        | Step::Record(_)
        | Step::Confirm(_)
        | Step::Approve(_)
        | Step::Reject(_)
        | Step::BreakGlass(_)
        | Step::LookAfter(_)
        | Step::OverrideFreeze(_)
        | Step::Start(_)
        | Step::Succeed(_)
        | Step::Abort(_)
        | Step::Rollback(_)
        | Step::ApproveRollback(_)
        | Step::Reset(_)
        | Step::Delete(_) => Ok(()),
        Step::Asked(name) => says(site, namespace, name, ("/status/rollback/state", "Requested")).await?,
        Step::Seen(name) => says(site, namespace, name, ("/status/breakGlass", "Reviewed")).await?,
        Step::Ready => {
            let object = site.get("Environment", namespace, ENVIRONMENT).await?.unwrap_or_default();
            let ready = object.pointer("/status/readiness").and_then(Value::as_str) == Some("ready");
            if ready { Ok(()) } else { Err(format!("{}", object["status"])) }
        }
        Step::Known(name) => {
            let object = site.get("Release", namespace, name).await?.unwrap_or_default();
            let known = object.pointer("/status/digest").is_some();
            if known { Ok(()) } else { Err(format!("{}", object["status"])) }
        }
        Step::Phase(name, wanted) => {
            let found = phase("Deployment", name).await?;
            if found == wanted { Ok(()) } else { Err(found) }
        }
        Step::Workload(image) => {
            let object = site.get("Workload", namespace, "web").await?.unwrap_or_default();
            let found = object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
            let there = found.is_some_and(|found| found.ends_with(image));
            if there { Ok(()) } else { Err(format!("{found:?}")) }
        }
        Step::Gone(name) => {
            let found = site.get("Deployment", namespace, name).await?;
            if found.is_none() { Ok(()) } else { Err("it is there".to_owned()) }
        }
        Step::Settled(wanted) => {
            if let Err(why) = settled(site, namespace, database, wanted).await? {
                return Ok(Err(why));
            }
            // A run that ended before would have some effects or not, depending on how fast it was.
            match lease::remembers_head(site, namespace, database).await? {
                Ok(()) => lease::renewed(site, namespace).await?,
                not_yet => not_yet,
            }
        }
    })
}

/// Whether the status of a Deployment says `wanted` at `pointer`.
async fn says(
    site: &Site,
    namespace: &str,
    name: &str,
    (pointer, wanted): (&str, &str),
) -> Result<Result<(), String>, SweepError> {
    let object = site.get("Deployment", namespace, name).await?.unwrap_or_default();
    let found = object.pointer(pointer).and_then(Value::as_str);
    Ok(if found == Some(wanted) { Ok(()) } else { Err(format!("{found:?}")) })
}

/// Everything has ended, is given back and is archived. An empty phase stands for any.
pub(super) async fn settled(
    site: &Site,
    namespace: &str,
    database: &Path,
    wanted: &str,
) -> Result<Result<(), String>, SweepError> {
    let environment = site.get("Environment", namespace, ENVIRONMENT).await?.unwrap_or_default();
    let phase = environment.pointer("/status/phase").and_then(Value::as_str).unwrap_or("none");
    if phase != wanted && !wanted.is_empty() {
        return Ok(Err(format!("the environment is {phase}")));
    }
    if environment.pointer("/status/claim").is_some() {
        return Ok(Err("the environment is claimed".to_owned()));
    }
    let deployments = site.list("Deployment", namespace).await?;
    for deployment in &deployments {
        if deployment.pointer("/status/finishedAt").is_none() {
            return Ok(Err(format!("{} is {}", deployment["metadata"]["name"], deployment["status"]["phase"])));
        }
    }
    for release in site.list("Release", namespace).await? {
        if release.pointer("/status/digest").is_none() {
            return Ok(Err(format!("release {} has no digest", release["metadata"]["name"])));
        }
    }
    if let Err(why) = observed(site, namespace).await? {
        return Ok(Err(why));
    }
    let rows = rows(database)?;
    for object in deployments.iter().chain([&environment]) {
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
        let expected = (number("/status/audit/seq").unwrap_or(0), number("/status/operations"));
        let found = rows.iter().find(|(row, ..)| row == uid).map(|(_, seq, operations)| (*seq, *operations));
        if found != Some(expected) {
            return Ok(Err(format!("{} is at {expected:?}, its row at {found:?}", object["metadata"]["name"])));
        }
    }
    for (uid, kind) in unreleased(database)? {
        if !deployments.iter().any(|deployment| deployment["metadata"]["uid"] == uid.as_str()) {
            return Ok(Err(format!("the archive does not know that {kind} {uid} is gone")));
        }
    }
    Ok(Ok(()))
}

/// The controller-manager has seen every workload as it is now, and has numbered it as its newest replica set.
async fn observed(site: &Site, namespace: &str) -> Result<Result<(), String>, SweepError> {
    let revision = |object: &Value| {
        let text = object["metadata"]["annotations"][REVISION].as_str().unwrap_or_default();
        text.parse::<u64>().ok()
    };
    let workloads = site.list("Workload", namespace).await?;
    let sets = if workloads.is_empty() { Vec::new() } else { site.list("ReplicaSet", namespace).await? };
    for workload in &workloads {
        let (name, uid) = (&workload["metadata"]["name"], &workload["metadata"]["uid"]);
        let (wanted, seen) = (&workload["metadata"]["generation"], &workload["status"]["observedGeneration"]);
        if wanted != seen {
            return Ok(Err(format!("workload {name} is at generation {wanted}, and {seen} was seen")));
        }
        let owned = |set: &&Value| set["metadata"]["ownerReferences"][0]["uid"] == *uid;
        let newest = sets.iter().filter(owned).filter_map(revision).max();
        if newest.is_none() || revision(workload) != newest {
            return Ok(Err(format!("workload {name} is at revision {:?} of {newest:?}", revision(workload))));
        }
    }
    Ok(Ok(()))
}

/// The current rows: uid, event, operations.
fn rows(database: &Path) -> Result<Vec<(String, i64, Option<i64>)>, SweepError> {
    let connection = rusqlite::Connection::open_with_flags(database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection
        .prepare("SELECT uid, seq, NULL FROM deployments UNION ALL SELECT uid, seq, operations FROM environments")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deployments whose history does not end with their deletion.
fn unreleased(database: &Path) -> Result<Vec<(String, String)>, SweepError> {
    let connection = rusqlite::Connection::open_with_flags(database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(
        "SELECT resource_id, resource_type FROM deployment_events WHERE resource_type = 'deployment'
         GROUP BY resource_id HAVING SUM(action = 'release.deleted') = 0",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
