//! Everything that is counted, in one struct. No label carries the name of an object.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use slipway_domain::event::Action;

use crate::clock;
use crate::key::Key;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Happened {
    action: &'static str,
}

/// The counters of the controller.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    durations: Family<Kind, Histogram>,
    errors: Family<Kind, Counter>,
    events: Family<Happened, Counter>,
    archived: Counter,
    written: Counter,
    pruned: Counter,
    leading: Gauge,
    epoch: Gauge,
    diverged: Gauge,
    running: Gauge,
    broken_glass: Counter,
    unseen_glass: Gauge,
    /// Those that the gauge counts, as the watch has shown them: at the start it shows them all.
    unseen: Arc<Mutex<HashSet<Key>>>,
    breaches: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("slipway");
        let durations =
            Family::<Kind, Histogram>::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 8)));
        let this = Self {
            durations: durations.clone(),
            errors: Family::default(),
            events: Family::default(),
            archived: Counter::default(),
            written: Counter::default(),
            pruned: Counter::default(),
            leading: Gauge::default(),
            epoch: Gauge::default(),
            diverged: Gauge::default(),
            running: Gauge::default(),
            broken_glass: Counter::default(),
            unseen_glass: Gauge::default(),
            unseen: Arc::default(),
            breaches: Gauge::default(),
            registry: Arc::default(),
        };
        registry.register("reconcile_duration_seconds", "How long reconciliations take", durations);
        registry.register("reconcile_errors", "Reconciliations that failed and are tried again", this.errors.clone());
        registry.register("events", "Events decided, by action", this.events.clone());
        registry.register("archived_events", "Events written to the archive", this.archived.clone());
        registry.register("objects_written", "Objects of releases that were written", this.written.clone());
        registry.register("objects_pruned", "Objects of releases that were pruned", this.pruned.clone());
        registry.register("leading", "1 while this process holds the lease", this.leading.clone());
        registry.register("epoch", "The term of this process", this.epoch.clone());
        registry.register("audit_diverged", "Objects whose history differs from the archive's", this.diverged.clone());
        let breaches = "Policies and bindings that are missing or altered, while decisions are not acted upon";
        registry.register("policies_not_in_force", breaches, this.breaches.clone());
        registry.register("attempts_running", "Attempts that run or wait for a place", this.running.clone());
        registry.register("break_glass", "Deployments that went ahead without review", this.broken_glass.clone());
        let unseen = this.unseen_glass.clone();
        registry.register("break_glass_unreviewed", "Those that nobody has looked at since", unseen);
        Self { registry: Arc::new(registry), ..this }
    }
}

/// Times one reconciliation until it is dropped.
#[derive(Debug)]
pub struct Timer {
    histogram: Histogram,
    started: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.observe(self.started.elapsed().as_secs_f64());
    }
}

impl Metrics {
    /// Times a reconciliation of one kind.
    pub fn reconcile(&self, kind: &'static str) -> Timer {
        let histogram = self.durations.get_or_create(&Kind { kind }).clone();
        Timer { histogram, started: clock::monotonic() }
    }

    /// A reconciliation failed.
    pub fn failed(&self, kind: &'static str) {
        self.errors.get_or_create(&Kind { kind }).inc();
    }

    /// An event was decided.
    pub fn event(&self, action: Action) {
        self.events.get_or_create(&Happened { action: action.as_str() }).inc();
    }

    /// Someone broke the glass of a Deployment.
    pub fn broke_glass(&self) {
        self.broken_glass.inc();
    }

    /// Whether the Deployment `key` went ahead without review and waits for a second look.
    pub fn unseen_glass(&self, key: Key, waits: bool) {
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        if waits {
            unseen.insert(key);
        } else {
            unseen.remove(&key);
        }
        self.unseen_glass.set(i64::try_from(unseen.len()).unwrap_or(i64::MAX));
    }

    /// Events were archived.
    pub fn archived(&self, events: usize) {
        self.archived.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
    }

    /// Objects of a release were written and pruned.
    pub fn applied(&self, written: usize, pruned: usize) {
        self.written.inc_by(u64::try_from(written).unwrap_or(u64::MAX));
        self.pruned.inc_by(u64::try_from(pruned).unwrap_or(u64::MAX));
    }

    /// This process leads, in this term.
    pub fn leads(&self, epoch: u64) {
        self.leading.set(1);
        self.epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
    }

    /// What stands now, for the next scrape.
    pub fn observe(&self, diverged: usize, running: usize, breaches: usize) {
        for (gauge, count) in [(&self.diverged, diverged), (&self.running, running), (&self.breaches, breaches)] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The exposition format that Prometheus reads.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}
