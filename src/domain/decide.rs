//! What to do next with a Deployment, from everything that is known of it: pure and total.
//!
//! [`decide`] folds as many transitions as follow from what is known and stops at the first effect or wait. The events
//! it returns are written and archived before the effect is carried out, but for the two effects that write nothing of
//! the Deployment's own ([`Effect::Preview`] reads, [`Effect::Claim`] writes the Environment): with those the decision
//! carries no events, and the next decision, made with their result, carries them all in one write.

mod applying;
mod before;
mod deleting;
mod ended;
mod fold;
mod reviewing;
mod starting;
#[cfg(test)]
mod tests;
mod trust;

use jiff::Timestamp;

use crate::attempt::{Attempt, Progress};
use crate::deployment::{Deployment, Status};
use crate::environment::{Environment, Outcome, RunningRelease};
use crate::event::Event;
use crate::gate::Evidence;
use crate::guard::Guard;
use crate::name::Uid;
use crate::phase::Phase;
use crate::preview::Plan;
use crate::queue::Waiting;
use crate::runtime::{Failure, Forecast};
use crate::wait::Wait;
use fold::Fold;

/// What would be applied, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// Something that it names does not exist yet.
    Missing(Wait),
    /// It can never be applied as it is.
    Refused(Failure),
    /// This.
    Ready(Plan),
}

/// What the archive knows of a finished Deployment with the same namespace, name, request and release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Twin {
    /// There is none.
    None,
    /// There is one with the same request, but what it would apply is not known yet: it may be this one.
    Perhaps,
    /// There is one.
    Known {
        /// The object it was.
        uid: Uid,
        /// How it ended.
        phase: Phase,
    },
}

/// Everything a decision is made from.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The Deployment.
    pub deployment: &'a Deployment,
    /// Its Environment, when it exists.
    pub environment: Option<&'a Environment>,
    /// What would be applied.
    pub planned: Planned,
    /// What the runtime's preview of exactly that found, once it was asked.
    pub forecast: Option<Result<Forecast, Failure>>,
    /// The attempt that the status names.
    pub progress: Progress,
    /// The finished Deployment whose outcome this one takes.
    pub twin: Twin,
    /// The other Deployments that wait for the Environment.
    pub queue: Vec<Waiting>,
    /// The records that guard data.
    pub evidence: Evidence,
    /// Whether the API server checks who says what.
    pub guard: Guard,
    /// The newest event that is known to be archived.
    pub archived_seq: u64,
    /// The term of this controller.
    pub epoch: u64,
}

/// What a runtime is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Apply what was planned and judge its health.
    Apply,
    /// Bring this release back and judge its health.
    Rollback {
        /// The release.
        to: RunningRelease,
    },
}

/// The one thing to do after the events are written. Specific enough that doing it makes no choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the runtime what the plan would change.
    Preview,
    /// Take the Environment for this Deployment.
    Claim {
        /// The attempt it is taken for.
        attempt: String,
    },
    /// Execute an attempt.
    Run {
        /// Which.
        attempt: Attempt,
        /// What.
        work: Work,
    },
    /// Stop the attempt that runs.
    Stop,
    /// Give the Environment back, with what became of it.
    Settle(Outcome),
    /// Let the object go: its deletion is archived.
    RemoveFinalizer,
}

/// What to write, what to do then, and what to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The status to write.
    pub status: Status,
    /// What happened, oldest first. The same entries end the status's journal.
    pub events: Vec<Event>,
    /// What to do once they are archived.
    pub effect: Option<Effect>,
    /// What is missing, when nothing can be done now.
    pub wait: Option<Wait>,
}

/// How a fold ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// A transition was made; look again.
    Again,
    /// Something is to be done.
    Do(Effect),
    /// Something is missing.
    Wait(Wait),
    /// Nothing is to be done any more.
    Rest,
}

/// Decides what to do next.
pub fn decide(observed: &Observed<'_>, now: Timestamp) -> Decision {
    let mut fold = Fold::new(observed, now);
    loop {
        let next = fold.step();
        if fold.illegal {
            return unchanged(observed, None);
        }
        match next {
            Next::Again => {}
            Next::Do(effect @ (Effect::Preview | Effect::Claim { .. })) => return unchanged(observed, Some(effect)),
            Next::Do(Effect::Stop) => return fold.decision(Some(Effect::Stop), Some(Wait::Stopping)),
            Next::Do(effect) => return fold.decision(Some(effect), None),
            Next::Wait(wait) => {
                let given_back = fold.claim_without_work().map(Effect::Settle);
                return fold.decision(given_back, Some(wait));
            }
            Next::Rest => return fold.decision(None, None),
        }
    }
}

fn unchanged(observed: &Observed<'_>, effect: Option<Effect>) -> Decision {
    Decision { status: observed.deployment.status.clone(), events: Vec::new(), effect, wait: None }
}

impl Fold<'_> {
    /// What became of the Environment, where its claim is held and no work is under way.
    ///
    /// A claim is for working at once. A start that has to wait after all gives it back, and so does work that has ended
    /// when what comes next, a rollback, has to wait for people or for its turn.
    fn claim_without_work(&self) -> Option<Outcome> {
        let environment = self.environment().filter(|environment| environment.held_by(&self.deployment().id.uid))?;
        let works = self.status.phase == Phase::Applying || self.rolling_back();
        (!works).then(|| self.outcome(environment))
    }

    fn step(&mut self) -> Next {
        if let Some(next) = self.deleting() {
            return next;
        }
        if self.status.audit.seq == 0 {
            return self.created();
        }
        self.take_note_of_guard();
        if let Some(next) = self.after_review() {
            return next;
        }
        match self.status.phase {
            Phase::Pending => self.pending(),
            Phase::Previewed => self.previewed(),
            Phase::PendingApproval => self.pending_approval(),
            Phase::Approved => self.approved(),
            Phase::Applying => self.applying(),
            Phase::Succeeded | Phase::Failed => self.ended(),
            Phase::RolledBack | Phase::Rejected | Phase::Aborted => self.terminal(),
        }
    }
}
