//! The history is walked once from its first row; the first thing that is not as it was written ends the walk and is named.

use std::collections::HashMap;
use std::fmt;

use slipway_domain::event::Event;
use slipway_domain::name::Uid;

use crate::chain;
use crate::connect::OpenError;
use crate::hash::{self, Hash, ZERO};
use crate::head::Head;

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are.
    pub rows: u64,
    /// Where the history ends: what to keep elsewhere, to prove the tail next time.
    pub head: Option<Head>,
    /// The row of the head that was kept elsewhere and is part of this history: nothing up to it was cut off or
    /// rewritten. Of newer rows that is not known, and without a head of none: a cut tail looks like a shorter history.
    pub proven_row: Option<u64>,
    /// The last row covered by a checkpoint that the given key signed.
    pub signed_row: Option<u64>,
    /// Writes of current rows since the last event. They have a chain of their own, which no event covers yet: cutting
    /// them off, together with undoing what they wrote, is not found unless a signed checkpoint came after.
    pub changes_after_head: u64,
}

/// The first thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tampered {
    /// The table, `sqlite_master` for the schema, or `export`.
    pub table: String,
    /// The primary key there.
    pub key: String,
    /// The row of the history, where that is what was changed.
    pub row: Option<u64>,
    /// The event in that row, as far as it can be read.
    pub event_id: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl Tampered {
    pub(crate) fn event(row: i64, event_id: Option<String>, what: impl Into<String>) -> Self {
        Self {
            table: "deployment_events".to_owned(),
            key: row.to_string(),
            row: u64::try_from(row).ok(),
            event_id,
            what: what.into(),
        }
    }

    pub(crate) fn row(table: &str, key: &impl ToString, what: impl Into<String>) -> Self {
        Self { table: table.to_owned(), key: key.to_string(), row: None, event_id: None, what: what.into() }
    }
}

impl fmt::Display for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.key.replace('\t', " "))?;
        if let Some(event_id) = &self.event_id {
            write!(f, " (event {event_id})")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Tampered {}

/// Why an archive was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not as it was written.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite failed.
    #[error("the archive could not be read")]
    Sqlite(#[from] rusqlite::Error),
    /// The export could not be read.
    #[error("the export could not be read")]
    Io(#[from] std::io::Error),
}

/// One row of the history as it was found.
pub(crate) struct Found<'a> {
    pub(crate) row: i64,
    pub(crate) event_id: Option<String>,
    pub(crate) body: &'a str,
    pub(crate) state: Hash,
    pub(crate) previous: Hash,
    pub(crate) hash: Hash,
}

/// The history up to some row.
pub(crate) struct Walk<'a> {
    row: i64,
    hash: Hash,
    /// The number of each resource's last event.
    seqs: HashMap<Uid, u64>,
    head: Option<&'a Head>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(head: Option<&'a Head>) -> Self {
        Self { row: 0, hash: ZERO, seqs: HashMap::new(), head }
    }

    /// Goes one row further, if that row is what comes next.
    pub(crate) fn step(&mut self, found: &Found<'_>) -> Result<Event, Tampered> {
        let expected = self.row + 1;
        if found.row != expected {
            return Err(Tampered::event(expected, None, format!("is missing: the next row is {}", found.row)));
        }
        let tampered = |what: String| Tampered::event(found.row, found.event_id.clone(), what);
        if found.previous != self.hash {
            return Err(tampered(
                "prev_hash is not the hash of the row before it: a row was changed, moved, put in or taken out here"
                    .to_owned(),
            ));
        }
        if found.hash != hash::event(found.row, &found.previous, found.body, &found.state) {
            return Err(tampered(
                "its hash does not cover what it says: body, state_digest or hash was changed".to_owned(),
            ));
        }
        let event: Event =
            serde_json::from_str(found.body).map_err(|error| tampered(format!("its body is not an event: {error}")))?;
        if event.canonical() != found.body {
            return Err(tampered("its body is not in canonical form".to_owned()));
        }
        let last = self.seqs.get(&event.resource_id).copied().unwrap_or(0);
        if !chain::follows(last, &event) {
            return Err(tampered(format!(
                "it is event {} of {}, and event {} was expected",
                event.seq,
                event.resource_id,
                last + 1
            )));
        }
        self.seqs.insert(event.resource_id.clone(), event.seq);
        self.row = found.row;
        self.hash = found.hash;
        match self.head {
            Some(head) if head.row.cast_signed() == self.row && head.hash != hash::digest(&self.hash) => {
                Err(tampered(format!(
                    "its hash is {}, and the head says {}: the history up to here was rewritten",
                    hash::digest(&self.hash),
                    head.hash
                )))
            }
            Some(_) | None => Ok(event),
        }
    }

    /// What the walk has proven, if it reached the head it was given.
    pub(crate) fn finish(self) -> Result<Verified, Tampered> {
        let here = (self.row > 0).then(|| Head { row: self.row.cast_unsigned(), hash: hash::digest(&self.hash) });
        if let Some(head) = self.head
            && head.row > self.row.cast_unsigned()
        {
            return Err(Tampered::event(
                self.row + 1,
                None,
                format!(
                    "is missing: the history ends at row {}, and the head names row {}: its tail was cut off",
                    self.row, head.row
                ),
            ));
        }
        Ok(Verified {
            rows: self.row.cast_unsigned(),
            head: here,
            proven_row: self.head.map(|head| head.row),
            signed_row: None,
            changes_after_head: 0,
        })
    }
}
