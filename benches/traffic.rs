//! What a client wrote, as the API server saw it.

use std::time::{Duration, Instant};

use slipway_tests::plane::{AuditLog, Write};

use crate::Outcome;

/// The user agent of the measuring client: nothing of it counts as Slipway's.
pub(crate) const BENCH_AGENT: &str = "bench";
/// The user agent of the controller.
pub(crate) const SLIPWAY_AGENT: &str = "slipway/";

/// Writes that were persisted, by what they wrote; dry-runs and refusals apart.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) deployment: usize,
    pub(crate) environment: usize,
    pub(crate) release: usize,
    pub(crate) objects: usize,
    pub(crate) lease: usize,
    pub(crate) events: usize,
    pub(crate) dry_runs: usize,
    pub(crate) refused: usize,
}

impl Traffic {
    /// What the client whose user agent begins with `agent` wrote.
    pub(crate) fn of(writes: &[Write], agent: &str) -> Self {
        let mut traffic = Self::default();
        for write in writes.iter().filter(|write| write.user_agent.starts_with(agent)) {
            *traffic.place(write) += 1;
        }
        traffic
    }

    fn place(&mut self, write: &Write) -> &mut usize {
        if write.dry_run {
            return &mut self.dry_runs;
        }
        if !write.is_persisted() {
            return &mut self.refused;
        }
        match write.resource.as_str() {
            "slipway.dev/deployments" => &mut self.deployment,
            "slipway.dev/environments" => &mut self.environment,
            "slipway.dev/releases" => &mut self.release,
            "coordination.k8s.io/leases" => &mut self.lease,
            "events" | "events.k8s.io/events" => &mut self.events,
            _ => &mut self.objects,
        }
    }

    /// What a deployment costs: all that is stored but Events and the Lease.
    pub(crate) fn cost(&self) -> usize {
        self.deployment + self.environment + self.release + self.objects
    }
}

impl std::fmt::Display for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deployment, environment, release, objects, lease, events, dry_runs, refused } = self;
        write!(
            f,
            "deployments {deployment}, environments {environment}, releases {release}, objects {objects}, Events \
             {events}, lease {lease}, dry-runs {dry_runs}, refused {refused}"
        )
    }
}

/// All writes, once nobody but the Lease's holder has written for `quiet`.
pub(crate) async fn settled(log: &AuditLog, quiet: Duration) -> Outcome<Vec<Write>> {
    let relevant = |writes: &[Write]| {
        let lease = |write: &&Write| write.resource != "coordination.k8s.io/leases";
        writes.iter().filter(lease).count()
    };
    let (mut last, mut since) = (0, Instant::now());
    let limit = Instant::now() + Duration::from_mins(5);
    loop {
        let writes = log.writes()?;
        let now = relevant(&writes);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= quiet || Instant::now() > limit {
            return Ok(writes);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
