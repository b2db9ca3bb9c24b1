//! The status of a Deployment, with conditions that say in the same words what its phase says.

use jiff::Timestamp;
use slipway_domain::code::Code;
use slipway_domain::deployment::{Diagnostics, Glass, Status};
use slipway_domain::event::Action;
use slipway_domain::name::Actor;
use slipway_domain::phase::Phase;
use slipway_domain::preview::Preview;
use slipway_domain::review::{Counted, Verdict};
use slipway_domain::rollback::{Origin, Rollback, RollbackState};
use slipway_domain::runtime::ObjectRef;
use slipway_domain::wait::Wait;

use super::conditions::{Conditions, Is, State};
use super::{audit, clip, running};
use crate::condition::Condition;
use crate::{OBJECTS_SHOWN_MAX, deployment_status as wire, preview as shown};

/// Renders the status of a Deployment.
///
/// `wait` is what it waits for, `before` the status that stands: of that the times of conditions are kept, and the
/// preview as it was shown, because the domain reads back less of it than is shown.
pub fn deployment(
    status: &Status,
    wait: Option<&Wait>,
    generation: Option<i64>,
    before: Option<&wire::DeploymentStatus>,
    now: Timestamp,
) -> wire::DeploymentStatus {
    let stood = before.map_or(&[][..], |before| &before.conditions);
    let preview = status.preview.as_ref().map(|made| preview(made, before.and_then(|before| before.preview.as_ref())));
    wire::DeploymentStatus {
        phase: status.phase,
        step: status.step,
        observed_generation: generation,
        conditions: conditions(status, preview.as_ref(), wait, Conditions::new(stood, generation, now)),
        preview,
        approval: approval(status),
        approved_at: status.approved_at,
        attempt: status.attempt.as_ref().map(|attempt| wire::Attempt {
            id: attempt.id.clone(),
            kind: attempt.kind.to_string(),
            number: attempt.number,
            started_at: attempt.started_at,
            not_before: attempt.not_before,
        }),
        rollback: status.rollback.as_ref().map(rollback),
        handled_rollbacks: status.handled_rollbacks.clone(),
        break_glass: status.break_glass.map(|glass| match glass {
            Glass::Unreviewed => wire::Glass::Unreviewed,
            Glass::Reviewed => wire::Glass::Reviewed,
        }),
        freeze_overridden: status.freeze_overridden,
        guard: status.guard.as_ref().map(ToString::to_string),
        disregarded: status.disregarded.clone(),
        diagnostics: status.diagnostics.as_ref().map(diagnostics),
        started_at: status.started_at,
        finished_at: status.finished_at,
        adopted_from: status.adopted_from.clone(),
        audit: audit(&status.audit),
    }
}

/// What whoever looks at a broken glass is to do.
const UNSEEN: &str = "it went ahead without review, as spec.breakGlass says: someone who may approve, and has neither \
                      asked for it nor broken the glass, looks at it and says so in spec.afterReview";

fn preview(preview: &Preview, before: Option<&shown::Preview>) -> shown::Preview {
    let reference = preview.reference.to_string();
    if let Some(shown) = before.filter(|before| before.reference == reference) {
        return shown.clone();
    }
    let changes = &preview.forecast.changes;
    shown::Preview {
        reference,
        digest: preview.reference.digest.to_string(),
        release_digest: preview.release.as_ref().map(ToString::to_string),
        at: preview.at,
        risk: preview.forecast.risk,
        summary: clip(&changes.summary()),
        checks: preview
            .forecast
            .checks
            .iter()
            .take(crate::CHECKS_MAX)
            .map(|check| shown::Check { name: clip(&check.name), message: clip(&check.message) })
            .collect(),
        changes: shown::Changes {
            added: first(&changes.added),
            changed: first(&changes.changed),
            removed: first(&changes.removed),
            counts: shown::Counts {
                added: count(&changes.added),
                changed: count(&changes.changed),
                removed: count(&changes.removed),
                unchanged: count(&changes.unchanged),
            },
        },
        awaits_person: preview.ticket_expired_at.is_some(),
        ticket_expired_at: preview.ticket_expired_at,
        replaces: preview.replaces.as_ref().map(ToString::to_string),
    }
}

fn first(objects: &[ObjectRef]) -> Vec<String> {
    objects.iter().take(OBJECTS_SHOWN_MAX).map(ToString::to_string).collect()
}

fn count(objects: &[ObjectRef]) -> u32 {
    u32::try_from(objects.len()).unwrap_or(u32::MAX)
}

fn approval(status: &Status) -> Option<wire::Approval> {
    let (ticket, reviews) = (status.ticket.as_ref(), &status.reviews);
    if ticket.is_none() && reviews.counted.is_empty() && reviews.voided.is_empty() {
        return None;
    }
    let current = status.preview.as_ref().map(|preview| preview.reference.to_string());
    // What was decided about an earlier preview decides nothing about this one; a rollback has a review of its own.
    let last = reviews.counted.iter().rev().find(|review| Some(&review.subject) == current.as_ref());
    Some(wire::Approval {
        required: ticket.map(|ticket| ticket.required),
        count: ticket.map(|_| current.map_or(0, |subject| reviews.approvals(&subject))),
        ticket: ticket.map(|ticket| ticket.id.clone()),
        opened_at: ticket.map(|ticket| ticket.opened_at),
        expires_at: ticket.and_then(|ticket| ticket.expires_at),
        due_at: ticket.and_then(|ticket| ticket.due_at),
        reviewed_by: last.map(|review| review.reviewer.to_string()),
        reviewed_at: last.map(|review| review.at),
        decision: last.map(|review| review.verdict),
        approvals: reviews.counted.iter().map(counted).collect(),
        voided: reviews.voided.clone(),
    })
}

fn counted(review: &Counted) -> wire::Counted {
    wire::Counted {
        reviewer: review.reviewer.to_string(),
        preview_ref: review.subject.clone(),
        decision: review.verdict,
        at: review.at,
    }
}

fn rollback(rollback: &Rollback) -> wire::Rollback {
    let (origin, actor) = match &rollback.origin {
        Origin::Automatic => (wire::Origin::Automatic, None),
        Origin::Manual { actor } => (wire::Origin::Manual, Some(actor.to_string())),
    };
    wire::Rollback {
        id: rollback.id.clone(),
        origin,
        actor,
        state: rollback.state,
        to_release: rollback.to.as_ref().map(running),
        reference: rollback.reference.clone(),
        requested_at: rollback.requested_at,
        diagnostics: rollback.diagnostics.as_ref().map(diagnostics),
    }
}

fn diagnostics(diagnostics: &Diagnostics) -> wire::Diagnostics {
    wire::Diagnostics {
        code: diagnostics.code.to_string(),
        message: clip(&diagnostics.message),
        detail: diagnostics.detail.as_deref().map(clip),
    }
}

fn conditions(
    status: &Status,
    preview: Option<&shown::Preview>,
    wait: Option<&Wait>,
    mut conditions: Conditions<'_>,
) -> Vec<Condition> {
    let (state, reason, message) = summary(status, wait);
    conditions.summary(state, reason, &message);
    match preview {
        Some(preview) => conditions.set("Previewed", true, "Previewed", &preview.summary),
        None => conditions.set("Previewed", false, reason, &message),
    };
    let (approved, why) = approved(status);
    conditions.set("Approved", approved, why, "");
    let (applied, healthy) = applied_and_healthy(status);
    conditions.set("Applied", applied.0, applied.1, "").set("Healthy", healthy.0, healthy.1, "");
    // It is not there where no glass was broken, and stays, whatever became of the Deployment, until someone looked.
    match status.break_glass {
        None => {}
        Some(Glass::Unreviewed) => {
            conditions.set("BreakGlass", true, "AwaitsSecondLook", UNSEEN);
        }
        Some(Glass::Reviewed) => {
            conditions.set("BreakGlass", false, "LookedAt", "");
        }
    }
    conditions.list()
}

/// What is so as a whole, why in a word, and why in a sentence.
fn summary<'a>(status: &Status, wait: Option<&'a Wait>) -> (State, &'a str, String) {
    let open = status.rollback.as_ref().filter(|rollback| rollback.state.open());
    let wrong = status.diagnostics.as_ref().map(|diagnostics| diagnostics.message.clone());
    let wrong = wrong.or_else(|| told(status)).unwrap_or_default();
    match status.phase {
        Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved => match wait {
            Some(wait) if wait.stalled() => (State::Failed, wait.reason(), wait.message() + &disregarded(status)),
            Some(wait) => (State::InProgress, wait.reason(), wait.message() + &disregarded(status)),
            None => (State::InProgress, status.phase.as_str(), String::new()),
        },
        Phase::Applying => match wait {
            Some(wait) => (State::InProgress, wait.reason(), wait.message()),
            None => (State::InProgress, "Progressing", wrong),
        },
        Phase::Succeeded | Phase::Failed if open.is_some() => {
            let running = open.is_some_and(|rollback| rollback.state == RollbackState::Running);
            match wait {
                _ if running => (State::InProgress, "RollingBack", wrong),
                Some(wait) => (State::InProgress, wait.reason(), wait.message()),
                None => (State::InProgress, "RollbackRequested", wrong),
            }
        }
        Phase::Succeeded => (State::Current, "Succeeded", unheard(wait).or_else(|| told(status)).unwrap_or_default()),
        Phase::Failed => (State::Failed, "Failed", unheard(wait).unwrap_or(wrong)),
        Phase::RolledBack => (State::Failed, "RolledBack", wrong),
        Phase::Rejected => (State::Failed, "Rejected", wrong),
        Phase::Aborted => (State::Failed, "Aborted", wrong),
    }
}

/// Why a rollback that somebody asked for has not begun.
fn unheard(wait: Option<&Wait>) -> Option<String> {
    wait.filter(|wait| matches!(wait, Wait::Policies { .. })).map(Wait::message)
}

/// What stands in the spec, cannot be said again, and counts for nothing.
fn disregarded(status: &Status) -> String {
    let acts = status.disregarded.iter().filter(|name| !name.contains(' ') && *name != "request");
    let acts: Vec<String> = acts.map(|name| format!("spec.{name}")).collect();
    if acts.is_empty() {
        return String::new();
    }
    format!(
        "; {} may have been written while the policies that check who decides were not in force, and counts for nothing: \
         if it is meant, create another Deployment",
        acts.join(", ")
    )
}

/// What led to an end that is no failure of a runtime: who said so and why, or which object had ended so before.
fn told(status: &Status) -> Option<String> {
    if let Some(uid) = &status.adopted_from {
        return Some(format!("ended so before, as {uid}"));
    }
    let (action, did) = match status.phase {
        Phase::Succeeded => (Action::ReleaseApplied, "reported as done"),
        Phase::Failed => (Action::ReleaseFailed, "reported as failed"),
        Phase::RolledBack => (Action::ReleaseRollbackCompleted, "rolled back"),
        Phase::Rejected => (Action::ReleaseRejected, "rejected"),
        Phase::Aborted => (Action::ReleaseAborted, "stopped"),
        Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved | Phase::Applying => return None,
    };
    let said = status.audit.journal.iter().rev().find(|event| event.action == action);
    if let Some(event) = said.filter(|event| event.actor_id != Actor::controller()) {
        let note = event.detail.get("note").map(|note| format!(": {note}")).unwrap_or_default();
        return Some(format!("{did} by {}{note}", event.actor_id));
    }
    // Reviews that came later may have pushed the event out of the journal; who decided is kept beside it.
    let no = status.reviews.counted.iter().rev().find(|review| review.verdict == Verdict::Reject);
    no.filter(|_| status.phase == Phase::Rejected).map(|review| format!("{did} by {}", review.reviewer))
}

fn approved(status: &Status) -> (Is, &'static str) {
    match (status.phase, status.approved_at, status.break_glass, &status.ticket) {
        (Phase::Rejected, ..) => (Is::False, "Rejected"),
        (_, Some(_), Some(_), _) => (Is::True, "BreakGlass"),
        (_, Some(_), None, Some(_)) => (Is::True, "Approved"),
        (_, Some(_), None, None) => (Is::True, "NotRequired"),
        (Phase::PendingApproval, None, ..) => (Is::False, "ReviewRequired"),
        (_, None, ..) => (Is::False, "NotYet"),
    }
}

fn applied_and_healthy(status: &Status) -> ((Is, &'static str), (Is, &'static str)) {
    let judged = match (status.diagnostics.as_ref().map(|wrong| wrong.code), &status.attempt) {
        (Some(Code::HealthCheckFailed), _) => (Is::False, "HealthCheckFailed"),
        (Some(Code::OperationTimeout), _) => (Is::False, "OperationTimeout"),
        (_, Some(_)) if status.phase == Phase::Succeeded => (Is::True, "HealthChecksPassed"),
        _ => (Is::Unknown, "NotJudged"),
    };
    match status.phase {
        Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved => {
            ((Is::False, "NotYet"), (Is::Unknown, "NotYet"))
        }
        Phase::Applying => ((Is::Unknown, "Progressing"), (Is::Unknown, "NotYet")),
        Phase::Succeeded => ((Is::True, "Succeeded"), judged),
        Phase::Failed => ((Is::False, "Failed"), judged),
        Phase::RolledBack => ((Is::False, "RolledBack"), judged),
        Phase::Rejected => ((Is::False, "Rejected"), (Is::Unknown, "NotJudged")),
        Phase::Aborted => ((Is::False, "Aborted"), (Is::Unknown, "NotJudged")),
    }
}
