//! The history only grows at its end, one row at a time, each row covering all rows before it.
//!
//! What: `deployment_events` in order of `row`, and each resource's own events in order of `seq`.
//! Guarantees: the same event twice is stored once; the same key with other bytes, or a jump in a resource's numbering, is
//! refused and stores nothing.
//! Assumptions: the caller holds SQLite's write lock (`BEGIN IMMEDIATE`) and read the [`Tail`] inside that transaction, for
//! `slipway audit adopt` may have appended a row while the controller runs.
//! On a crash: SQLite keeps the whole transaction or none of it.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use slipway_domain::event::{Action, Event};

use crate::hash::{self, Hash, ZERO};
use crate::record::RecordError;

/// Where both chains end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last row of `deployment_events`, 0 when there is none.
    pub(crate) row: i64,
    /// Its hash.
    pub(crate) hash: Hash,
    /// The last row of `state_changes`, 0 when there is none.
    pub(crate) change: i64,
    /// Its hash.
    pub(crate) state: Hash,
}

impl Tail {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let last = |sql| {
            connection
                .prepare_cached(sql)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
                .map(|found| found.unwrap_or((0, ZERO)))
        };
        let (row, hash) = last("SELECT row, hash FROM deployment_events ORDER BY row DESC LIMIT 1")?;
        let (change, state) = last("SELECT change, hash FROM state_changes ORDER BY change DESC LIMIT 1")?;
        Ok(Self { row, hash, change, state })
    }
}

/// The columns that repeat what the body says, in the order [`Entry`] writes them.
pub(crate) const COPIES: [&str; 15] = [
    "event_id",
    "seq",
    "epoch",
    "action",
    "resource_type",
    "resource_id",
    "resource_name",
    "project_id",
    "team_id",
    "environment_id",
    "actor_id",
    "source",
    "status",
    "occurred_at",
    "detail",
];

/// An event with its bytes and the values of its columns.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: Event,
    pub(crate) body: String,
    pub(crate) copies: [Value; 15],
}

impl Entry {
    pub(crate) fn new(event: Event) -> Result<Self, RecordError> {
        let expected = Event::id(&event.resource_id, event.seq);
        if event.event_id != expected {
            return Err(RecordError::Misnamed { event_id: event.event_id, expected });
        }
        let text = |text: &str| Value::Text(text.to_owned());
        let copies = [
            text(&event.event_id),
            Value::Integer(number(event.seq)?),
            Value::Integer(number(event.epoch)?),
            text(event.action.as_str()),
            text(event.resource_type.as_str()),
            text(event.resource_id.as_str()),
            text(&event.resource_name),
            text(&event.project_id),
            text(&event.team_id),
            text(&event.environment_id),
            text(event.actor_id.as_str()),
            text(event.source.as_str()),
            text(&event.status),
            Value::Text(stamp(event.occurred_at)),
            // A map of texts cannot fail to serialise.
            Value::Text(serde_json::to_string(&event.detail).unwrap_or_default()),
        ];
        Ok(Self { body: event.canonical(), copies, event })
    }

    /// Appends the event unless it is there already.
    pub(crate) fn append(&self, connection: &Connection, tail: &mut Tail) -> Result<(), RecordError> {
        let last = last_seq(connection, self.event.resource_id.as_str())?;
        if self.event.seq <= last {
            return self.compare(connection, last);
        }
        if !follows(last, &self.event) {
            return Err(self.gap(last));
        }
        let row = tail.row + 1;
        let hash = hash::event(row, &tail.hash, &self.body, &tail.state);
        let mut insert = connection.prepare_cached(
            "INSERT INTO deployment_events (row, event_id, seq, epoch, action, resource_type, resource_id, resource_name, \
             project_id, team_id, environment_id, actor_id, source, status, occurred_at, detail, body, state_digest, \
             prev_hash, hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        )?;
        insert.raw_bind_parameter(1, row)?;
        for (at, value) in self.copies.iter().enumerate() {
            insert.raw_bind_parameter(at + 2, value)?;
        }
        insert.raw_bind_parameter(17, &self.body)?;
        insert.raw_bind_parameter(18, tail.state)?;
        insert.raw_bind_parameter(19, tail.hash)?;
        insert.raw_bind_parameter(20, hash)?;
        insert.raw_execute()?;
        tail.row = row;
        tail.hash = hash;
        Ok(())
    }

    /// The event is at or before the end of its resource's history: it must be what is stored there.
    fn compare(&self, connection: &Connection, last: u64) -> Result<(), RecordError> {
        let stored: Option<String> = connection
            .prepare_cached("SELECT body FROM deployment_events WHERE event_id = ?1")?
            .query_row([&self.event.event_id], |row| row.get(0))
            .optional()?;
        match stored {
            Some(stored) if stored == self.body => Ok(()),
            Some(stored) => {
                Err(RecordError::Diverged { event_id: self.event.event_id.clone(), stored, offered: self.body.clone() })
            }
            // Skipped when a person adopted the object at a later number.
            None => Err(self.gap(last)),
        }
    }

    fn gap(&self, last: u64) -> RecordError {
        RecordError::Gap { resource: self.event.resource_id.clone(), last, offered: self.event.seq }
    }
}

/// Whether `event` may come after number `last` of its resource.
pub(crate) fn follows(last: u64, event: &Event) -> bool {
    event.seq == last + 1 || (event.seq > last && settles(event.action))
}

/// A person settled a divergence: the numbering may jump ahead here, and the status is what the object says.
pub(crate) fn settles(action: Action) -> bool {
    matches!(action, Action::ReleaseAdopted | Action::EnvironmentAdopted)
}

/// The number of the last event of a resource, 0 when there is none.
pub(crate) fn last_seq(connection: &Connection, resource: &str) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM deployment_events WHERE resource_id = ?1")?
        .query_row([resource], |row| row.get(0))?;
    Ok(last.map_or(0, i64::cast_unsigned))
}

/// SQLite's integers are signed.
pub(crate) fn number(number: u64) -> Result<i64, RecordError> {
    i64::try_from(number).map_err(|_| RecordError::TooLarge { number })
}

/// A time whose text order is its time order.
pub(crate) fn stamp(at: jiff::Timestamp) -> String {
    format!("{at:.9}")
}
