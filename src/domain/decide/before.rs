//! From the request to its review: preview, confirmation, the ticket, and what sends a Deployment back.

use jiff::SignedDuration;

use super::fold::{By, Fold, detail};
use super::{Effect, Next, Planned, Twin, trust};
use crate::code::Code;
use crate::deployment::Ticket;
use crate::environment::{Environment, RuntimeKind};
use crate::event::Action;
use crate::gate;
use crate::phase::Phase;
use crate::policy::Confirm;
use crate::preview::{Preview, PreviewRef};
use crate::runtime::{Changes, Forecast, Risk};
use crate::wait::Wait;

impl Fold<'_> {
    /// The first event: either the request is accepted, or it takes the outcome that its twin had.
    pub(super) fn created(&mut self) -> Next {
        let deployment = self.deployment();
        let request = &deployment.request;
        match &self.seen.twin {
            Twin::None => {}
            // To begin anew now would run again what has ended, once its release is there.
            Twin::Perhaps => match &self.seen.planned {
                Planned::Missing(wait) if !deployment.deleting => return Next::Wait(wait.clone()),
                Planned::Missing(_) | Planned::Refused(_) | Planned::Ready(_) => {}
            },
            Twin::Known { uid, phase } => {
                self.status.adopted_from = Some(uid.clone());
                self.status.finished_at = Some(self.now);
                let facts = detail([
                    ("of", Some(uid.to_string())),
                    ("reason", Some("the same request with the same release has ended before".to_owned())),
                ]);
                self.emit(&By::Controller, Action::ReleaseAdopted, *phase, facts);
                return Next::Again;
            }
        }
        let facts = detail([
            ("service", Some(request.service.to_string())),
            ("operation", Some(request.operation.as_str().to_owned())),
            ("release", request.operation.release().map(ToString::to_string)),
            ("requester", Some(request.requester.to_string())),
            ("submittedBy", Some(request.submitted_by.to_string())),
            ("workReferences", Some(request.work_references.join(" "))),
            ("rollbackPlan", Some(request.rollback_plan.clone())),
            ("risk", request.risk.clone()),
            ("requestDigest", Some(request.digest.to_string())),
        ]);
        self.emit(&By::Person(&request.submitted_by), Action::ReleaseCreated, Phase::Pending, facts);
        Next::Again
    }

    pub(super) fn pending(&mut self) -> Next {
        if let Some(next) = self.abort_before_start() {
            return next;
        }
        self.preview(None)
    }

    /// Makes a preview, the first or a new one, and says why it was needed.
    pub(super) fn preview(&mut self, why: Option<&str>) -> Next {
        let Some(environment) = self.environment() else {
            return Next::Wait(Wait::Environment { name: self.deployment().request.environment.to_string() });
        };
        let plan = match &self.seen.planned {
            Planned::Missing(wait) => return Next::Wait(wait.clone()),
            Planned::Refused(failure) => return Next::Wait(Wait::Unpreviewable(failure.clone())),
            Planned::Ready(plan) => plan,
        };
        let sound = crate::admission::request(&self.deployment().request, Some(environment));
        // What is wrong with the request stays wrong, whatever the Environment turns out to be.
        if let Err(refusal) = sound.and(gate::looked_at(environment)) {
            return Next::Wait(Wait::Gate { refusal, until: None });
        }
        let forecast = match (environment.runtime, &self.seen.forecast) {
            (RuntimeKind::Manual, _) => nothing_to_execute(),
            (RuntimeKind::Kubernetes | RuntimeKind::Ssh, None) => return Next::Do(Effect::Preview),
            (_, Some(Err(failure))) if failure.retryable => {
                return Next::Wait(Wait::PreviewFailed(failure.clone()));
            }
            (_, Some(Err(failure))) => return Next::Wait(Wait::Unpreviewable(failure.clone())),
            (_, Some(Ok(forecast))) => forecast.clone(),
        };
        let number = self.status.preview.as_ref().map_or(1, |preview| preview.reference.number + 1);
        let reference = PreviewRef { number, digest: plan.digest.clone() };
        let facts = detail([
            ("previewRef", Some(reference.to_string())),
            ("summary", Some(forecast.changes.summary())),
            ("risk", Some(forecast.risk.as_str().to_owned())),
            ("releaseDigest", plan.release.as_ref().map(|(_, digest)| digest.to_string())),
            ("reason", why.map(str::to_owned)),
        ]);
        // Only a confirmation ends this; a change of what would be applied does not.
        let before = self.status.preview.take();
        let still = before.as_ref().filter(|_| self.status.phase == Phase::Previewed);
        let ticket_expired_at = self.ran_out().or_else(|| still?.ticket_expired_at);
        let replaces = before.map(|before| before.reference);
        let release = plan.release.as_ref().map(|(_, digest)| digest.clone());
        self.status.preview = Some(Preview { reference, forecast, at: self.now, release, replaces, ticket_expired_at });
        self.status.ticket = None;
        self.status.approved_at = None;
        self.emit(&By::Controller, Action::ReleasePreviewed, Phase::Previewed, facts);
        Next::Again
    }

    /// Goes back to `Previewed` when what would be applied is not what was shown.
    pub(super) fn outdated(&mut self) -> Option<Next> {
        let current = match &self.seen.planned {
            Planned::Ready(plan) => gate::preview(&self.as_decided(), plan).is_ok(),
            // What it names is gone or cannot be rendered any more: nothing to show instead, so it waits.
            Planned::Missing(wait) => return Some(Next::Wait(wait.clone())),
            Planned::Refused(failure) => return Some(Next::Wait(Wait::Unpreviewable(failure.clone()))),
        };
        if current {
            return None;
        }
        Some(self.preview(Some("what would be applied has changed")))
    }

    /// The Deployment as it stands in this fold.
    pub(super) fn as_decided(&self) -> crate::deployment::Deployment {
        crate::deployment::Deployment { status: self.status.clone(), ..self.deployment().clone() }
    }

    pub(super) fn previewed(&mut self) -> Next {
        if let Some(next) = self.abort_before_start().or_else(|| self.needs_guard()).or_else(|| self.outdated()) {
            return next;
        }
        self.void_reviews();
        let (Some(environment), Some(preview)) = (self.environment(), self.status.preview.clone()) else {
            return Next::Wait(Wait::Environment { name: self.deployment().request.environment.to_string() });
        };
        let reference = preview.reference.clone();
        let heard = self.heeds(&trust::confirmation(&reference));
        let confirmations = &self.deployment().intents.confirmations;
        let by_hand = confirmations.iter().find(|c| heard && c.preview_ref == reference);
        let by = match by_hand {
            Some(confirmation) => By::Person(&confirmation.actor),
            None if environment.policy.confirm == Confirm::Auto && preview.ticket_expired_at.is_none() => {
                By::Controller
            }
            None => return Next::Wait(Wait::Confirmation { reference, why: preview.reason() }),
        };
        let note = by_hand.and_then(|confirmation| confirmation.note.as_ref());
        let facts = detail([("previewRef", Some(reference.to_string())), ("note", note.map(ToString::to_string))]);
        if environment.policy.approval.required {
            self.emit(&by, Action::ReleaseConfirmed, Phase::Previewed, facts);
            self.open_ticket(environment, &reference);
        } else {
            self.status.approved_at = Some(self.now);
            self.emit(&by, Action::ReleaseConfirmed, Phase::Approved, facts);
        }
        Next::Again
    }

    fn open_ticket(&mut self, environment: &Environment, reference: &PreviewRef) {
        let after = |wait: Option<std::time::Duration>| {
            wait.and_then(|wait| SignedDuration::try_from(wait).ok()).and_then(|wait| self.now.checked_add(wait).ok())
        };
        let ticket = Ticket {
            id: format!("{}-{}", self.deployment().id.uid, reference.number),
            required: environment.policy.approval.count,
            opened_at: self.now,
            expires_at: after(environment.policy.approval.expires_after),
            due_at: after(environment.policy.sla),
        };
        let facts = detail([
            ("ticket", Some(ticket.id.clone())),
            ("required", Some(ticket.required.to_string())),
            ("expiresAt", ticket.expires_at.map(|at| at.to_string())),
            ("dueAt", ticket.due_at.map(|at| at.to_string())),
        ]);
        self.status.ticket = Some(ticket);
        self.emit(&By::Controller, Action::ReleasePendingApproval, Phase::PendingApproval, facts);
    }

    /// An abort before the start ends it at once.
    pub(super) fn abort_before_start(&mut self) -> Option<Next> {
        let act = self.deployment().intents.abort.clone()?;
        self.abort(&By::Person(&act.actor), &act.note.to_string());
        Some(Next::Again)
    }

    pub(super) fn abort(&mut self, by: &By<'_>, note: &str) {
        self.status.finished_at = Some(self.now);
        self.status.step = None;
        let message = match by {
            By::Person(actor) => format!("{actor} stopped it: {note}"),
            By::Controller => note.to_owned(),
        };
        self.blame(ABORTED, message, None);
        self.emit(by, Action::ReleaseAborted, Phase::Aborted, detail([("note", Some(note.to_owned()))]));
    }

    /// A ticket that ran out sends the Deployment back, and only a person may confirm it again.
    pub(super) fn expired(&mut self) -> Option<Next> {
        self.ran_out().map(|_| self.preview(Some("the ticket for review ran out")))
    }

    /// When the ticket ran out, if it did. It runs to the claim. Where review was skipped nobody is waited for.
    pub(super) fn ran_out(&self) -> Option<jiff::Timestamp> {
        let claimed = self.environment().is_some_and(|environment| environment.held_by(&self.deployment().id.uid));
        let ends = self.status.ticket.as_ref().and_then(|ticket| ticket.expires_at);
        ends.filter(|at| self.now >= *at && !claimed && self.status.break_glass.is_none())
    }
}

fn nothing_to_execute() -> Forecast {
    Forecast { changes: Changes::default(), risk: Risk::None, checks: Vec::new(), diff: String::new() }
}

/// The code of a Deployment that was aborted.
pub(super) const ABORTED: Code = Code::Aborted;
