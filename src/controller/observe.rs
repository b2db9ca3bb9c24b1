//! Reads everything that a decision about a Deployment is made from.

use std::sync::Arc;

use slipway_crd::{Deployment as WireDeployment, Environment as WireEnvironment, parse};
use slipway_domain::attempt::Progress;
use slipway_domain::decide::{Observed, Planned, Twin};
use slipway_domain::deployment::Deployment;
use slipway_domain::environment::Environment;
use slipway_domain::gate::Evidence;
use slipway_domain::guard::Guard;
use slipway_domain::name::ReleaseName;
use slipway_domain::phase::Phase;
use slipway_domain::queue::Waiting;
use slipway_domain::wait::Wait;

use crate::clock;
use crate::context::Context;
use crate::key::Key;
use crate::ledger::LedgerError;
use crate::resources::Resources;
use crate::row;

/// A Deployment and its Environment, as they were read and as the domain knows them.
#[derive(Debug)]
pub struct Scene {
    /// The Deployment's key.
    pub key: Key,
    /// The Deployment as it was read.
    pub wire: Arc<WireDeployment>,
    /// The Deployment, checked.
    pub deployment: Deployment,
    /// The Environment as it was read.
    pub wire_environment: Option<Arc<WireEnvironment>>,
    /// The Environment, checked.
    pub environment: Option<Environment>,
    /// Whether the API server checks who says what.
    pub guard: Guard,
    /// The newest event of the Deployment that is archived.
    pub archived_seq: u64,
}

impl Scene {
    /// Reads the Environment beside a Deployment.
    pub fn new<R: Resources>(
        cx: &Context<R>,
        wire: Arc<WireDeployment>,
        deployment: Deployment,
        archived_seq: u64,
    ) -> Self {
        let key = Key::of(&*wire);
        let wire_environment = cx.environments.get(&key.sibling(deployment.request.environment.as_str()));
        // An Environment that cannot be read is as good as none: its own conditions say what is wrong with it.
        let environment = wire_environment.as_ref().and_then(|wire| parse::environment(wire).ok());
        Self { key, wire, deployment, wire_environment, environment, guard: cx.policies.now(), archived_seq }
    }

    /// Everything that is known, for the decision.
    pub async fn observe<R: Resources>(&self, cx: &Context<R>) -> Result<Observed<'_>, LedgerError> {
        let planned = self.plan(cx);
        let uid = &self.deployment.id.uid;
        let forecast = match &planned {
            Planned::Ready(plan) => cx.forecasts.get(uid, &plan.digest),
            Planned::Missing(_) | Planned::Refused(_) => None,
        };
        let attempt = self.deployment.status.attempt.as_ref();
        Ok(Observed {
            deployment: &self.deployment,
            environment: self.environment.as_ref(),
            forecast,
            progress: attempt.map_or(Progress::Absent, |attempt| cx.executor.progress(&attempt.id)),
            twin: self.twin(cx, &planned).await?,
            queue: self.queue(cx),
            evidence: Evidence::default(),
            guard: self.guard.clone(),
            archived_seq: self.archived_seq,
            epoch: cx.epoch,
            planned,
        })
    }

    /// Settled Deployments need no plan; everything else is planned from the objects as they are now.
    fn plan<R: Resources>(&self, cx: &Context<R>) -> Planned {
        let (Some(environment), Some(wire)) = (&self.environment, &self.wire_environment) else {
            return Planned::Missing(Wait::Environment { name: self.deployment.request.environment.to_string() });
        };
        let held = environment.held_by(&self.deployment.id.uid);
        if self.deployment.status.phase.ended() && !held {
            let name = self.deployment.request.operation.release().map(ToString::to_string).unwrap_or_default();
            return Planned::Missing(Wait::Release { name });
        }
        let release = |name: &ReleaseName| cx.releases.get(&self.key.sibling(name.as_str()));
        cx.runtimes.plan(&self.deployment.request, environment, wire, &self.guard, release)
    }

    /// The finished Deployment whose outcome a recreated object takes.
    async fn twin<R: Resources>(&self, cx: &Context<R>, planned: &Planned) -> Result<Twin, LedgerError> {
        if self.deployment.status.audit.seq > 0 || self.deployment.deleting {
            return Ok(Twin::None);
        }
        let release = match planned {
            Planned::Ready(plan) => Some(row::release_digest(plan)),
            Planned::Missing(_) | Planned::Refused(_) => None,
        };
        let (id, request) = (&self.deployment.id, &self.deployment.request.digest);
        let archive = cx.ledger.archive();
        let found = archive.finished_twin(&id.uid, &id.namespace, &id.name, request, release.as_ref()).await?;
        Ok(match (found, release) {
            (None, _) => Twin::None,
            (Some(_), None) => Twin::Perhaps,
            (Some(row), Some(_)) => Twin::Known { uid: row.uid, phase: row.phase },
        })
    }

    /// The Deployments that wait for the same Environment. Whom a freeze holds is passed by whom it does not.
    fn queue<R: Resources>(&self, cx: &Context<R>) -> Vec<Waiting> {
        let group = self.key.sibling(self.deployment.request.environment.as_str());
        let policy = self.environment.as_ref().map(|environment| &environment.policy);
        let frozen = policy.is_some_and(|policy| policy.frozen(clock::now()).is_some());
        let members = cx.deployments.group(&group);
        let members = members.iter().filter_map(|key| cx.deployments.in_motion(key));
        let waiting = members.filter(|wire| !frozen || defies_freeze(wire)).filter_map(|wire| {
            let waiting = waiting(&wire)?;
            (waiting.uid == self.deployment.id.uid || self.can_go(cx, &wire)).then_some(waiting)
        });
        waiting.collect()
    }

    /// Whether a Deployment of the same Environment has what it needs: one whose Release is gone, or cannot be rendered
    /// any more, goes when it is back, and nobody waits for that.
    fn can_go<R: Resources>(&self, cx: &Context<R>, wire: &WireDeployment) -> bool {
        let (Some(environment), Some(wire_environment)) = (&self.environment, &self.wire_environment) else {
            return true;
        };
        let Ok(deployment) = parse::deployment(wire) else { return false };
        let release = |name: &ReleaseName| cx.releases.get(&self.key.sibling(name.as_str()));
        let planned = cx.runtimes.plan(&deployment.request, environment, wire_environment, &self.guard, release);
        matches!(planned, Planned::Ready(_))
    }
}

fn defies_freeze(wire: &WireDeployment) -> bool {
    wire.status.as_ref().is_some_and(|status| status.freeze_overridden || status.break_glass.is_some())
}

fn waiting(wire: &WireDeployment) -> Option<Waiting> {
    let status = wire.status.as_ref().filter(|status| status.phase == Phase::Approved)?;
    let going = wire.metadata.deletion_timestamp.is_none() && wire.spec.abort.is_none();
    Some(Waiting {
        uid: wire.metadata.uid.as_deref()?.parse().ok()?,
        name: wire.metadata.name.clone()?,
        approved_at: status.approved_at.filter(|_| going)?,
    })
}
