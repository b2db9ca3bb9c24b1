//! While people judge: what counts, what is void, and what skips review.

use super::fold::{By, Fold, detail};
use super::{Next, trust};
use crate::deployment::{Act, Glass};
use crate::event::Action;
use crate::phase::Phase;
use crate::preview::PreviewRef;
use crate::refusal::Refusal;
use crate::review::{Counted, Review, Verdict, judge, void_key};
use crate::rollback::RollbackState;
use crate::wait::Wait;

impl Fold<'_> {
    pub(super) fn pending_approval(&mut self) -> Next {
        if self.deployment().intents.abort.is_some()
            && let Some(next) = self.judged_before_abort().or_else(|| self.abort_before_start())
        {
            return next;
        }
        if let Some(next) = self.needs_guard().or_else(|| self.outdated()) {
            return next;
        }
        let Some(preview) = self.status.preview.clone() else { return self.preview(None) };
        if let Some(next) = self.expired() {
            return next;
        }
        let need = self.status.ticket.as_ref().map_or(1, |ticket| ticket.required);
        let subject = preview.reference.to_string();
        if let Some(next) = self.judged(&subject, need) {
            return next;
        }
        self.void_reviews();
        if let Some(act) = self.deployment().intents.break_glass.clone().filter(|_| self.heeds(trust::BREAK_GLASS)) {
            return self.break_glass(&act);
        }
        let have = self.status.reviews.approvals(&subject);
        let ticket = self.status.ticket.as_ref();
        let (until, due) = (ticket.and_then(|ticket| ticket.expires_at), ticket.and_then(|ticket| ticket.due_at));
        let late = due.is_some_and(|due| self.now >= due);
        Next::Wait(Wait::Review { have, need, subject, until, due, late })
    }

    /// Nothing is accepted after an abort: what reviewers said of the preview that stands, they said before it.
    fn judged_before_abort(&mut self) -> Option<Next> {
        let subject = self.status.preview.as_ref()?.reference.to_string();
        if self.unguarded().is_some() || self.ran_out().is_some() {
            return None;
        }
        let need = self.status.ticket.as_ref().map_or(1, |ticket| ticket.required);
        self.judged(&subject, need)
    }

    /// Counts the first review of `subject` that nobody has looked at; those that do not count are void.
    fn judged(&mut self, subject: &str, need: u32) -> Option<Next> {
        let deployment = self.deployment();
        for review in deployment.intents.reviews.iter().filter(|review| review.subject == subject) {
            if self.status.reviews.knows(review) {
                continue;
            }
            match judge(&deployment.request, &review.reviewer, review.verdict, review.note.as_ref()) {
                Err(refusal) => self.void(review, &refusal),
                Ok(()) => return Some(self.count(review, subject, need)),
            }
        }
        None
    }

    /// Counts one review, which may decide.
    fn count(&mut self, review: &Review, subject: &str, need: u32) -> Next {
        let counted = Counted {
            reviewer: review.reviewer.clone(),
            verdict: review.verdict,
            subject: subject.to_owned(),
            at: self.now,
        };
        self.status.reviews.counted.push(counted);
        let have = self.status.reviews.approvals(subject);
        let facts = detail([
            ("previewRef", Some(subject.to_owned())),
            ("note", review.note.as_ref().map(ToString::to_string)),
            ("approvals", (review.verdict == Verdict::Approve).then(|| format!("{have} of {need}"))),
        ]);
        let by = By::Person(&review.reviewer);
        match review.verdict {
            Verdict::Reject => {
                self.status.finished_at = Some(self.now);
                self.emit(&by, Action::ReleaseRejected, Phase::Rejected, facts);
            }
            Verdict::Approve if have >= need => {
                self.status.approved_at = Some(self.now);
                self.emit(&by, Action::ReleaseApproved, Phase::Approved, facts);
            }
            Verdict::Approve => self.emit(&by, Action::ReleaseApproved, Phase::PendingApproval, facts),
        }
        Next::Again
    }

    /// Review is skipped; for a later preview too, but then that follows from what was said and nobody says it again.
    fn break_glass(&mut self, act: &Act) -> Next {
        let again = self.status.break_glass.is_some();
        self.status.break_glass.get_or_insert(Glass::Unreviewed);
        self.status.approved_at = Some(self.now);
        let facts = detail([("actor", again.then(|| act.actor.to_string())), ("note", Some(act.note.to_string()))]);
        let by = if again { By::Controller } else { By::Person(&act.actor) };
        self.emit(&by, Action::ReleaseBreakGlass, Phase::Approved, facts);
        Next::Again
    }

    /// Reviews that judge something else than what stands are void, each with one event.
    ///
    /// Not while nobody knows whose they are: that they came then is said once the guard is in force again.
    pub(super) fn void_reviews(&mut self) {
        if self.unguarded().is_some() {
            return;
        }
        let current = match self.status.phase {
            // A review that comes with the confirmation waits for the ticket.
            Phase::Previewed | Phase::PendingApproval => {
                self.status.preview.as_ref().map(|preview| preview.reference.to_string())
            }
            Phase::Applying | Phase::Succeeded | Phase::Failed => self
                .status
                .rollback
                .as_ref()
                .filter(|rollback| rollback.state == RollbackState::Requested)
                .map(|rollback| rollback.reference.clone()),
            Phase::Pending | Phase::Approved | Phase::RolledBack | Phase::Rejected | Phase::Aborted => None,
        };
        for review in &self.deployment().intents.reviews {
            if !self.status.reviews.knows(review) && current.as_ref() != Some(&review.subject) {
                self.void(review, &self.missed(&review.subject));
            }
        }
    }

    /// Why a review of `subject` comes to nothing: another preview stands, or there is nothing left to decide.
    fn missed(&self, subject: &str) -> Refusal {
        let stands = self.status.preview.as_ref().map(|preview| preview.reference.to_string());
        let named = subject.to_owned();
        match stands.filter(|stands| *stands != named && named.parse::<PreviewRef>().is_ok()) {
            Some(current) => Refusal::PreviewMismatch { named, current },
            None => Refusal::Decided { subject: named },
        }
    }

    pub(super) fn void(&mut self, review: &Review, why: &Refusal) {
        self.status.reviews.voided.push(void_key(review));
        let facts = detail([
            ("previewRef", Some(review.subject.clone())),
            ("decision", Some(review.verdict.to_string())),
            ("note", review.note.as_ref().map(ToString::to_string)),
            ("code", Some(why.code().to_string())),
            ("reason", Some(why.to_string())),
        ]);
        self.emit(&By::Person(&review.reviewer), Action::ReleaseReviewVoid, self.status.phase, facts);
    }

    /// Someone looked at what had skipped review.
    pub(super) fn after_review(&mut self) -> Option<Next> {
        if self.status.break_glass != Some(Glass::Unreviewed) || !self.heeds(trust::AFTER_REVIEW) {
            return None;
        }
        let act = self.deployment().intents.after_review.clone()?;
        judge(&self.deployment().request, &act.actor, Verdict::Approve, Some(&act.note)).ok()?;
        self.deployment().intents.break_glass.as_ref().filter(|broken| broken.actor != act.actor)?;
        self.status.break_glass = Some(Glass::Reviewed);
        let facts = detail([("note", Some(act.note.to_string()))]);
        self.emit(&By::Person(&act.actor), Action::ReleaseBreakGlassReviewed, self.status.phase, facts);
        Some(Next::Again)
    }
}
