//! Whom to believe: nobody, while the API server does not check who says what; afterwards, only what was said since.

use super::Next;
use super::fold::{By, Fold, detail};
use crate::deployment::{Diagnostics, Glass};
use crate::environment::RuntimeKind;
use crate::event::Action;
use crate::guard::Guard;
use crate::phase::Phase;
use crate::preview::PreviewRef;
use crate::refusal::Refusal;
use crate::review::{Review, void_key};
use crate::rollback::{Origin, Rollback, RollbackState};
use crate::wait::Wait;

/// The request itself, as it is disregarded: who asks and who submits may be anyone.
const REQUEST: &str = "request";
/// `spec.overrideFreeze`, as it is disregarded.
pub(super) const OVERRIDE_FREEZE: &str = "overrideFreeze";
/// `spec.breakGlass`, as it is disregarded.
pub(super) const BREAK_GLASS: &str = "breakGlass";
/// `spec.afterReview`, as it is disregarded.
pub(super) const AFTER_REVIEW: &str = "afterReview";
/// `spec.manual.start`, as it is disregarded.
pub(super) const START: &str = "manual.start";
/// `spec.manual.finish`, as it is disregarded.
pub(super) const FINISH: &str = "manual.finish";

/// A confirmation, as it is disregarded.
pub(super) fn confirmation(reference: &PreviewRef) -> String {
    format!("confirmation {reference}")
}

impl Fold<'_> {
    /// What to wait for while no person is believed.
    pub(super) fn unguarded(&self) -> Option<Wait> {
        match &self.seen.guard {
            Guard::InForce { .. } => None,
            Guard::Broken { breaches, until } => Some(Wait::Policies { breaches: breaches.clone(), until: *until }),
        }
    }

    /// The wait of a Deployment that cannot go on without somebody's word, while nobody is believed; or for ever, where it
    /// is not known who made the request: four eyes are told apart by that.
    pub(super) fn needs_guard(&self) -> Option<Next> {
        let asks = self.environment().is_some_and(|environment| environment.policy.asks_people());
        if asks && self.status.disregarded.iter().any(|name| name == REQUEST) {
            return Some(Next::Wait(Wait::Gate { refusal: Refusal::UnguardedRequest, until: None }));
        }
        let by_hand = self.status.preview.as_ref().is_some_and(|preview| preview.ticket_expired_at.is_some());
        self.unguarded().filter(|_| asks || by_hand).map(Next::Wait)
    }

    /// Whether what stands in the spec under this name counts.
    pub(super) fn heeds(&self, intent: &str) -> bool {
        self.seen.guard.fingerprint().is_some() && !self.status.disregarded.iter().any(|name| name == intent)
    }

    /// Takes note of the guard. Under another than the last one, what stands in the spec and was not answered may have been
    /// written by anyone, in between: it counts for nothing, and whoever meant it says it again.
    ///
    /// The note is written over the version of the object that it was decided from: nothing is missed.
    pub(super) fn take_note_of_guard(&mut self) {
        let Guard::InForce { fingerprint, since } = &self.seen.guard else { return };
        if self.status.guard.as_ref() == Some(fingerprint) {
            return;
        }
        let never_unguarded = self.status.guard.is_none() && self.deployment().created_at >= *since;
        if !never_unguarded {
            if self.over() {
                return;
            }
            self.disregard();
        }
        self.status.guard = Some(fingerprint.clone());
    }

    /// Nothing that could be said about it has a consequence any more: it is not written for the sake of a note.
    fn over(&self) -> bool {
        let Some(environment) = self.environment() else { return self.status.phase.ended() };
        let (uid, service) = (&self.deployment().id.uid, &self.deployment().request.service);
        let open = match self.status.phase {
            Phase::Succeeded | Phase::Failed => {
                environment.runtime == RuntimeKind::Manual
                    || environment.rollback_target(uid, service).is_some()
                    || self.status.rollback.as_ref().is_some_and(|rollback| rollback.state.open())
                    || self.asked_to_go_back()
            }
            Phase::RolledBack | Phase::Rejected | Phase::Aborted => false,
            Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved | Phase::Applying => true,
        };
        !open && self.status.break_glass != Some(Glass::Unreviewed)
    }

    fn disregard(&mut self) {
        for review in &self.deployment().intents.reviews {
            if !self.status.reviews.knows(review) {
                self.disregard_review(review);
            }
        }
        self.disregard_rollbacks();
        let (phase, spec) = (self.status.phase, &self.deployment().intents);
        let unseen = self.status.guard.is_none();
        let unlooked = self.status.break_glass == Some(Glass::Unreviewed);
        let open = [
            (REQUEST, unseen && phase.before_start()),
            (OVERRIDE_FREEZE, spec.override_freeze.is_some() && !self.status.freeze_overridden),
            (BREAK_GLASS, spec.break_glass.is_some() && self.status.break_glass.is_none() && phase.before_start()),
            (AFTER_REVIEW, spec.after_review.is_some() && (unlooked || phase.before_start())),
            (START, spec.start.is_some() && phase.before_start()),
            (FINISH, spec.finish.is_some() && !phase.ended()),
        ];
        let mut names: Vec<String> =
            open.into_iter().filter(|(_, open)| *open).map(|(name, _)| name.to_owned()).collect();
        if phase == Phase::Previewed
            && let Some(preview) = &self.status.preview
            && spec.confirmations.iter().any(|confirmation| confirmation.preview_ref == preview.reference)
        {
            names.push(confirmation(&preview.reference));
        }
        names.retain(|name| !self.status.disregarded.contains(name));
        self.status.disregarded.extend(names);
    }

    /// Nobody can say who wrote it, so the event is the controller's, and names whom it claims to be by.
    fn disregard_review(&mut self, review: &Review) {
        self.status.reviews.voided.push(void_key(review));
        let why = Refusal::Unguarded { what: format!("the review of {}", review.subject) };
        let facts = detail([
            ("reviewer", Some(review.reviewer.to_string())),
            ("previewRef", Some(review.subject.clone())),
            ("decision", Some(review.verdict.to_string())),
            ("code", Some(why.code().to_string())),
            ("reason", Some(why.to_string())),
        ]);
        self.emit(&By::Controller, Action::ReleaseReviewVoid, self.status.phase, facts);
    }

    /// A rollback that nobody has begun with is asked for again, under another id; so is one that waits for its review.
    fn disregard_rollbacks(&mut self) {
        let need = self.environment().map_or(1, |environment| environment.policy.approval.count);
        if let Some(rollback) = &mut self.status.rollback
            && rollback.state == RollbackState::Requested
            && rollback.origin != Origin::Automatic
            && self.status.reviews.approvals(&rollback.reference) < need
        {
            rollback.state = RollbackState::Expired;
            rollback.diagnostics = Some(unguarded(&rollback.id));
        }
        let requests = self.deployment().intents.rollbacks.clone();
        for request in requests {
            if self.status.handled_rollbacks.contains(&request.id) {
                continue;
            }
            self.status.handled_rollbacks.push(request.id.clone());
            // What became of an earlier one is still needed while it is open, or while its claim is held.
            let stands = self.status.rollback.as_ref().is_some_and(|rollback| rollback.state.open());
            if stands || self.holds_claim() || !matches!(self.status.phase, Phase::Succeeded | Phase::Failed) {
                continue;
            }
            self.status.rollback = Some(Rollback {
                diagnostics: Some(unguarded(&request.id)),
                origin: Origin::Manual { actor: request.actor },
                id: request.id,
                state: RollbackState::Rejected,
                to: None,
                reference: String::new(),
                requested_at: self.now,
            });
        }
    }

    fn holds_claim(&self) -> bool {
        self.environment().is_some_and(|environment| environment.held_by(&self.deployment().id.uid))
    }

    /// Someone asked for a rollback, and it was not dealt with.
    pub(super) fn asked_to_go_back(&self) -> bool {
        let handled = &self.status.handled_rollbacks;
        self.deployment().intents.rollbacks.iter().any(|request| !handled.contains(&request.id))
    }
}

fn unguarded(id: &str) -> Diagnostics {
    let refusal = Refusal::Unguarded { what: format!("rollback {id}") };
    Diagnostics { code: refusal.code(), message: format!("{refusal}, under another id"), detail: None }
}
