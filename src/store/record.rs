//! A record is stored whole or not at all: the events, and the current rows as they are after them.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension};
use slipway_domain::event::{Action, Event};
use slipway_domain::name::Uid;

use crate::chain::{self, Entry, Tail, number};
use crate::row::{AttemptRow, PreviewRow, Row};
use crate::state::StateRow;

/// One atomic unit: what happened to a resource, and what it is now.
///
/// Recording the same record again changes nothing and succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// In order of `seq`. Those that are stored already must be the same, byte for byte.
    pub events: Vec<Event>,
    /// The resource as it is after them.
    pub row: Option<Row>,
    /// A preview computed with them; its Deployment is in `row` or in the archive.
    pub preview: Option<PreviewRow>,
    /// Attempts as they are now.
    pub attempts: Vec<AttemptRow>,
}

/// Why a record was not stored. Nothing of it is in the archive, except after [`RecordError::Storage`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The archive has another event under this key.
    #[error(
        "the archive holds another event {event_id} than the one offered: run `slipway audit adopt` once a person has decided which is right"
    )]
    Diverged {
        /// The key.
        event_id: String,
        /// The canonical bytes in the archive.
        stored: String,
        /// The canonical bytes that were offered.
        offered: String,
    },
    /// Events are missing between the archive and the offered one.
    #[error(
        "the history of {resource} ends at {last} in the archive, so event {offered} cannot be placed: run `slipway audit adopt` once a person has decided what is right"
    )]
    Gap {
        /// The resource.
        resource: Uid,
        /// The number of its last event in the archive, 0 when there is none.
        last: u64,
        /// The number that was offered.
        offered: u64,
    },
    /// The current row claims a history that the archive does not have.
    #[error(
        "the row of {resource} reflects event {seq}, but its history ends at {last} in the archive: run `slipway audit adopt` once a person has decided what is right"
    )]
    Ahead {
        /// The resource.
        resource: Uid,
        /// The number the row reflects.
        seq: u64,
        /// The number of its last event in the archive, 0 when there is none.
        last: u64,
    },
    /// The current row says something else than the event it reflects.
    #[error("the row of {resource} says {row:?}, but its event {seq} says {event:?}")]
    Disagrees {
        /// The resource.
        resource: Uid,
        /// The number of the event.
        seq: u64,
        /// The status the row's phase stands for.
        row: &'static str,
        /// The status after the event.
        event: String,
    },
    /// An event's id is not its resource and number.
    #[error("event {event_id} should be called {expected}")]
    Misnamed {
        /// What it is called.
        event_id: String,
        /// `<uid>/<seq>`.
        expected: String,
    },
    /// A number beyond what SQLite holds.
    #[error("{number} is larger than the archive can hold")]
    TooLarge {
        /// The number.
        number: u64,
    },
    /// SQLite failed. The record may or may not be stored: record it again.
    #[error("the archive could not be written: {0}")]
    Storage(#[source] Arc<rusqlite::Error>),
    /// The file has another name by now, or none: what was written would be lost with the process.
    #[error(
        "the database file {path} was removed or replaced while it was in use: put it back, or a backup of it, and start the controller again"
    )]
    Moved {
        /// Where it was.
        path: String,
    },
    /// The archive has been closed.
    #[error("the archive is closed")]
    Closed,
}

impl RecordError {
    /// The stable code, for refusals that have one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Diverged { .. } | Self::Gap { .. } | Self::Ahead { .. } | Self::Disagrees { .. } => {
                Some("audit_diverged")
            }
            Self::Misnamed { .. } | Self::TooLarge { .. } | Self::Storage(_) | Self::Moved { .. } | Self::Closed => {
                None
            }
        }
    }

    /// Whether the same record may succeed later without anybody's help.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Storage(_) => true,
            Self::Diverged { .. }
            | Self::Gap { .. }
            | Self::Ahead { .. }
            | Self::Disagrees { .. }
            | Self::Misnamed { .. }
            | Self::TooLarge { .. }
            | Self::Moved { .. }
            | Self::Closed => false,
        }
    }
}

impl From<rusqlite::Error> for RecordError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(Arc::new(error))
    }
}

/// A record with everything computed that needs no database, so that the writer thread only writes.
#[derive(Debug)]
pub(crate) struct Prepared {
    entries: Vec<Entry>,
    rows: Vec<StateRow>,
    claim: Option<Claim>,
}

/// What a current row says about the history of its resource.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) resource: Uid,
    pub(crate) seq: u64,
    /// The status that the row's phase stands for; an Environment's phase also moves without an event.
    pub(crate) status: Option<&'static str>,
}

impl Prepared {
    pub(crate) fn new(record: Record) -> Result<Self, RecordError> {
        let Record { events, row, preview, attempts } = record;
        let claim = match &row {
            Some(Row::Deployment(row)) => {
                Some(Claim { resource: row.uid.clone(), seq: row.seq, status: Some(row.phase.status()) })
            }
            Some(Row::Environment(row)) => Some(Claim { resource: row.uid.clone(), seq: row.seq, status: None }),
            Some(Row::Release(_)) | None => None,
        };
        let row = match row {
            Some(Row::Deployment(row)) => Some(row.state()?),
            Some(Row::Environment(row)) => Some(row.state()?),
            Some(Row::Release(row)) => Some(row.state()),
            None => None,
        };
        // The Deployment comes first: a preview refers to it.
        let rows =
            row.into_iter().chain(preview.map(PreviewRow::state)).chain(attempts.into_iter().map(AttemptRow::state));
        Ok(Self { rows: rows.collect(), entries: events.into_iter().map(Entry::new).collect::<Result<_, _>>()?, claim })
    }

    /// Writes all of it. After an error the caller rolls back to before.
    pub(crate) fn apply(&self, connection: &Connection, tail: &mut Tail) -> Result<(), RecordError> {
        // Rows first, so that the events' hashes cover the rows written with them.
        let mut claimed = false;
        for (at, row) in self.rows.iter().enumerate() {
            claimed |= row.put(connection, tail)? && at == 0;
        }
        for entry in &self.entries {
            entry.append(connection, tail)?;
        }
        match &self.claim {
            Some(claim) if claimed => self.check(connection, claim),
            _ => Ok(()),
        }
    }

    fn check(&self, connection: &Connection, claim: &Claim) -> Result<(), RecordError> {
        let mut events = self.entries.iter().map(|entry| &entry.event);
        match events.find(|event| event.resource_id == claim.resource && event.seq == claim.seq) {
            Some(event) => claim.agrees(event.action, &event.status),
            None => claim.check(connection),
        }
    }

    /// What it is, for the fault-injection hook.
    pub(crate) fn label(&self) -> String {
        let Some(first) = self.entries.first() else {
            let tables: Vec<&str> = self.rows.iter().map(|row| row.table.name).collect();
            return format!("record {}", tables.join("+"));
        };
        let actions: Vec<&str> = self.entries.iter().map(|entry| entry.event.action.as_str()).collect();
        format!("record {}s/{} {}", first.event.resource_type, first.event.resource_name, actions.join("+"))
    }
}

impl Claim {
    /// Whether the history holds what the row says it reflects.
    pub(crate) fn check(&self, connection: &Connection) -> Result<(), RecordError> {
        let resource = self.resource.as_str();
        let found: Option<(String, String)> = connection
            .prepare_cached("SELECT action, status FROM deployment_events WHERE resource_id = ?1 AND seq = ?2")?
            .query_row((resource, number(self.seq)?), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((action, status)) = found {
            let unknown = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
            return self.agrees(action.parse().map_err(unknown)?, &status);
        }
        let last = chain::last_seq(connection, resource)?;
        // Below the end there are holes where a person adopted the object at a later number.
        if self.seq <= last {
            return Ok(());
        }
        Err(RecordError::Ahead { resource: self.resource.clone(), seq: self.seq, last })
    }

    fn agrees(&self, action: Action, status: &str) -> Result<(), RecordError> {
        match self.status {
            Some(row) if row != status && !chain::settles(action) => Err(RecordError::Disagrees {
                resource: self.resource.clone(),
                seq: self.seq,
                row,
                event: status.to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
