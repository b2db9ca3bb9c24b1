//! What the controller wrote about a Deployment, as the domain knows it.
//!
//! Two things stay in the archive and are not read back: the difference that a preview found, and whatever of its lists
//! was too long to show.

use slipway_domain::attempt::Attempt;
use slipway_domain::deployment::{Diagnostics, Glass, Status, Ticket};
use slipway_domain::preview::Preview;
use slipway_domain::review::{Counted, Reviews};
use slipway_domain::rollback::{Origin, Rollback};
use slipway_domain::runtime::{Changes, Check, Forecast, ObjectRef};

use super::{Reader, audit};
use crate::deployment_status as wire;

impl Reader {
    pub(super) fn deployment_status(&mut self, status: &wire::DeploymentStatus) -> Option<Status> {
        let preview = status.preview.as_ref().and_then(|preview| self.preview(preview));
        let approval = status.approval.clone().unwrap_or_default();
        let ticket = self.ticket(&approval);
        let reviews = self.reviews(&approval);
        let attempt = status.attempt.as_ref().and_then(|attempt| self.attempt(attempt));
        let rollback = status.rollback.as_ref().and_then(|rollback| self.rollback(rollback));
        let diagnostics = self.diagnostics("status.diagnostics", status.diagnostics.as_ref());
        let guard = self.option("status.guard", status.guard.as_ref());
        Some(Status {
            phase: status.phase,
            step: status.step,
            preview,
            ticket,
            reviews: reviews?,
            approved_at: status.approved_at,
            attempt,
            rollback,
            handled_rollbacks: status.handled_rollbacks.clone(),
            diagnostics,
            started_at: status.started_at,
            finished_at: status.finished_at,
            adopted_from: status.adopted_from.clone(),
            break_glass: status.break_glass.map(|glass| match glass {
                wire::Glass::Unreviewed => Glass::Unreviewed,
                wire::Glass::Reviewed => Glass::Reviewed,
            }),
            freeze_overridden: status.freeze_overridden,
            guard,
            disregarded: status.disregarded.clone(),
            audit: audit(&status.audit),
        })
    }

    fn preview(&mut self, wire: &crate::preview::Preview) -> Option<Preview> {
        let reference = self.name("status.preview.ref", &wire.reference);
        let added = self.objects("status.preview.changes.added", &wire.changes.added);
        let changed = self.objects("status.preview.changes.changed", &wire.changes.changed);
        let removed = self.objects("status.preview.changes.removed", &wire.changes.removed);
        let replaces = self.option("status.preview.replaces", wire.replaces.as_ref());
        let release = self.option("status.preview.releaseDigest", wire.release_digest.as_ref());
        let checks = &wire.checks;
        Some(Preview {
            reference: reference?,
            forecast: Forecast {
                changes: Changes { added: added?, changed: changed?, removed: removed?, unchanged: Vec::new() },
                risk: wire.risk,
                checks: checks
                    .iter()
                    .map(|check| Check { name: check.name.clone(), message: check.message.clone() })
                    .collect(),
                diff: String::new(),
            },
            at: wire.at,
            release,
            replaces,
            ticket_expired_at: wire.ticket_expired_at.or(wire.awaits_person.then_some(wire.at)),
        })
    }

    pub(super) fn objects(&mut self, field: &str, objects: &[String]) -> Option<Vec<ObjectRef>> {
        self.each(field, objects, |reader, field, object| reader.name(field, object))
    }

    fn ticket(&mut self, wire: &wire::Approval) -> Option<Ticket> {
        let id = wire.ticket.as_ref()?;
        let (Some(required), Some(opened_at)) = (wire.required, wire.opened_at) else {
            self.wrong("status.approval.ticket", "has neither required nor openedAt beside it");
            return None;
        };
        Some(Ticket { id: id.clone(), required, opened_at, expires_at: wire.expires_at, due_at: wire.due_at })
    }

    fn reviews(&mut self, wire: &wire::Approval) -> Option<Reviews> {
        let counted = self.each("status.approval.approvals", &wire.approvals, |reader, field, review| {
            let reviewer = reader.name(&format!("{field}.reviewer"), &review.reviewer)?;
            Some(Counted { reviewer, verdict: review.decision, subject: review.preview_ref.clone(), at: review.at })
        });
        Some(Reviews { counted: counted?, voided: wire.voided.clone() })
    }

    fn attempt(&mut self, wire: &wire::Attempt) -> Option<Attempt> {
        let kind = self.word("status.attempt.type", &wire.kind)?;
        Some(Attempt {
            id: wire.id.clone(),
            kind,
            number: wire.number,
            started_at: wire.started_at,
            not_before: wire.not_before,
        })
    }

    fn rollback(&mut self, wire: &wire::Rollback) -> Option<Rollback> {
        let to = self.running("status.rollback.toRelease", wire.to_release.as_ref());
        let diagnostics = self.diagnostics("status.rollback.diagnostics", wire.diagnostics.as_ref());
        let origin = match (wire.origin, &wire.actor) {
            (wire::Origin::Automatic, _) => Some(Origin::Automatic),
            (wire::Origin::Manual, Some(actor)) => {
                self.name("status.rollback.actor", actor).map(|actor| Origin::Manual { actor })
            }
            (wire::Origin::Manual, None) => {
                self.wrong("status.rollback.actor", "is missing");
                None
            }
        };
        Some(Rollback {
            id: wire.id.clone(),
            origin: origin?,
            state: wire.state,
            to,
            reference: wire.reference.clone(),
            requested_at: wire.requested_at,
            diagnostics,
        })
    }

    fn diagnostics(&mut self, field: &str, wire: Option<&wire::Diagnostics>) -> Option<Diagnostics> {
        let wire = wire?;
        let code = self.word(&format!("{field}.code"), &wire.code)?;
        Some(Diagnostics { code, message: wire.message.clone(), detail: wire.detail.clone() })
    }
}
