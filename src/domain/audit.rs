//! The journal of a resource is its write-ahead log: an event stands there before anything follows from it.
//!
//! `seq` numbers the events of one resource without gaps. Entries up to `audited_seq` are known to be in the archive and
//! are dropped from the journal in a write that happens anyway.

use jiff::Timestamp;

use crate::event::{Action, Detail, Event, ResourceType, Source};
use crate::name::{Actor, ResourceId};

/// The audit block that every Slipway status has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// The number of the newest event; 0 before the first.
    pub seq: u64,
    /// The term of the controller that wrote last.
    pub epoch: u64,
    /// The newest event that was known to be archived when this was written.
    pub audited_seq: u64,
    /// The newest events, oldest first.
    pub journal: Vec<Event>,
}

/// The longest text in the detail of an event, in characters, as the schema of the journal allows.
pub const DETAIL_MAX: usize = 8000;

/// How many archived events a settled object keeps, so that a restart can compare them with the archive.
pub const KEPT: usize = 8;

/// What every event of one resource has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Which kind of resource.
    pub resource_type: ResourceType,
    /// Which one.
    pub id: ResourceId,
    /// The Environment's project, once an Environment is known.
    pub project: String,
    /// The Environment's team, once an Environment is known.
    pub team: String,
    /// The Environment's name.
    pub environment: String,
}

/// One event to be written: what happened, who did it, and what the resource's status is after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub action: Action,
    /// Who did it.
    pub actor: Actor,
    /// Through which tool.
    pub source: Source,
    /// The status after it.
    pub status: String,
    /// What else is worth knowing.
    pub detail: Detail,
}

impl Audit {
    /// Appends the next event of `subject` and returns it.
    pub fn append(&mut self, subject: &Subject, epoch: u64, now: Timestamp, entry: Entry) -> Event {
        self.seq += 1;
        self.epoch = self.epoch.max(epoch);
        let event = Event {
            event_id: Event::id(&subject.id.uid, self.seq),
            seq: self.seq,
            epoch: self.epoch,
            action: entry.action,
            resource_type: subject.resource_type,
            resource_id: subject.id.uid.clone(),
            resource_name: format!("{}/{}", subject.id.namespace, subject.id.name),
            project_id: subject.project.clone(),
            team_id: subject.team.clone(),
            environment_id: subject.environment.clone(),
            actor_id: entry.actor,
            source: entry.source,
            status: entry.status,
            occurred_at: now,
            detail: entry.detail.into_iter().map(|(key, text)| (key, bounded(text))).collect(),
        };
        self.journal.push(event.clone());
        event
    }

    /// Notes that everything up to `seq` is archived, and drops what no restart needs any more.
    pub fn archived(&mut self, seq: u64) {
        self.audited_seq = self.audited_seq.max(seq.min(self.seq));
        let audited = self.audited_seq;
        let surplus = self.journal.len().saturating_sub(KEPT);
        let mut dropped = 0;
        self.journal.retain(|event| {
            let drop = dropped < surplus && event.seq <= audited;
            dropped += usize::from(drop);
            !drop
        });
    }

    /// The newest event, as far as the journal still has it.
    pub fn last(&self) -> Option<&Event> {
        self.journal.last()
    }
}

/// Cuts what the journal could not hold, and says so.
fn bounded(text: String) -> String {
    match text.char_indices().nth(DETAIL_MAX) {
        Some((end, _)) => format!("{}… (cut)", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            resource_type: ResourceType::Deployment,
            id: ResourceId { namespace: "shop".into(), name: "web-v1".into(), uid: "u-1".parse().unwrap() },
            project: "shop".into(),
            team: "web".into(),
            environment: "dev".into(),
        }
    }

    fn entry() -> Entry {
        Entry {
            action: Action::ReleaseCreated,
            actor: Actor::controller(),
            source: Source::Controller,
            status: "pending".into(),
            detail: Detail::new(),
        }
    }

    #[test]
    fn events_are_numbered_without_gaps_and_the_epoch_never_falls() {
        let mut audit = Audit { epoch: 7, ..Audit::default() };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(audit.append(&subject(), 3, now, entry()).event_id, "u-1/1");
        assert_eq!(audit.append(&subject(), 9, now, entry()).event_id, "u-1/2");
        assert_eq!((audit.seq, audit.epoch), (2, 9));
        assert_eq!(audit.journal[0].epoch, 7);
    }

    #[test]
    fn only_archived_events_leave_the_journal_and_the_newest_stay() {
        let mut audit = Audit::default();
        for _ in 0..12 {
            audit.append(&subject(), 1, Timestamp::UNIX_EPOCH, entry());
        }
        audit.archived(2);
        assert_eq!(audit.journal.first().unwrap().seq, 3, "events 3 to 12 are not archived yet");
        audit.archived(12);
        assert_eq!(audit.journal.len(), KEPT);
        assert_eq!(audit.last().unwrap().seq, 12);
    }
}
