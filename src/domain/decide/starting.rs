//! From approval to the start: the gates, in order, and the claim.

use super::fold::{By, Fold, detail};
use super::{Effect, Next, Planned, trust};
use crate::attempt::{Attempt, AttemptType};
use crate::deployment::Operation;
use crate::environment::Environment;
use crate::event::Action;
use crate::gate;
use crate::phase::{Phase, Step};
use crate::preview::Plan;
use crate::refusal::Refusal;
use crate::wait::Wait;

impl Fold<'_> {
    pub(super) fn approved(&mut self) -> Next {
        if !self.begun_before_abort()
            && let Some(next) = self.abort_before_start()
        {
            return next;
        }
        if let Some(next) = self.needs_guard().or_else(|| self.outdated()).or_else(|| self.expired()) {
            return next;
        }
        self.void_reviews();
        let Some(environment) = self.environment() else {
            return Next::Wait(Wait::Environment { name: self.deployment().request.environment.to_string() });
        };
        let Planned::Ready(plan) = &self.seen.planned else { return Next::Rest };
        if !gate::guarded(environment) {
            return self.started_by_hand();
        }
        self.override_freeze(environment);
        if let Err((refusal, until)) = self.gates(environment, plan) {
            return Next::Wait(Wait::Gate { refusal, until });
        }
        let attempt =
            Attempt::new(&self.deployment().id.uid, attempt_type(&self.deployment().request.operation), 1, self.now);
        if !environment.held_by(&self.deployment().id.uid) {
            return Next::Do(Effect::Claim { attempt: attempt.id });
        }
        self.start(attempt, &plan.digest.to_string())
    }

    /// People said that they had begun. Nothing is accepted after an abort: they said it before.
    fn begun_before_abort(&self) -> bool {
        let by_hand = self.environment().is_some_and(|environment| !gate::guarded(environment));
        if !by_hand || self.deployment().intents.start.is_none() || !self.heeds(trust::START) {
            return false;
        }
        let Planned::Ready(plan) = &self.seen.planned else { return false };
        let stands = gate::preview(&self.as_decided(), plan).is_ok() && self.ran_out().is_none();
        stands && self.unguarded().is_none()
    }

    /// Who overrides a freeze has done so when a window would have held it, and not before: until then it is a word that
    /// is kept.
    fn override_freeze(&mut self, environment: &Environment) {
        let held = environment.policy.frozen(self.now).is_some() && self.status.break_glass.is_none();
        if !held || self.status.freeze_overridden || !self.heeds(trust::OVERRIDE_FREEZE) {
            return;
        }
        let Some(act) = self.deployment().intents.override_freeze.clone() else { return };
        self.status.freeze_overridden = true;
        let facts = detail([("note", Some(act.note.to_string()))]);
        self.emit(&By::Person(&act.actor), Action::ReleaseFreezeOverridden, self.status.phase, facts);
    }

    fn start(&mut self, attempt: Attempt, digest: &str) -> Next {
        let facts = detail([("attempt", Some(attempt.id.clone())), ("planDigest", Some(digest.to_owned()))]);
        self.status.started_at = Some(self.now);
        self.status.step = Some(Step::Applying);
        self.status.attempt = Some(attempt);
        self.emit(&By::Controller, Action::ReleaseApplying, Phase::Applying, facts);
        Next::Again
    }

    /// All gates, in order, with the time at which to look again: a freeze ends, or the ticket does.
    fn gates(&self, environment: &Environment, plan: &Plan) -> Result<(), (Refusal, Option<jiff::Timestamp>)> {
        let deployment = self.as_decided();
        let now = self.now;
        let passed = gate::preview(&deployment, plan)
            .and_then(|()| gate::approval(&deployment, environment, now))
            .and_then(|()| gate::environment(&deployment, environment, now))
            .and_then(|()| gate::turn(&deployment, environment, &self.seen.queue))
            .and_then(|()| gate::evidence(&deployment.request.operation, &self.seen.evidence, now));
        passed.map_err(|refusal| {
            let thaws = match &refusal {
                Refusal::EnvironmentFrozen { until, .. } => Some(*until),
                _ => None,
            };
            let ticket = deployment.status.ticket.as_ref().filter(|_| deployment.status.break_glass.is_none());
            let ends = ticket.and_then(|ticket| ticket.expires_at);
            (refusal, thaws.into_iter().chain(ends).min())
        })
    }

    fn started_by_hand(&mut self) -> Next {
        if let Some(wait) = self.unguarded() {
            return Next::Wait(wait);
        }
        let said = self.deployment().intents.start.clone().filter(|_| self.heeds(trust::START));
        let Some(report) = said else { return Next::Wait(Wait::Report) };
        self.status.started_at = Some(self.now);
        let facts = detail([("note", report.note.map(|note| note.to_string()))]);
        self.emit(&By::Person(&report.actor), Action::ReleaseApplying, Phase::Applying, facts);
        Next::Again
    }
}

/// Which kind of attempt carries out an operation.
fn attempt_type(operation: &Operation) -> AttemptType {
    match operation {
        Operation::Deploy { .. } | Operation::DeployVersion { .. } | Operation::Rollback { .. } => {
            AttemptType::EnvDeploy
        }
        Operation::Update { .. } => AttemptType::EnvUpdate,
        Operation::Promote { .. } => AttemptType::EnvPromote,
        Operation::Restore { .. } => AttemptType::EnvRestore,
        Operation::Bootstrap { .. } => AttemptType::EnvBootstrap,
    }
}
