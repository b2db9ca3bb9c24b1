//! A Deployment goes only when its history is complete: ended, given back, and its deletion archived.

use super::fold::{By, Fold, detail};
use super::{Effect, Next};
use crate::attempt::Progress;
use crate::code::Code;
use crate::deployment::Glass;
use crate::event::Action;
use crate::phase::Phase;
use crate::runtime::Failure;

const WHY: &str = "the object was deleted before it had ended";

impl Fold<'_> {
    /// What deletion asks for; None when it is not being deleted, or when its end has to be reached first.
    pub(super) fn deleting(&mut self) -> Option<Next> {
        if !self.deployment().deleting {
            return None;
        }
        let deleted = self.status.audit.last().is_some_and(|event| event.action == Action::ReleaseDeleted);
        if deleted {
            let archived = self.seen.archived_seq >= self.status.audit.seq;
            return Some(if archived { Next::Do(Effect::RemoveFinalizer) } else { Next::Rest });
        }
        if self.status.audit.seq == 0 {
            return Some(self.created());
        }
        match self.status.phase {
            Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved => {
                // A claim taken just before is given back with the end.
                self.abort(&By::Controller, WHY);
                Some(Next::Again)
            }
            Phase::Applying => Some(self.stop_for_deletion()),
            Phase::Succeeded | Phase::Failed | Phase::RolledBack | Phase::Rejected | Phase::Aborted => self.gone(),
        }
    }

    /// Everything that is still open is closed first; then the deletion itself is the last event.
    fn gone(&mut self) -> Option<Next> {
        let held = self.environment().is_some_and(|environment| environment.held_by(&self.deployment().id.uid));
        if self.rolling_back() && held {
            return None;
        }
        if held {
            return self.environment().map(|environment| Next::Do(Effect::Settle(self.outcome(environment))));
        }
        let unseen = self.status.break_glass == Some(Glass::Unreviewed);
        let facts = detail([("breakGlass", unseen.then(|| "nobody has looked at it".to_owned()))]);
        self.emit(&By::Controller, Action::ReleaseDeleted, self.status.phase, facts);
        Some(Next::Rest)
    }

    fn stop_for_deletion(&mut self) -> Next {
        let changed = match &self.progress() {
            Progress::Running => return Next::Do(Effect::Stop),
            Progress::Absent => true,
            Progress::Succeeded(applied) => !applied.written.is_empty() || !applied.pruned.is_empty(),
            Progress::Failed(failure) => failure.changed,
            Progress::Stopped { changed } => *changed,
        };
        let failure = Failure { code: Code::Aborted, message: WHY.to_owned(), detail: None, retryable: false, changed };
        self.blame_failure(&failure);
        self.finish();
        let facts = detail([
            ("code", Some(failure.code.to_string())),
            ("message", Some(failure.message)),
            ("changed", Some(changed.to_string())),
        ]);
        self.emit(&By::Controller, Action::ReleaseFailed, Phase::Failed, facts);
        Next::Again
    }
}
