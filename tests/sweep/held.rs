//! A controller that holds one request on its way, and is told something meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::error::SweepError;
use super::fault::{Fault, Mode};
use super::lease::LEASE;
use super::point::Point;
use super::process::{Faulty, Journal, Process};
use super::scenario::Scenario;
use super::site::{Site, until};
use super::step::Step;
use super::takeover::whole;

const PATIENCE: u64 = 60;
/// How long is looked for something that must not happen.
const WATCHED: Duration = Duration::from_secs(2);

/// The second release of a service, which has come to a point and no further.
pub struct Held<'a> {
    site: &'a Site,
    namespace: String,
    database: PathBuf,
    journal: PathBuf,
    process: Process,
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl<'a> Held<'a> {
    /// Deploys two releases, and holds what the controller sends at `point`.
    pub async fn open(site: &'a Site, namespace: &str, point: &str) -> Result<Self, SweepError> {
        let mut this = Self::cut(site, namespace, point, Mode::Hold).await?;
        this.process.says().await?;
        Ok(this)
    }

    /// Deploys two releases, with a fault at `point`.
    pub async fn cut(site: &'a Site, namespace: &str, point: &str, mode: Mode) -> Result<Self, SweepError> {
        let point: Point = point.parse().map_err(SweepError::Wrong)?;
        let folder = site.folder(namespace)?;
        site.namespace(namespace).await?;
        let faulty = Faulty {
            kubeconfig: site.kubeconfig().to_owned(),
            database: folder.join("archive.db"),
            namespace: namespace.to_owned(),
            agent: namespace.to_owned(),
        };
        let fault = Fault { point, mode };
        let journal = folder.join("journal");
        let process = faulty.start(Some(&fault), &journal, &folder.join("log"))?;
        let this = Self { site, namespace: namespace.to_owned(), database: faulty.database, journal, process };
        this.tell(Scenario::FIRST).await?;
        this.tell(&[Step::Release("web-v2", "web:2"), Step::Deploy("web-v2")]).await?;
        Ok(this)
    }

    /// Which attempt of a Deployment was the last.
    pub async fn attempt(&self, name: &str) -> Result<u64, SweepError> {
        let object = self.site.get("Deployment", &self.namespace, name).await?.unwrap_or_default();
        let number = object.pointer("/status/attempt/number").and_then(Value::as_u64);
        number.ok_or_else(|| SweepError::Wrong(format!("no attempt: {}", object["status"])))
    }

    /// Whether the fault has happened.
    pub fn fired(&self) -> bool {
        Journal::read(&self.journal).fired.is_some()
    }

    /// Goes through the steps of a story.
    pub async fn tell(&self, steps: &[Step]) -> Result<(), SweepError> {
        for step in steps {
            step.act(self.site, &self.namespace).await?;
            step.wait(self.site, &self.namespace, &self.database).await?;
        }
        Ok(())
    }

    /// Whether what `step` waits for happens while the request is held.
    pub async fn happens(&self, step: Step) -> Result<bool, SweepError> {
        let waited = step.wait(self.site, &self.namespace, &self.database);
        tokio::time::timeout(WATCHED, waited).await.map_or(Ok(false), |seen| seen.map(|()| true))
    }

    /// Asks the controller to end. Whether it gives the lease back while the request is held.
    pub async fn gives_the_lease_back(&self) -> Result<bool, SweepError> {
        self.process.signal("TERM")?;
        tokio::time::timeout(WATCHED, self.released()).await.map_or(Ok(false), |seen| seen.map(|()| true))
    }

    /// Waits until nobody holds the lease.
    pub async fn released(&self) -> Result<(), SweepError> {
        until(PATIENCE, "the lease to be released", async || {
            let lease = self.site.get("Lease", &self.namespace, LEASE).await?.unwrap_or_default();
            let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
            Ok(if holder.is_empty() { Ok(()) } else { Err(holder) })
        })
        .await
    }

    /// Lets the request go on its way.
    pub fn go(&mut self) -> Result<(), SweepError> {
        self.process.go()
    }

    /// Ends the controller. Both stores tell one history, and nothing is open.
    pub async fn end(mut self) -> Result<(), SweepError> {
        self.process.signal("TERM")?;
        let process = &mut self.process;
        until(PATIENCE, "the controller's end", async || Ok(process.ended()?.ok_or_else(|| "it runs".to_owned())))
            .await?;
        whole(self.site, &self.namespace, &self.database).await
    }
}
