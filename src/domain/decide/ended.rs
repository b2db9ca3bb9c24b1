//! After the end: giving the Environment back, and rollbacks.

use super::applying::lost_claim;
use super::fold::{By, Fold, detail};
use super::{Effect, Next, Work};
use crate::attempt::Progress;
use crate::code::Code;
use crate::deployment::Diagnostics;
use crate::environment::{Environment, Health, Outcome, RunningRelease, RuntimeKind};
use crate::event::Action;
use crate::gate;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::review::{Counted, Verdict, judge_rollback};
use crate::rollback::{Origin, Rollback, RollbackRequest, RollbackState};
use crate::runtime::Failure;
use crate::wait::Wait;

impl Fold<'_> {
    pub(super) fn ended(&mut self) -> Next {
        self.void_reviews();
        let Some(environment) = self.environment() else { return Next::Rest };
        if environment.runtime == RuntimeKind::Manual {
            return self.rollback_by_hand_record().unwrap_or_else(|| self.at_rest());
        }
        if self.rolling_back() {
            return self.run_rollback(environment);
        }
        let open = self.status.rollback.as_ref().is_some_and(|rollback| rollback.state.open());
        // Before anything is given back: a claim that was taken for a rollback is taken up by it. If it has to wait, the
        // claim goes back and is taken again when it can begin.
        if !open && let Some(next) = self.take_up_rollback(environment) {
            return next;
        }
        let waiting = self.status.rollback.as_ref().is_some_and(|r| r.state == RollbackState::Requested);
        if waiting {
            if let Some(wait) = self.unguarded() {
                return Next::Wait(wait);
            }
            return self.rollback_by_hand(environment);
        }
        if environment.held_by(&self.deployment().id.uid) {
            return Next::Do(Effect::Settle(self.outcome(environment)));
        }
        self.at_rest()
    }

    /// Nothing is to be done, unless someone asks for a rollback whom nobody can believe now.
    fn at_rest(&self) -> Next {
        let wait = self.unguarded().filter(|_| self.asked_to_go_back());
        wait.map_or(Next::Rest, Next::Wait)
    }

    pub(super) fn terminal(&mut self) -> Next {
        self.void_reviews();
        match self.environment() {
            Some(environment) if environment.held_by(&self.deployment().id.uid) => {
                Next::Do(Effect::Settle(self.outcome(environment)))
            }
            Some(_) | None => Next::Rest,
        }
    }

    /// What became of the Environment, for the one write that gives it back.
    pub(super) fn outcome(&self, environment: &Environment) -> Outcome {
        let deployment = self.deployment();
        if self.claimed_for_what_never_began(environment) {
            return Outcome::Untouched;
        }
        match self.status.phase {
            Phase::Succeeded => self.as_running().map_or(Outcome::Failed, Outcome::Succeeded),
            Phase::RolledBack => match self.status.rollback.as_ref().and_then(|rollback| rollback.to.clone()) {
                Some(to) => Outcome::RolledBack { to: RunningRelease { health: Health::Healthy, ..to } },
                None => Outcome::Untouched,
            },
            Phase::Failed if self.unchanged() && environment.status.failed.as_ref() != Some(&deployment.id.uid) => {
                Outcome::Untouched
            }
            Phase::Failed => Outcome::Failed,
            Phase::Pending
            | Phase::Previewed
            | Phase::PendingApproval
            | Phase::Approved
            | Phase::Applying
            | Phase::Rejected
            | Phase::Aborted => Outcome::Untouched,
        }
    }

    /// The claim was taken for a rollback by hand that has not begun: what happened before it has been settled already.
    fn claimed_for_what_never_began(&self, environment: &Environment) -> bool {
        let waits = self.status.rollback.as_ref().is_some_and(|rollback| match rollback.state {
            RollbackState::Requested | RollbackState::Rejected | RollbackState::Expired => true,
            RollbackState::Running | RollbackState::Completed | RollbackState::Failed => false,
        });
        let attempt = environment.status.claim.as_ref().map(|claim| &claim.attempt);
        waits && attempt == Some(&self.rollback_attempt().id)
    }

    /// The failure said that nothing was changed, and no rollback has tried to since.
    fn unchanged(&self) -> bool {
        if self.status.rollback.as_ref().is_some_and(|rollback| rollback.state == RollbackState::Failed) {
            return false;
        }
        let events = &self.status.audit.journal;
        let failed = events.iter().rev().find(|event| event.action == Action::ReleaseFailed);
        failed.is_some_and(|event| event.detail.get("changed").is_some_and(|changed| changed == "false"))
    }

    fn as_running(&self) -> Option<RunningRelease> {
        // What was previewed was applied, whatever has become of the Release since.
        let name = self.deployment().request.operation.release()?.clone();
        let digest = self.status.preview.as_ref()?.release.clone()?;
        Some(RunningRelease {
            name,
            digest,
            deployment: self.deployment().id.uid.clone(),
            health: Health::Healthy,
            since: self.status.finished_at.unwrap_or(self.now),
            variables: self.deployment().request.variables.clone(),
        })
    }

    /// The rollback's attempt: started, awaited, and judged.
    pub(super) fn run_rollback(&mut self, environment: &Environment) -> Next {
        let (Some(rollback), Some(attempt)) = (self.status.rollback.clone(), self.status.attempt.clone()) else {
            return Next::Rest;
        };
        let Some(to) = rollback.to else { return Next::Rest };
        if !environment.held_by(&self.deployment().id.uid) {
            return self.rollback_failed(&rollback.id, &to, &lost_claim(environment));
        }
        match self.progress() {
            Progress::Absent | Progress::Stopped { .. } => self.run(attempt, Work::Rollback { to }),
            Progress::Running => Next::Wait(Wait::Attempt { id: attempt.id }),
            Progress::Succeeded(applied) => {
                let facts = detail([
                    ("rollback", Some(rollback.id)),
                    ("to", Some(to.name.to_string())),
                    ("attempt", Some(attempt.id)),
                    ("written", Some(applied.written.len().to_string())),
                    ("pruned", Some(applied.pruned.len().to_string())),
                ]);
                self.end_rollback(RollbackState::Completed, None);
                self.emit(&By::Controller, Action::ReleaseRollbackCompleted, Phase::RolledBack, facts);
                Next::Again
            }
            Progress::Failed(failure) => {
                if failure.retryable
                    && let Some(again) = attempt.again(&environment.retry, self.now)
                {
                    let until = again.not_before.unwrap_or(self.now);
                    self.status.attempt = Some(again);
                    return Next::Wait(Wait::Backoff { until, failure: Some(failure.code) });
                }
                self.rollback_failed(&rollback.id, &to, &failure)
            }
        }
    }

    fn rollback_failed(&mut self, id: &str, to: &RunningRelease, failure: &Failure) -> Next {
        let message = format!("release {} could not be brought back: {} [{}]", to.name, failure.message, failure.code);
        let diagnostics = Diagnostics { code: Code::ReleaseRollbackFailed, message, detail: failure.detail.clone() };
        let facts = detail([
            ("rollback", Some(id.to_owned())),
            ("code", Some(Code::ReleaseRollbackFailed.to_string())),
            ("cause", Some(failure.code.to_string())),
            ("message", Some(diagnostics.message.clone())),
            ("detail", failure.detail.clone()),
        ]);
        self.end_rollback(RollbackState::Failed, Some(diagnostics.clone()));
        self.status.diagnostics = Some(diagnostics);
        self.emit(&By::Controller, Action::ReleaseRollbackFailed, Phase::Failed, facts);
        Next::Again
    }

    fn end_rollback(&mut self, state: RollbackState, diagnostics: Option<Diagnostics>) {
        if let Some(rollback) = &mut self.status.rollback {
            rollback.state = state;
            rollback.diagnostics = diagnostics;
        }
        self.finish();
    }

    /// The first rollback by hand that nobody has dealt with; none while nobody knows who asked.
    pub(super) fn unhandled_rollback(&self) -> Option<RollbackRequest> {
        if self.unguarded().is_some() {
            return None;
        }
        let handled = &self.status.handled_rollbacks;
        self.deployment().intents.rollbacks.iter().find(|request| !handled.contains(&request.id)).cloned()
    }

    /// A rollback that cannot be made is marked so, and the history has who asked and why it cannot; nothing else changes.
    pub(super) fn refuse_rollback(&mut self, request: &RollbackRequest) {
        self.status.handled_rollbacks.push(request.id.clone());
        self.status.rollback = Some(Rollback {
            id: request.id.clone(),
            origin: Origin::Manual { actor: request.actor.clone() },
            state: RollbackState::Rejected,
            to: None,
            reference: String::new(),
            requested_at: self.now,
            diagnostics: Some(unavailable()),
        });
        self.rollback_refused(&By::Person(&request.actor), &request.id, Some(request.note.to_string()));
    }

    fn rollback_refused(&mut self, by: &By<'_>, id: &str, note: Option<String>) {
        let why = unavailable();
        let facts = detail([
            ("rollback", Some(id.to_owned())),
            ("note", note),
            ("code", Some(why.code.to_string())),
            ("message", Some(why.message)),
        ]);
        self.emit(by, Action::ReleaseRollbackRefused, self.status.phase, facts);
    }

    /// What the rollback that stands would bring back is still what a rollback of this Deployment reaches: while it
    /// waited without the claim another may have had the Environment.
    fn still_within_reach(&self, environment: &Environment) -> bool {
        let target = environment.rollback_target(&self.deployment().id.uid, &self.deployment().request.service);
        let to = self.status.rollback.as_ref().and_then(|rollback| rollback.to.as_ref());
        let same = |target: &RunningRelease, to: &RunningRelease| {
            (&target.deployment, &target.digest) == (&to.deployment, &to.digest)
        };
        target.zip(to).is_some_and(|(target, to)| same(target, to))
    }

    fn rollback_by_hand(&mut self, environment: &Environment) -> Next {
        if !self.still_within_reach(environment) {
            if let Some(rollback) = &mut self.status.rollback {
                rollback.state = RollbackState::Rejected;
                rollback.diagnostics = Some(unavailable());
                let id = rollback.id.clone();
                self.rollback_refused(&By::Controller, &id, None);
            }
            return Next::Again;
        }
        if let Some(next) = self.awaits_rollback_review(environment) {
            return next;
        }
        let passed = gate::ready(environment).and_then(|()| gate::turn(self.deployment(), environment, &[]));
        if let Err(refusal) = passed {
            return Next::Wait(Wait::Gate { refusal, until: None });
        }
        if !environment.held_by(&self.deployment().id.uid) {
            return Next::Do(Effect::Claim { attempt: self.rollback_attempt().id });
        }
        self.begin_rollback();
        Next::Again
    }

    /// Where policy wants a review of the rollback: counts it, or says what is missing.
    pub(super) fn awaits_rollback_review(&mut self, environment: &Environment) -> Option<Next> {
        let need = environment.policy.approval.count;
        let rollback = self.status.rollback.clone()?;
        let Origin::Manual { actor } = &rollback.origin else { return None };
        let subject = rollback.reference.clone();
        if need == 0 || self.status.reviews.approvals(&subject) >= need {
            return None;
        }
        let fresh = self
            .deployment()
            .intents
            .reviews
            .iter()
            .find(|review| review.subject == subject && !self.status.reviews.knows(review));
        let Some(review) = fresh else {
            let have = self.status.reviews.approvals(&subject);
            let until = after(&rollback, environment.policy.approval.expires_after);
            if let Some(at) = until.filter(|until| self.now >= *until) {
                // The Deployment itself has ended, or still runs: a rollback that never began changes neither.
                if let Some(rollback) = &mut self.status.rollback {
                    rollback.state = RollbackState::Expired;
                    rollback.diagnostics = Some(Diagnostics {
                        code: Code::ApprovalTicketExpired,
                        message: format!("nobody reviewed this rollback until {at}: ask for another"),
                        detail: None,
                    });
                }
                return Some(Next::Again);
            }
            let due = after(&rollback, environment.policy.sla);
            let late = due.is_some_and(|due| self.now >= due);
            return Some(Next::Wait(Wait::Review { have, need, subject, until, due, late }));
        };
        if let Err(refusal) = judge_rollback(actor, &review.reviewer, review.verdict, review.note.as_ref()) {
            self.void(review, &refusal);
            return Some(Next::Again);
        }
        self.status.reviews.counted.push(Counted {
            reviewer: review.reviewer.clone(),
            verdict: review.verdict,
            subject: subject.clone(),
            at: self.now,
        });
        let facts = detail([
            ("ref", Some(subject)),
            ("rollback", Some(rollback.id)),
            ("note", review.note.as_ref().map(ToString::to_string)),
        ]);
        let phase = self.status.phase;
        match review.verdict {
            Verdict::Approve => self.emit(&By::Person(&review.reviewer), Action::ReleaseApproved, phase, facts),
            Verdict::Reject => {
                if let Some(rollback) = &mut self.status.rollback {
                    rollback.state = RollbackState::Rejected;
                }
                self.emit(&By::Person(&review.reviewer), Action::ReleaseRejected, phase, facts);
            }
        }
        Some(Next::Again)
    }

    /// Where people work by hand, a rollback is recorded as done, as a single event.
    pub(super) fn rollback_by_hand_record(&mut self) -> Option<Next> {
        let request = self.unhandled_rollback()?;
        self.status.handled_rollbacks.push(request.id.clone());
        self.finish();
        let facts = detail([("rollback", Some(request.id.clone())), ("note", Some(request.note.to_string()))]);
        self.emit(&By::Person(&request.actor), Action::ReleaseRollbackCompleted, Phase::RolledBack, facts);
        Some(Next::Again)
    }
}

fn unavailable() -> Diagnostics {
    let reason = "this deployment made neither the current release of its service nor the failed operation, or there is \
                  no release before it: create a Deployment with operation.rollback instead";
    let refusal = Refusal::RollbackUnavailable { reason: reason.to_owned() };
    Diagnostics { code: refusal.code(), message: refusal.to_string(), detail: None }
}

/// So long after a rollback by hand was asked for.
fn after(rollback: &Rollback, period: Option<std::time::Duration>) -> Option<jiff::Timestamp> {
    let period = jiff::SignedDuration::try_from(period?).ok()?;
    rollback.requested_at.checked_add(period).ok()
}
