//! What every reconciler is given: the port to the resources, the ledger, the runtimes, and nothing that remembers decisions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use slipway_crd::{Deployment, Environment, Release};
use slipway_domain::digest::Digest;
use slipway_domain::name::Uid;
use slipway_domain::runtime::{Failure, Forecast};
use tokio::sync::mpsc;

use crate::cache::Cache;
use crate::clock;
use crate::executor::Executor;
use crate::guard::Policies;
use crate::index::Index;
use crate::key::Key;
use crate::leader::Leader;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::neighbours::Neighbours;
use crate::notice::Notices;
use crate::resources::Resources;
use crate::runtime::Runtimes;

/// Everything a reconciler reads and writes through.
#[derive(Debug)]
pub struct Context<R: Resources> {
    /// The custom resources.
    pub resources: R,
    /// Every Deployment, by its Environment.
    pub deployments: Cache<Deployment>,
    /// Every Environment.
    pub environments: Cache<Environment>,
    /// Which Environments change the same things.
    pub neighbours: Neighbours,
    /// Every Release.
    pub releases: Cache<Release>,
    /// What the policies look up of Environments.
    pub index: Index,
    /// The API server's policies.
    pub policies: Policies,
    /// The archive.
    pub ledger: Ledger,
    /// What carries out Deployments.
    pub runtimes: Runtimes,
    /// Where attempts run.
    pub executor: Executor,
    /// Who leads.
    pub leader: Leader,
    /// The term of this process.
    pub epoch: u64,
    /// What runtimes said that plans would do, until it is written down.
    pub forecasts: Forecasts,
    /// When Environments were last found ready.
    pub probes: Probes,
    /// Events on the objects, for people.
    pub notices: Notices,
    /// What is counted.
    pub metrics: Metrics,
    /// Environments to look at again.
    pub wake_environment: mpsc::UnboundedSender<Key>,
    /// Releases to look at again.
    pub wake_release: mpsc::UnboundedSender<Key>,
    /// Deployments to look at again.
    pub wake_deployment: mpsc::UnboundedSender<Key>,
}

/// When each Environment was last found ready, so that its own status writes do not ask again.
#[derive(Debug, Default, Clone)]
pub struct Probes(Arc<Mutex<HashMap<Uid, Probe>>>);

/// Which generation was found ready, and when.
type Probe = (Option<i64>, Instant);

impl Probes {
    /// Whether this generation of the Environment was found ready within `fresh`.
    pub fn is_fresh(&self, environment: &Uid, generation: Option<i64>, fresh: Duration) -> bool {
        let probes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        probes.get(environment).is_some_and(|(probed, at)| *probed == generation && at.elapsed() < fresh)
    }

    /// Notes what a probe found.
    pub fn note(&self, environment: &Uid, generation: Option<i64>, ready: bool) {
        let mut probes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready {
            probes.insert(environment.clone(), (generation, clock::monotonic()));
        } else {
            probes.remove(environment);
        }
    }
}

impl<R: Resources> Context<R> {
    /// Waits until every kind has been listed once, and the policies are known.
    ///
    /// Nothing is decided before that: what is not in view yet looks exactly like what is gone, and a claim whose holder
    /// is gone is taken away from it.
    pub async fn in_view(&self) {
        tokio::join!(
            self.deployments.listed(),
            self.environments.listed(),
            self.releases.listed(),
            self.index.listed(),
            self.policies.in_view()
        );
    }

    /// Wakes everything: what the policies are matters to all that people may say something about.
    pub fn wake_all(&self) {
        for name in self.deployments.names().state() {
            let _ = self.wake_deployment.send(Key::of(&*name));
        }
        for name in self.environments.names().state() {
            let _ = self.wake_environment.send(Key::of(&*name));
        }
    }
}

/// The results of previews, until the decision that uses them is written.
#[derive(Debug, Default, Clone)]
pub struct Forecasts(Arc<Mutex<HashMap<Uid, Answer>>>);

/// What was said, and about which plan.
type Answer = (Digest, Result<Forecast, Failure>);

impl Forecasts {
    /// What the runtime said about exactly this plan.
    pub fn get(&self, deployment: &Uid, plan: &Digest) -> Option<Result<Forecast, Failure>> {
        let forecasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forecasts.get(deployment).filter(|(digest, _)| digest == plan).map(|(_, forecast)| forecast.clone())
    }

    /// Keeps what the runtime said.
    pub fn put(&self, deployment: Uid, plan: Digest, forecast: Result<Forecast, Failure>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(deployment, (plan, forecast));
    }

    /// Drops what the runtime said: it is written down, or it has to be asked again.
    pub fn forget(&self, deployment: &Uid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(deployment);
    }
}
