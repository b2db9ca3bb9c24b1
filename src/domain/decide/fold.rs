//! The state of one fold: the status as it would be written, and the events that led there.

use jiff::Timestamp;

use super::{Decision, Effect, Observed};
use crate::attempt::Progress;
use crate::audit::{Entry, Subject};
use crate::code::Code;
use crate::deployment::{Deployment, Diagnostics, Status};
use crate::environment::Environment;
use crate::event::{Action, Detail, Event, Source};
use crate::name::Actor;
use crate::phase::Phase;
use crate::runtime::Failure;
use crate::wait::Wait;

pub(super) struct Fold<'a> {
    pub(super) seen: &'a Observed<'a>,
    pub(super) now: Timestamp,
    pub(super) status: Status,
    events: Vec<Event>,
    subject: Subject,
    /// A transition was wanted that the table does not have.
    pub(super) illegal: bool,
}

/// Who did it, and through what.
pub(super) enum By<'a> {
    /// It follows from something else.
    Controller,
    /// A person said so in the spec.
    Person(&'a Actor),
}

impl<'a> Fold<'a> {
    pub(super) fn new(seen: &'a Observed<'a>, now: Timestamp) -> Self {
        let mut status = seen.deployment.status.clone();
        status.audit.archived(seen.archived_seq);
        // Until a runtime is at work, what is wrong is what is waited for; afterwards the diagnosis belongs to the attempt.
        if status.phase.before_start() {
            status.diagnostics = None;
        }
        let subject = seen.deployment.subject(seen.environment);
        Self { seen, now, status, events: Vec::new(), subject, illegal: false }
    }

    pub(super) fn deployment(&self) -> &'a Deployment {
        self.seen.deployment
    }

    pub(super) fn environment(&self) -> Option<&'a Environment> {
        self.seen.environment
    }

    /// What is known of the attempt that the status names; nothing yet, where this fold has just named another.
    pub(super) fn progress(&self) -> Progress {
        let named = |status: &Status| status.attempt.as_ref().map(|attempt| attempt.id.clone());
        if named(&self.status) == named(&self.deployment().status) {
            return self.seen.progress.clone();
        }
        Progress::Absent
    }

    /// Writes one event and makes the transition that it stands for.
    ///
    /// A transition that the table does not have is not made, and nothing of the whole fold is kept: a mistake here stops
    /// one Deployment where it is, and never writes what did not happen.
    ///
    /// What no person did names the event before it as its cause.
    pub(super) fn emit(&mut self, by: &By<'_>, action: Action, to: Phase, mut detail: Detail) {
        let Ok(phase) = self.status.phase.next(action, to) else {
            debug_assert!(false, "{action} from {} to {to}", self.status.phase);
            self.illegal = true;
            return;
        };
        self.status.phase = phase;
        let (actor, source) = match by {
            By::Controller => {
                if self.status.audit.seq > 0 {
                    let cause = Event::id(&self.deployment().id.uid, self.status.audit.seq);
                    detail.entry("causedBy".to_owned()).or_insert(cause);
                }
                (Actor::controller(), Source::Controller)
            }
            By::Person(actor) => ((*actor).clone(), self.seen.deployment.source),
        };
        let entry = Entry { action, actor, source, status: phase.status().to_owned(), detail };
        let event = self.status.audit.append(&self.subject, self.seen.epoch, self.now, entry);
        self.events.push(event);
    }

    pub(super) fn blame(&mut self, code: Code, message: impl Into<String>, detail: Option<String>) {
        self.status.diagnostics = Some(Diagnostics { code, message: message.into(), detail });
    }

    pub(super) fn blame_failure(&mut self, failure: &Failure) {
        self.blame(failure.code, failure.message.clone(), failure.detail.clone());
    }

    pub(super) fn decision(mut self, effect: Option<Effect>, wait: Option<Wait>) -> Decision {
        // What is archived is noted in a write that happens anyway, and makes none of its own.
        if self.events.is_empty() {
            self.status.audit.clone_from(&self.seen.deployment.status.audit);
        }
        if self.status.phase.before_start() {
            self.status.diagnostics = wait.as_ref().and_then(|wait| {
                let detail = match wait {
                    Wait::Unpreviewable(failure) | Wait::PreviewFailed(failure) => failure.detail.clone(),
                    _ => None,
                };
                wait.code().map(|code| Diagnostics { code, message: wait.message(), detail })
            });
        }
        Decision { status: self.status, events: self.events, effect, wait }
    }
}

/// A detail with the entries that have a value.
pub(super) fn detail<const N: usize>(entries: [(&str, Option<String>); N]) -> Detail {
    entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
