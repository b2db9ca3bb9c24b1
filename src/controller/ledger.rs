//! The mirror of every journal: what stands on an object is in the archive before anything follows from it.
//!
//! Guarantees: [`Ledger::sight`] compares each object with the archive before the first decision about it, byte for
//! byte, and again whenever its history does not continue where the archive's ends. What went apart is reported until a
//! person has settled it, and nothing is decided about it. On a crash nothing of this is needed: the archive and the
//! objects are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use slipway_domain::audit::Audit;
use slipway_domain::event::{Action, Detail, Event, ResourceType};
use slipway_domain::name::Uid;
use slipway_store::{Archive, ReadError, Record, RecordError};

use crate::clock;

/// What became of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Object and archive tell the same history, up to this event; what is newer on the object is not archived yet.
    Archived(u64),
    /// A person has settled a divergence with this event, which the object does not have yet.
    Adopted(Box<Event>),
    /// They tell different histories.
    Diverged(Divergence),
}

/// An object and an archive that tell different histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The object.
    pub uid: Uid,
    /// Kind, namespace and name, for people.
    pub what: String,
    /// The newest event of the object.
    pub object_seq: u64,
    /// The newest event of the archive.
    pub archive_seq: u64,
    /// What is different.
    pub why: String,
    /// The archive's file.
    pub database: PathBuf,
}

impl Divergence {
    /// What a person reads, and what they can do.
    pub fn message(&self) -> String {
        let target = format!("--resource {} --object-seq {}", self.uid, self.object_seq);
        format!(
            "{}: {} (object at event {}, archive at event {}); look at both, then run: {}",
            self.what,
            self.why,
            self.object_seq,
            self.archive_seq,
            adopt_command(&self.database, &target)
        )
    }
}

/// What a person pastes into a shell to settle it; why is theirs to say.
pub fn adopt_command(database: &Path, target: &str) -> String {
    let path = database.display().to_string();
    let plain = path.chars().all(|c| c.is_alphanumeric() || "/._-+@%=:,".contains(c));
    let path = if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) };
    format!("slipway audit adopt --database {path} {target} --actor \"$USER\" --note \"why\"")
}

/// Why the ledger could not answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The archive could not be read.
    #[error("the archive could not be read: {0}")]
    Read(#[from] ReadError),
    /// The archive could not be written.
    #[error("{0}")]
    Record(RecordError),
    /// Object and archive went apart.
    #[error("object and archive tell different histories: {0}")]
    Diverged(String),
}

/// The archive, and what is known of every object in it.
#[derive(Debug, Clone)]
pub struct Ledger {
    archive: Archive,
    database: PathBuf,
    accepted: Option<Event>,
    archived: Arc<Mutex<HashMap<Uid, u64>>>,
    diverged: Arc<Mutex<BTreeMap<Uid, Divergence>>>,
    failing: Arc<Mutex<Option<String>>>,
    compared: Arc<Mutex<HashSet<Uid>>>,
}

impl Ledger {
    /// A ledger over the open archive at `database`; `accepted` is a person's acceptance of an archive that is older than
    /// its objects.
    pub fn new(archive: Archive, database: PathBuf, accepted: Option<Event>) -> Self {
        Self {
            archive,
            database,
            accepted,
            archived: Arc::default(),
            diverged: Arc::default(),
            failing: Arc::default(),
            compared: Arc::default(),
        }
    }

    /// The archive, for reads.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Compares an object's history with the archive's. `older` says why the object is an older copy where its numbered
    /// history does not show it; what a person settles about that is looked for each time.
    pub async fn sight(&self, uid: &Uid, what: &str, audit: &Audit, older: Option<&str>) -> Result<Sight, LedgerError> {
        if older.is_none()
            && !self.is_diverged(uid)
            && let Some(archived) = self.known(uid)
            && audit.seq >= archived
            && audit.audited_seq <= archived
        {
            return Ok(Sight::Archived(archived));
        }
        let last = self.archive.last_event(uid).await?;
        let archive_seq = last.as_ref().map_or(0, |event| event.seq);
        let adopted = last.filter(|event| {
            matches!(event.action, Action::ReleaseAdopted | Action::EnvironmentAdopted)
                && event.detail.contains_key("objectSeq")
        });
        if let Some(event) = adopted.filter(|event| event.seq > audit.seq) {
            let meant = event.detail.get("objectSeq").is_some_and(|seq| *seq == audit.seq.to_string());
            if meant {
                return Ok(Sight::Adopted(Box::new(event)));
            }
        }
        let first = audit.journal.first().map_or(audit.seq + 1, |event| event.seq);
        let why = if archive_seq > audit.seq {
            Some("the archive knows events that the object lacks: the object is an older copy")
        } else if audit.audited_seq > archive_seq || first > archive_seq + 1 {
            if let Some(event) = self.accept(audit, archive_seq).await? {
                return Ok(Sight::Adopted(Box::new(event)));
            }
            Some("the object knows events that the archive lacks: the archive is an older copy, or another one")
        } else {
            older
        };
        if let Some(why) = why {
            return Ok(self.diverge(uid, what, audit.seq, archive_seq, why));
        }
        let known: Vec<Event> = audit.journal.iter().filter(|event| event.seq <= archive_seq).cloned().collect();
        if !known.is_empty() {
            // Recording what is there already changes nothing, and tells when it is not the same.
            match self.write(Record { events: known, ..Record::default() }).await {
                Ok(()) => {}
                Err(RecordError::Diverged { event_id, .. }) => {
                    let why = format!("event {event_id} is not the same in both");
                    return Ok(self.diverge(uid, what, audit.seq, archive_seq, &why));
                }
                Err(error) => return Err(LedgerError::Record(error)),
            }
        }
        self.settle(uid, archive_seq);
        Ok(Sight::Archived(archive_seq))
    }

    /// Adopts an object that knows more than an archive which a person has accepted as it is: the acceptance is for all.
    async fn accept(&self, audit: &Audit, archive_seq: u64) -> Result<Option<Event>, LedgerError> {
        let (Some(accepted), Some(last)) = (&self.accepted, audit.last()) else { return Ok(None) };
        let action = match last.resource_type {
            ResourceType::Deployment => Action::ReleaseAdopted,
            ResourceType::Environment => Action::EnvironmentAdopted,
            ResourceType::Archive => return Ok(None),
        };
        let seq = audit.seq.max(archive_seq) + 1;
        let detail = Detail::from([
            ("reason".to_owned(), "audit_diverged".to_owned()),
            ("causedBy".to_owned(), accepted.event_id.clone()),
            ("objectSeq".to_owned(), audit.seq.to_string()),
            ("archiveSeq".to_owned(), archive_seq.to_string()),
            ("note".to_owned(), accepted.detail.get("note").cloned().unwrap_or_default()),
        ]);
        let event = Event {
            event_id: Event::id(&last.resource_id, seq),
            seq,
            action,
            actor_id: accepted.actor_id.clone(),
            source: accepted.source,
            occurred_at: clock::now(),
            detail,
            ..last.clone()
        };
        let record = Record { events: vec![event.clone()], ..Record::default() };
        self.write(record).await.map_err(LedgerError::Record)?;
        Ok(Some(event))
    }

    /// Archives a record of `uid` whose newest event is `seq`.
    pub async fn record(&self, uid: &Uid, what: &str, seq: u64, record: Record) -> Result<(), LedgerError> {
        match self.write(record).await {
            Ok(()) => {
                self.settle(uid, seq);
                Ok(())
            }
            Err(error @ (RecordError::Diverged { .. } | RecordError::Gap { .. })) => {
                // What was known is wrong: the next look is at the archive itself, and sees what a person settles.
                let known = self.archived.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
                let why = match &error {
                    RecordError::Diverged { event_id, .. } => format!("event {event_id} is not the same in both"),
                    _ => "the archive lacks events that come before".to_owned(),
                };
                self.diverge(uid, what, seq, known.unwrap_or_default(), &why);
                Err(LedgerError::Diverged(error.to_string()))
            }
            Err(error) => Err(LedgerError::Record(error)),
        }
    }

    /// Writes to the archive, and keeps in mind whether that works.
    async fn write(&self, record: Record) -> Result<(), RecordError> {
        let outcome = self.archive.record(record).await;
        let why = match &outcome {
            Err(error @ (RecordError::Storage(_) | RecordError::Moved { .. })) => Some(error.to_string()),
            Ok(()) | Err(_) => None,
        };
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = why;
        outcome
    }

    /// Why the archive cannot be written, as far as the last try has shown.
    pub fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn diverge(&self, uid: &Uid, what: &str, object_seq: u64, archive_seq: u64, why: &str) -> Sight {
        let divergence = Divergence {
            uid: uid.clone(),
            what: what.to_owned(),
            object_seq,
            archive_seq,
            why: why.to_owned(),
            database: self.database.clone(),
        };
        let mut diverged = self.diverged.lock().unwrap_or_else(PoisonError::into_inner);
        if diverged.insert(uid.clone(), divergence.clone()).is_none() {
            tracing::error!(uid = %uid, "{}", divergence.message());
        }
        Sight::Diverged(divergence)
    }

    /// Everything that went apart and is not settled yet.
    pub fn diverged(&self) -> Vec<Divergence> {
        self.diverged.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether this object went apart.
    pub fn is_diverged(&self, uid: &Uid) -> bool {
        self.diverged.lock().unwrap_or_else(PoisonError::into_inner).contains_key(uid)
    }

    /// Whether anything went apart.
    pub fn any_diverged(&self) -> bool {
        !self.diverged.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Notes that an Environment was compared in every respect in this term, and found to be no older copy.
    pub fn trust(&self, uid: &Uid) {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone());
    }

    /// Whether it was. Until then it may be an older copy: nothing is done in it.
    pub fn is_trusted(&self, uid: &Uid) -> bool {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &Uid) {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.archived.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.diverged.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn known(&self, uid: &Uid) -> Option<u64> {
        self.archived.lock().unwrap_or_else(PoisonError::into_inner).get(uid).copied()
    }

    fn settle(&self, uid: &Uid, seq: u64) {
        let mut archived = self.archived.lock().unwrap_or_else(PoisonError::into_inner);
        let known = archived.entry(uid.clone()).or_default();
        *known = seq.max(*known);
        drop(archived);
        self.diverged.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
