//! While a runtime is at work: its outcome, its retries, and the two ways to stop it.

use super::before::ABORTED;
use super::fold::{By, Fold, detail};
use super::{Effect, Next, Work, trust};
use crate::attempt::{Attempt, Progress};
use crate::code::Code;
use crate::deployment::Finish;
use crate::environment::{Environment, RunningRelease, RuntimeKind};
use crate::event::Action;
use crate::phase::Phase;
use crate::policy::OnFailure;
use crate::rollback::{AUTOMATIC_ID, Origin, Rollback, RollbackState};
use crate::runtime::Failure;
use crate::wait::Wait;

impl Fold<'_> {
    pub(super) fn applying(&mut self) -> Next {
        self.void_reviews();
        let Some(environment) = self.environment() else {
            return Next::Wait(Wait::Environment { name: self.deployment().request.environment.to_string() });
        };
        if environment.runtime == RuntimeKind::Manual {
            return self.finished_by_hand();
        }
        // Without the claim nothing may be touched: somebody settled this operation for us.
        if !environment.held_by(&self.deployment().id.uid) {
            let failure = lost_claim(environment);
            return self.fail(environment, &failure);
        }
        if self.rolling_back() {
            return self.run_rollback(environment);
        }
        // An abort is the last word: a rollback that was asked for before it is made once the runtime has stopped.
        if self.stopping() {
            return self.stop();
        }
        if let Some(next) = self.rollback_while_applying(environment) {
            return next;
        }
        let Some(attempt) = self.status.attempt.clone() else { return Next::Rest };
        match self.progress() {
            Progress::Absent | Progress::Stopped { .. } => self.run(attempt, Work::Apply),
            Progress::Running => Next::Wait(Wait::Attempt { id: attempt.id }),
            Progress::Succeeded(applied) => {
                let facts = detail([
                    ("attempt", Some(attempt.id)),
                    ("written", Some(applied.written.len().to_string())),
                    ("pruned", Some(applied.pruned.len().to_string())),
                ]);
                self.finish();
                self.status.diagnostics = None;
                self.emit(&By::Controller, Action::ReleaseApplied, Phase::Succeeded, facts);
                Next::Again
            }
            Progress::Failed(failure) => self.failed(environment, &attempt, &failure),
        }
    }

    /// Starts an attempt, unless it has to wait after one that failed.
    pub(super) fn run(&mut self, attempt: Attempt, work: Work) -> Next {
        match attempt.not_before {
            Some(until) if self.now < until => {
                let failure = self.status.diagnostics.as_ref().map(|diagnostics| diagnostics.code);
                Next::Wait(Wait::Backoff { until, failure })
            }
            Some(_) | None => Next::Do(Effect::Run { attempt, work }),
        }
    }

    /// An attempt failed: again, or over.
    fn failed(&mut self, environment: &Environment, attempt: &Attempt, failure: &Failure) -> Next {
        self.blame_failure(failure);
        if failure.retryable
            && let Some(again) = attempt.again(&environment.retry, self.now)
        {
            let until = again.not_before.unwrap_or(self.now);
            self.status.attempt = Some(again);
            return Next::Wait(Wait::Backoff { until, failure: Some(failure.code) });
        }
        self.fail(environment, failure)
    }

    /// The end of a failed Deployment, with the automatic rollback in the same write where there is one to make.
    fn fail(&mut self, environment: &Environment, failure: &Failure) -> Next {
        self.blame_failure(failure);
        self.status.step = None;
        let target =
            environment.rollback_target(&self.deployment().id.uid, &self.deployment().request.service).cloned();
        let facts = detail([
            ("code", Some(failure.code.to_string())),
            ("message", Some(failure.message.clone())),
            ("detail", failure.detail.clone()),
            ("attempt", self.status.attempt.as_ref().map(|attempt| attempt.id.clone())),
            ("changed", Some(failure.changed.to_string())),
        ]);
        self.emit(&By::Controller, Action::ReleaseFailed, Phase::Failed, facts);
        let held = environment.held_by(&self.deployment().id.uid);
        match (environment.policy.on_failure, target) {
            _ if !failure.changed || !held => self.finish(),
            (OnFailure::Rollback, Some(to)) => self.request_rollback(AUTOMATIC_ID, &Origin::Automatic, &to, None),
            (OnFailure::Rollback, None) => {
                let message = format!(
                    "{}. There is no earlier release of {} to go back to: mend it and reset the environment",
                    failure.message,
                    self.deployment().request.service
                );
                self.blame(failure.code, message, failure.detail.clone());
                self.finish();
            }
            (OnFailure::Hold, _) => {
                let message = format!("{}. It is kept as it is, as the policy says onFailure: Hold", failure.message);
                self.blame(failure.code, message, failure.detail.clone());
                self.finish();
            }
        }
        Next::Again
    }

    /// Notes a rollback and that it begins, or that it waits.
    fn request_rollback(&mut self, id: &str, origin: &Origin, to: &RunningRelease, note: Option<String>) {
        let rollback = Rollback::new(id, origin.clone(), to.clone(), self.now);
        let facts = detail([
            ("rollback", Some(id.to_owned())),
            ("to", Some(to.name.to_string())),
            ("ref", Some(rollback.reference.clone())),
            ("note", note),
        ]);
        self.status.rollback = Some(rollback);
        let phase = self.status.phase;
        match origin {
            Origin::Automatic => {
                self.emit(&By::Controller, Action::ReleaseRollbackRequested, phase, facts);
                self.begin_rollback();
            }
            Origin::Manual { actor } => {
                self.emit(&By::Person(actor), Action::ReleaseRollbackRequested, phase, facts);
            }
        }
    }

    /// The rollback's own attempt takes the place of the one before.
    pub(super) fn begin_rollback(&mut self) {
        let attempt = self.rollback_attempt();
        if let Some(rollback) = &mut self.status.rollback {
            rollback.state = RollbackState::Running;
        }
        self.status.attempt = Some(attempt);
        self.status.finished_at = None;
    }

    /// The first attempt of the rollback that stands. Rollbacks by hand have ids of their own: what a runtime remembers
    /// of an earlier one is not taken for the outcome of a later one.
    pub(super) fn rollback_attempt(&self) -> Attempt {
        let by_hand = self.status.rollback.as_ref().is_some_and(|rollback| rollback.origin != Origin::Automatic);
        let number = by_hand.then_some(self.status.handled_rollbacks.len());
        Attempt::rollback(&self.deployment().id.uid, number, self.now)
    }

    pub(super) fn rolling_back(&self) -> bool {
        self.status.rollback.as_ref().is_some_and(|rollback| rollback.state == RollbackState::Running)
    }

    /// Takes up the first rollback by hand that nobody has dealt with.
    pub(super) fn take_up_rollback(&mut self, environment: &Environment) -> Option<Next> {
        let request = self.unhandled_rollback()?;
        let target = environment.rollback_target(&self.deployment().id.uid, &self.deployment().request.service);
        let Some(to) = target.cloned() else {
            self.refuse_rollback(&request);
            return Some(Next::Again);
        };
        self.status.handled_rollbacks.push(request.id.clone());
        let origin = Origin::Manual { actor: request.actor };
        self.request_rollback(&request.id, &origin, &to, Some(request.note.to_string()));
        Some(Next::Again)
    }

    /// A rollback by hand while the release is still being applied: the runtime is stopped first, but not before a
    /// reviewer has agreed where policy wants one.
    fn rollback_while_applying(&mut self, environment: &Environment) -> Option<Next> {
        if self.unguarded().is_some() {
            return None;
        }
        if !self.status.rollback.as_ref().is_some_and(|rollback| rollback.state.open()) {
            return self.take_up_rollback(environment);
        }
        match self.awaits_rollback_review(environment) {
            Some(Next::Again) => return Some(Next::Again),
            Some(_) => return None,
            None => {}
        }
        match self.progress() {
            Progress::Running => Some(Next::Do(Effect::Stop)),
            Progress::Absent | Progress::Succeeded(_) | Progress::Failed(_) | Progress::Stopped { .. } => {
                self.begin_rollback();
                Some(Next::Again)
            }
        }
    }

    /// An abort was accepted and the runtime has not stopped yet.
    fn stopping(&mut self) -> bool {
        if self.deployment().intents.abort.is_none() {
            return false;
        }
        let accepted = self.status.diagnostics.as_ref().is_some_and(|diagnostics| diagnostics.code == ABORTED);
        if !accepted && let Some(act) = self.deployment().intents.abort.clone() {
            let facts = detail([("note", Some(act.note.to_string()))]);
            self.emit(&By::Person(&act.actor), Action::ReleaseAborted, Phase::Applying, facts);
            self.blame(ABORTED, format!("{} stopped it: {}", act.actor, act.note), None);
        }
        true
    }

    fn stop(&mut self) -> Next {
        let changed = match &self.progress() {
            Progress::Running => return Next::Do(Effect::Stop),
            // A process that is gone may have changed something before it went.
            Progress::Absent => true,
            Progress::Succeeded(applied) => !applied.written.is_empty() || !applied.pruned.is_empty(),
            Progress::Failed(failure) => failure.changed,
            Progress::Stopped { changed } => *changed,
        };
        let message = self.status.diagnostics.as_ref().map(|d| d.message.clone()).unwrap_or_default();
        let failure = Failure { code: Code::Aborted, message, detail: None, retryable: false, changed };
        self.blame_failure(&failure);
        self.finish();
        let facts = detail([
            ("code", Some(failure.code.to_string())),
            ("message", Some(failure.message.clone())),
            ("changed", Some(changed.to_string())),
        ]);
        self.emit(&By::Controller, Action::ReleaseFailed, Phase::Failed, facts);
        Next::Again
    }

    pub(super) fn finish(&mut self) {
        self.status.finished_at = Some(self.now);
        self.status.step = None;
    }

    /// What people reported, in the order in which it can have been said: nothing is accepted after an abort.
    fn finished_by_hand(&mut self) -> Next {
        match self.deployment().intents.finish.clone().filter(|_| self.heeds(trust::FINISH)) {
            Some(Finish::Succeeded(report)) => {
                self.finish();
                let facts = detail([("note", report.note.map(|note| note.to_string()))]);
                self.emit(&By::Person(&report.actor), Action::ReleaseApplied, Phase::Succeeded, facts);
                return Next::Again;
            }
            Some(Finish::Failed(act)) => {
                self.finish();
                let facts = detail([("note", Some(act.note.to_string()))]);
                self.emit(&By::Person(&act.actor), Action::ReleaseFailed, Phase::Failed, facts);
                return Next::Again;
            }
            None => {}
        }
        if let Some(act) = self.deployment().intents.abort.clone() {
            self.finish();
            self.blame(ABORTED, format!("{} stopped it: {}", act.actor, act.note), None);
            let facts = detail([("note", Some(act.note.to_string()))]);
            self.emit(&By::Person(&act.actor), Action::ReleaseAborted, Phase::Failed, facts);
            return Next::Again;
        }
        self.rollback_by_hand_record().unwrap_or_else(|| Next::Wait(self.unguarded().unwrap_or(Wait::Report)))
    }
}

pub(super) fn lost_claim(environment: &Environment) -> Failure {
    Failure {
        code: Code::OutcomeUnknown,
        message: format!(
            "environment {} no longer holds a claim for this deployment: look at what runs there before the next one",
            environment.id.name
        ),
        detail: None,
        retryable: false,
        changed: true,
    }
}
