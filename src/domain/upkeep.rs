//! What an Environment itself needs: its history, its readiness, its reset, and the repair of a claim whose holder is gone.

use std::sync::Arc;

use jiff::Timestamp;

use crate::audit::Entry;
use crate::code::Code;
use crate::environment::{Environment, EnvironmentPhase, EnvironmentStatus, Readiness, Reset};
use crate::event::{Action, Detail, Event, Source};
use crate::guard::Guard;
use crate::name::{Actor, Uid};
use crate::neighbour::{self, Outranked};
use crate::refusal::Refusal;
use crate::runtime::Failure;

#[cfg(test)]
mod tests;

/// What is known of whoever holds the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody holds it.
    None,
    /// The Deployment exists and looks after its claim itself.
    Present,
    /// No Deployment with that uid exists any more, but an attempt of it still runs here.
    Running,
    /// No Deployment with that uid exists any more, and nothing of it runs.
    Gone,
}

/// Everything that the upkeep of an Environment is decided from.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The Environment.
    pub environment: &'a Environment,
    /// Whether its runtime could work there, once it was asked.
    pub readiness: Option<Result<(), Failure>>,
    /// Whoever holds the claim.
    pub holder: Holder,
    /// The other Environments that change the same things.
    pub neighbours: Vec<Arc<Environment>>,
    /// Deployments to it that have not ended.
    pub unfinished: usize,
    /// Whether the API server checks who says what.
    pub guard: Guard,
    /// The newest event that is known to be archived.
    pub archived_seq: u64,
    /// The term of this controller.
    pub epoch: u64,
}

/// What to do once the events are archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Stop whatever still runs for a holder that is gone. Only then its claim is taken away.
    StopOrphan {
        /// The Deployment that held the claim.
        deployment: Uid,
    },
    /// Let the object go: its deletion is archived.
    RemoveFinalizer,
}

/// What to write, and what to do then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The status to write.
    pub status: EnvironmentStatus,
    /// What happened.
    pub events: Vec<Event>,
    /// What to do once that is archived.
    pub effect: Option<Effect>,
}

/// Decides what an Environment needs.
pub fn decide(seen: &Observed<'_>, now: Timestamp) -> Decision {
    let mut upkeep = Upkeep { seen, now, status: seen.environment.status.clone(), events: Vec::new() };
    upkeep.status.audit.archived(seen.archived_seq);
    if upkeep.deleted() {
        let archived = seen.archived_seq >= upkeep.status.audit.seq;
        return upkeep.decision(archived.then_some(Effect::RemoveFinalizer));
    }
    upkeep.history();
    upkeep.readiness();
    let orphan = upkeep.orphan();
    upkeep.take_note_of_guard();
    upkeep.reset();
    upkeep.deletion();
    upkeep.decision(orphan)
}

struct Upkeep<'a> {
    seen: &'a Observed<'a>,
    now: Timestamp,
    status: EnvironmentStatus,
    events: Vec<Event>,
}

impl Upkeep<'_> {
    fn decision(mut self, effect: Option<Effect>) -> Decision {
        // What is archived is noted in a write that happens anyway, and makes none of its own.
        if self.events.is_empty() {
            self.status.audit.clone_from(&self.seen.environment.status.audit);
        }
        Decision { status: self.status, events: self.events, effect }
    }

    fn emit(&mut self, actor: Actor, action: Action, detail: Detail) {
        let source = if actor == Actor::controller() { Source::Controller } else { Source::Kubectl };
        let status = self.status.phase.to_string();
        let entry = Entry { action, actor, source, status, detail };
        let subject = self.seen.environment.subject();
        let event = self.status.audit.append(&subject, self.seen.epoch, self.now, entry);
        self.events.push(event);
    }

    fn changed_by(&self) -> Actor {
        self.seen.environment.changed_by.clone().unwrap_or_else(Actor::controller)
    }

    fn deleted(&self) -> bool {
        self.status.audit.last().is_some_and(|event| event.action == Action::EnvironmentDeleted)
    }

    /// The first event, and one for each change of what it asks of Deployments.
    fn history(&mut self) {
        let environment = self.seen.environment;
        let digest = environment.digest.clone();
        if self.status.audit.seq == 0 {
            self.status.phase = EnvironmentPhase::Active;
            self.status.policy_digest = Some(digest.clone());
            let detail = Detail::from([
                ("tier".to_owned(), environment.tier.to_string()),
                ("policyDigest".to_owned(), digest.to_string()),
            ]);
            self.emit(self.changed_by(), Action::EnvironmentCreated, detail);
        } else if self.status.policy_digest.as_ref() != Some(&digest) {
            let before = self.status.policy_digest.replace(digest.clone());
            let detail = Detail::from([
                ("from".to_owned(), before.map(String::from).unwrap_or_default()),
                ("to".to_owned(), digest.to_string()),
            ]);
            self.emit(self.changed_by(), Action::EnvironmentPolicyChanged, detail);
        }
    }

    fn readiness(&mut self) {
        let seen = self.seen;
        let older = neighbour::outranks(seen.environment, &seen.neighbours, self.now);
        self.status.yields_to = older.as_ref().map(Outranked::by);
        if let Some(older) = older {
            self.status.readiness = Readiness::NotReady;
            self.status.readiness_message = older.to_string();
            return;
        }
        match &seen.readiness {
            None => {}
            Some(Ok(())) => {
                self.status.readiness = Readiness::Ready;
                self.status.readiness_message.clear();
            }
            Some(Err(failure)) => {
                self.status.readiness = Readiness::NotReady;
                self.status.readiness_message.clone_from(&failure.message);
            }
        }
    }

    /// Nobody can say how far a holder got that is gone: a person has to look.
    fn orphan(&mut self) -> Option<Effect> {
        let claim = self.status.claim.clone()?;
        match self.seen.holder {
            Holder::None | Holder::Present => return None,
            Holder::Running => return Some(Effect::StopOrphan { deployment: claim.deployment }),
            Holder::Gone => {}
        }
        self.status.claim = None;
        self.status.operations += 1;
        self.status.phase = EnvironmentPhase::Failed;
        self.status.failed = Some(claim.deployment.clone());
        let detail = Detail::from([
            ("code".to_owned(), Code::OutcomeUnknown.to_string()),
            ("deployment".to_owned(), claim.deployment.to_string()),
            ("attempt".to_owned(), claim.attempt),
        ]);
        self.emit(Actor::controller(), Action::EnvironmentOutcomeUnknown, detail);
        None
    }

    /// Under another guard than the last one, a reset that stands and was not answered may be anyone's: it is said again.
    fn take_note_of_guard(&mut self) {
        let Guard::InForce { fingerprint, .. } = &self.seen.guard else { return };
        if self.status.guard.as_ref() == Some(fingerprint) {
            return;
        }
        self.status.guard = Some(fingerprint.clone());
        let unanswered = self.seen.environment.reset.clone().filter(|reset| !self.answered(reset));
        if let Some(reset) = unanswered {
            self.disregard(&reset, Actor::controller(), &Refusal::Unguarded { what: "spec.reset".to_owned() });
        }
    }

    /// The same words that freed an earlier failure of the same operation do not free the next one.
    fn answered(&self, reset: &Reset) -> bool {
        self.status.reset_handled == Some(reset.digest())
    }

    /// A reset that counts for nothing is answered with one event, and never counts later.
    fn disregard(&mut self, reset: &Reset, by: Actor, why: &Refusal) {
        self.status.reset_handled = Some(reset.digest());
        let facts = [
            ("of", reset.of.to_string()),
            ("actor", reset.actor.to_string()),
            ("note", reset.note.to_string()),
            ("code", why.code().to_string()),
            ("reason", why.to_string()),
        ];
        let detail = facts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.emit(by, Action::EnvironmentResetVoid, detail);
    }

    /// A reset counts once, while it is known whose it is, for exactly the operation it names, and only where a Deployment
    /// could run again. Until then it waits; one that names anything else is answered at once.
    fn reset(&mut self) {
        let Some(reset) = self.seen.environment.reset.clone() else { return };
        if self.seen.guard.fingerprint().is_none() || self.answered(&reset) {
            return;
        }
        let environment = self.seen.environment.id.name.clone();
        let why = match &self.status.failed {
            None => Some(Refusal::NothingFailed { environment }),
            Some(failed) if *failed != reset.of => {
                Some(Refusal::NotWhatFailed { environment, failed: failed.to_string(), named: reset.of.to_string() })
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            self.disregard(&reset, reset.actor.clone(), &why);
            return;
        }
        let failed = self.status.phase == EnvironmentPhase::Failed;
        if !failed || self.status.claim.is_some() || self.status.readiness != Readiness::Ready {
            return;
        }
        self.status.reset_handled = Some(reset.digest());
        self.status.phase = EnvironmentPhase::Active;
        self.status.failed = None;
        let detail =
            Detail::from([("of".to_owned(), reset.of.to_string()), ("note".to_owned(), reset.note.to_string())]);
        self.emit(reset.actor, Action::EnvironmentReset, detail);
    }

    /// An Environment goes when nothing is under way in it. Who deleted it, the object does not say.
    fn deletion(&mut self) {
        let free = self.status.claim.is_none() && self.seen.unfinished == 0;
        if self.seen.environment.deleting && free {
            let changed_by = [("lastChangedBy".to_owned(), self.changed_by().to_string())];
            self.emit(Actor::controller(), Action::EnvironmentDeleted, Detail::from(changed_by));
        }
    }
}
