//! The program that is shipped, killed at moments that nobody chose, while people go on deploying.
//!
//! What: lanes, each with a controller, an archive and three Environments of its own; in each Environment people deploy,
//! break, abort, roll back and delete, one after the other, and say beforehand how each ends. Meanwhile the controller is
//! killed and started again. After each round nothing may be open, lost, doubled or changed once too often.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

mod street;

use self::street::Known;
use super::error::SweepError;
use super::objects;
use super::process::{Process, program};
use super::report::Tally;
use super::site::{Site, until};
use super::snapshot::{self, histories, journal_is_archived};

const ENVIRONMENTS: [&str; 3] = ["development", "integration", "demo"];
const SERVICES: [&str; 2] = ["web", "api"];
/// How long one Deployment may take, in seconds, with kills in between.
const PATIENCE: u64 = 120;
const ARCHIVE: &str = "archive.db";
/// How many kills make a round.
const ROUND: usize = 5;

/// What was done to a controller, and what came of it.
#[derive(Debug, Default)]
pub struct Killed {
    /// How often it was killed.
    pub kills: usize,
    /// How many rounds there were.
    pub rounds: usize,
    /// How many Deployments went through.
    pub deployments: usize,
    /// How many events were checked.
    pub events: usize,
    /// What was lost, what was doubled, and what could not be judged.
    pub tally: Tally,
    /// What was wrong.
    pub failures: Vec<String>,
}

impl Killed {
    /// The one line that matters.
    pub fn summary(&self) -> String {
        let Self { kills, rounds, deployments, events, tally, failures } = self;
        let wrong = failures.len();
        let well = if wrong == 0 { "every round whole".to_owned() } else { format!("{wrong} lanes wrong") };
        format!(
            "SIGKILL: {kills} kills in {rounds} rounds, {deployments} deployments, {events} events; {well}, {tally}"
        )
    }
}

/// One lane.
struct Lane<'a> {
    site: &'a Site,
    home: String,
    folder: PathBuf,
    known: BTreeMap<(&'static str, &'static str), Known>,
    numbers: usize,
    /// How often a controller was started.
    lives: Cell<usize>,
}

/// Kills `kills` times in `lanes` lanes at a time.
pub async fn kill(site: &Site, seed: u64, kills: usize, lanes: usize, progress: impl Fn(&str)) -> Killed {
    let each = |lane: usize| kills / lanes + usize::from(lane < kills % lanes);
    let progress = &progress;
    let lanes = (0..lanes).map(|lane| async move {
        let mut killed = Killed::default();
        let done = run(site, lane, seed.wrapping_add(lane as u64), each(lane), &mut killed, progress).await;
        if let Err(error) = done {
            let home = Lane::home(lane);
            let error = match site.folder(&home) {
                Ok(folder) => snapshot::judged(&folder.join(ARCHIVE), error),
                Err(_) => error,
            };
            killed.tally.count(&error);
            let kept = site.set_aside(&home);
            let text = format!("lane {lane}: {error}; see {}", kept.display());
            progress(&format!("WRONG {text}"));
            killed.failures.push(text);
        }
        killed
    });
    let relisted = site.writes.relisted().len();
    let mut all = Killed::default();
    for one in futures::future::join_all(lanes).await {
        all.kills += one.kills;
        all.rounds += one.rounds;
        all.deployments += one.deployments;
        all.events += one.events;
        all.tally.add(&one.tally);
        all.failures.extend(one.failures);
    }
    for kind in site.writes.relisted().into_iter().skip(relisted) {
        all.failures.push(format!("the watch of {kind} began anew: not every change of an object was seen"));
    }
    all
}

async fn run(
    site: &Site,
    number: usize,
    seed: u64,
    kills: usize,
    killed: &mut Killed,
    progress: &impl Fn(&str),
) -> Result<(), SweepError> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut lane = Lane::open(site, number).await?;
    while killed.kills < kills {
        let wanted = ROUND.min(kills - killed.kills);
        killed.deployments += lane.round(&mut random, wanted).await?;
        killed.kills += wanted;
        killed.rounds += 1;
        killed.events = lane.check().await?;
        progress(&format!("lane {number}: {} of {kills} kills, {} deployments", killed.kills, killed.deployments));
    }
    Ok(())
}

impl<'a> Lane<'a> {
    fn home(number: usize) -> String {
        format!("kills-{number}")
    }

    async fn open(site: &'a Site, number: usize) -> Result<Self, SweepError> {
        let home = Self::home(number);
        site.namespace(&home).await?;
        for environment in ENVIRONMENTS {
            let target = format!("{home}-{environment}");
            site.namespace(&target).await?;
            site.apply(&target, objects::binding("guest", &home)).await?;
            site.wait_for_rights(&target, &home).await?;
            site.apply(&home, objects::environment(environment, &target, &json!({}))).await?;
        }
        let folder = site.folder(&home)?;
        Ok(Self { site, home, folder, known: BTreeMap::new(), numbers: 0, lives: Cell::new(0) })
    }

    /// People deploy until the controller was killed `kills` times, and finish what they began.
    async fn round(&mut self, random: &mut StdRng, kills: usize) -> Result<usize, SweepError> {
        let over = Cell::new(false);
        let moments: Vec<Moment> = (0..kills).map(|_| Moment::any(random)).collect();
        let mut known = std::mem::take(&mut self.known);
        let first = self.numbers;
        self.numbers += 10_000;
        let mut streets = Vec::new();
        for (at, environment) in ENVIRONMENTS.into_iter().enumerate() {
            let mine: BTreeMap<_, _> =
                SERVICES.map(|service| (service, known.remove(&(environment, service)).unwrap_or_default())).into();
            let random = StdRng::seed_from_u64(random.random());
            streets.push(self.street(environment, mine, random, first + at * 1000, &over));
        }
        let mut done = 0;
        let lived = {
            let people = futures::future::try_join_all(streets);
            let controller = self.controller(&moments, &over);
            tokio::pin!(people, controller);
            tokio::select! {
                lived = people => lived?,
                ended = &mut controller => return ended.map(|()| 0),
            }
        };
        for (environment, mine, count) in lived {
            done += count;
            for (service, known) in mine {
                self.known.insert((environment, service), known);
            }
        }
        Ok(done)
    }

    /// Keeps a controller running, but for the moments when it is killed. Never ends by itself.
    async fn controller(&self, moments: &[Moment], over: &Cell<bool>) -> Result<(), SweepError> {
        let arguments = [
            "controller".to_owned(),
            "--kubeconfig".to_owned(),
            self.site.kubeconfig().display().to_string(),
            "--database".to_owned(),
            self.database().display().to_string(),
            "--namespace".to_owned(),
            self.home.clone(),
            "--lease-namespace".to_owned(),
            self.home.clone(),
            "--lease-seconds".to_owned(),
            "2".to_owned(),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
        ];
        let mut moments = moments.iter();
        loop {
            let log = self.folder.join(format!("log-{}", self.lives.replace(self.lives.get() + 1)));
            let mut process = Process::start(&program("slipway")?, &arguments, &log)?;
            let Some(moment) = moments.next() else {
                over.set(true);
                // Whatever ends it now is not this test: it is started again, as by a kubelet.
                let mut looks = tokio::time::interval(Duration::from_millis(100));
                while process.ended()?.is_none() {
                    looks.tick().await;
                }
                continue;
            };
            if moment.leading {
                until(30, "a controller that leads", async || {
                    let leads = process.log().contains("leading") || process.ended()?.is_some();
                    Ok(if leads { Ok(()) } else { Err(process.log()) })
                })
                .await?;
            }
            tokio::time::sleep(moment.after).await;
            process.kill();
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.join(ARCHIVE)
    }

    /// Everything that must hold when nothing is open. Returns how many events there are.
    async fn check(&self) -> Result<usize, SweepError> {
        let mut last = None;
        let whole = until(PATIENCE, "both stores to tell the same", async || {
            let whole = self.whole().await.map_err(|error| {
                let text = error.to_string();
                last = Some(error);
                text
            });
            Ok(whole)
        });
        // What it was that did not come right says more than that it did not.
        whole.await.map_err(|late| last.unwrap_or(late))
    }

    async fn whole(&self) -> Result<usize, SweepError> {
        let site = self.site;
        let wrong = |text: String| Err(SweepError::Wrong(text));
        let events = snapshot::whole(&self.database())?;
        let histories = histories(&events)?;
        for kind in ["Deployment", "Environment"] {
            for object in site.list(kind, &self.home).await? {
                journal_is_archived(&object, &histories)?;
            }
        }
        for history in histories.values().filter(|history| history[0].resource_type.as_str() == "deployment") {
            let actions: Vec<&str> = history.iter().map(|event| event.action.as_str()).collect();
            let doubled = actions.iter().any(|one| actions.iter().filter(|other| *other == one).count() > 1);
            if doubled {
                return Err(SweepError::Doubled(format!("{}: {actions:?}", history[0].resource_name)));
            }
        }
        for ((environment, service), known) in &self.known {
            let object = site.get("Environment", &self.home, environment).await?.unwrap_or_default();
            let services = object.pointer("/status/services").and_then(Value::as_array).cloned().unwrap_or_default();
            let found = services.iter().find(|entry| entry["service"] == *service);
            for (field, expected) in [("currentRelease", &known.current), ("previousRelease", &known.previous)] {
                let name = found.and_then(|entry| entry.pointer(&format!("/{field}/name"))).and_then(Value::as_str);
                if name != expected.as_deref() {
                    return wrong(format!("{environment} {service}: {field} is {name:?} and should be {expected:?}"));
                }
            }
            let counts = site.writes.counts(&format!("{}-{environment}", self.home));
            for kind in ["ConfigMap", "Deployment"] {
                let count = counts.get(&format!("{kind}/{service}")).copied().unwrap_or(0);
                if count != known.changes {
                    let text = format!("{environment} {kind}/{service}: changed {count} times, not {}", known.changes);
                    return wrong(match site.writes.relisted().as_slice() {
                        [] => text,
                        kinds => format!("{text}; the watch of {} began anew meanwhile", kinds.join(", ")),
                    });
                }
            }
        }
        Ok(events.len())
    }
}

/// When a controller is killed.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Counted from when it leads, not from its start.
    leading: bool,
    after: Duration,
}

impl Moment {
    fn any(random: &mut StdRng) -> Self {
        let leading = random.random_bool(0.8);
        let longest = if leading { 700 } else { 3000 };
        Self { leading, after: Duration::from_millis(random.random_range(0..longest)) }
    }
}
