//! An archive is verified as it lies on the disk: nothing in it is believed, and an edit of any column is found and named.
//!
//! What is checked: each event against its bytes, its columns and the chain; each current row, checkpoint and fact against
//! the chain of state changes, which the events' hashes cover; the rows of Deployments and Environments against the
//! events they reflect; signatures; indexes; and the schema with its triggers.
//! What is not: someone who can write the file can compute both chains anew. That is found by a head kept elsewhere or by
//! a checkpoint signed with a key they lack, and by nothing else.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows};
use slipway_domain::phase::Phase;

use crate::chain::{COPIES, Entry};
use crate::checkpoint::{self, Checkpoint, CheckpointKey};
use crate::connect::{self, OpenError};
use crate::hash::{self, Hash, ZERO};
use crate::head::Head;
use crate::record::Claim;
use crate::schema::Schema;
use crate::state;
use crate::table::{self, Table};
use crate::walk::{Found, Tampered, Verified, VerifyError, Walk};

/// What is known from elsewhere. Without it a history that was rewritten or cut as a whole looks like any other.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// A head kept outside the file.
    pub head: Option<Head>,
    /// The key that signs checkpoints.
    pub checkpoint_key: Option<CheckpointKey>,
}

/// Verifies the archive at `path`, which may be a copy, and which a controller may be writing.
///
/// Needs memory for one digest of each current row and one number of each resource. Blocks on the disk.
pub fn verify(path: &Path, proof: &Proof) -> Result<Verified, VerifyError> {
    let mut connection = connect::auditor(path).map_err(|error| opened(path, error))?;
    // One transaction: everything is seen as it was at one commit.
    let snapshot = connection.transaction()?;
    match check(&snapshot, proof) {
        Err(VerifyError::Sqlite(error)) if damaged(&error) => {
            Err(Tampered::row("file", &path.display(), format!("cannot be read: {error}")).into())
        }
        outcome => outcome,
    }
}

/// What is wrong with the file as a whole is tampering too, and its place is the file.
fn opened(path: &Path, error: OpenError) -> VerifyError {
    let file = |what: String| Tampered::row("file", &path.display(), what).into();
    match error {
        OpenError::Altered { what, .. } => file(what),
        OpenError::Damaged { source, .. } => file(format!("cannot be read: {source}")),
        error => error.into(),
    }
}

fn check(connection: &Connection, proof: &Proof) -> Result<Verified, VerifyError> {
    let schema = Schema::compare(connection)?;
    schema.tables()?;
    let mut marks = Marks::read(connection)?;
    let (verified, digests) = chains(connection, proof.head.as_ref(), &mut marks)?;
    rows(connection, digests)?;
    let signed_row = marks.check(verified.rows, proof.checkpoint_key.as_ref())?;
    intact(connection)?;
    claims(connection)?;
    schema.rest()?;
    Ok(Verified { signed_row, ..verified })
}

type Digests = HashMap<(String, String), Hash>;

/// Walks both chains side by side: each event's `state_digest` is where the state changes stood when it was written.
fn chains(connection: &Connection, head: Option<&Head>, marks: &mut Marks) -> Result<(Verified, Digests), VerifyError> {
    let mut statement = connection.prepare(
        "SELECT change, table_name, row_key, row_digest, hash FROM state_changes NOT INDEXED ORDER BY change",
    )?;
    let mut states = States {
        rows: statement.query([])?,
        change: 0,
        hash: ZERO,
        digests: HashMap::new(),
        marks: &mut marks.changes,
    };
    let copies = COPIES.join(", ");
    let mut statement = connection.prepare(&format!(
        "SELECT row, body, state_digest, prev_hash, hash, {copies} FROM deployment_events NOT INDEXED ORDER BY row"
    ))?;
    let mut events = statement.query([])?;
    let mut walk = Walk::new(head);
    while let Some(row) = events.next()? {
        let found = found(row)?;
        let event = walk.step(&found)?;
        let tampered = |what: String| Tampered::event(found.row, found.event_id.clone(), what);
        let entry = Entry::new(event).map_err(|error| tampered(error.to_string()))?;
        for (at, (name, copy)) in COPIES.iter().zip(&entry.copies).enumerate() {
            let column = row.get_ref(5 + at)?;
            if column != ValueRef::from(copy) {
                let (column, body) = (shown(column), shown(copy.into()));
                return Err(tampered(format!("column {name} says {column}, and its body says {body}")).into());
            }
        }
        if !states.reach(&found.state)? {
            let what = "the rows written with it are not in state_changes: lines there were rewritten or taken out";
            return Err(tampered(what.to_owned()).into());
        }
        mark(&mut marks.rows, found.row, found.hash);
    }
    let at_head = states.change;
    while states.advance()? {}
    let changes_after_head = (states.change - at_head).cast_unsigned();
    Ok((Verified { changes_after_head, ..walk.finish()? }, states.digests))
}

fn found<'a>(row: &'a Row<'_>) -> Result<Found<'a>, VerifyError> {
    let number: i64 = row.get(0)?;
    let event_id = row.get_ref(5)?.as_str().ok().map(str::to_owned);
    let unreadable =
        |column: &str| Tampered::event(number, event_id.clone(), format!("column {column} cannot be read"));
    Ok(Found {
        row: number,
        body: row.get_ref(1)?.as_str().map_err(|_| unreadable("body"))?,
        state: row.get(2).map_err(|_| unreadable("state_digest"))?,
        previous: row.get(3).map_err(|_| unreadable("prev_hash"))?,
        hash: row.get(4).map_err(|_| unreadable("hash"))?,
        event_id,
    })
}

/// The chain of state changes up to some line, and what it says each current row is.
struct States<'a> {
    rows: Rows<'a>,
    change: i64,
    hash: Hash,
    digests: Digests,
    marks: &'a mut HashMap<i64, Option<Hash>>,
}

impl States<'_> {
    /// Goes on until the line with this hash. False when there is none.
    fn reach(&mut self, hash: &Hash) -> Result<bool, VerifyError> {
        while self.hash != *hash {
            if !self.advance()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn advance(&mut self) -> Result<bool, VerifyError> {
        let Some(row) = self.rows.next()? else { return Ok(false) };
        let expected = self.change + 1;
        let tampered = |what: &str| Tampered::row("state_changes", &expected, what);
        if row.get::<_, i64>(0)? != expected {
            return Err(tampered("is missing").into());
        }
        let unreadable = |_| tampered("cannot be read");
        let table: String = row.get(1).map_err(unreadable)?;
        let key: String = row.get(2).map_err(unreadable)?;
        let digest: Hash = row.get(3).map_err(unreadable)?;
        let hash: Hash = row.get(4).map_err(unreadable)?;
        if hash != hash::change(expected, &self.hash, &table, &key, &digest) {
            return Err(tampered("its hash does not cover it and the line before it: a line was changed, moved, put in or taken out here").into());
        }
        self.digests.insert((table, key), digest);
        self.change = expected;
        self.hash = hash;
        mark(self.marks, expected, hash);
        Ok(true)
    }
}

/// Every row is the one that was last recorded under its key, and none is missing.
fn rows(connection: &Connection, mut digests: Digests) -> Result<(), VerifyError> {
    for table in table::ALL {
        let mut statement = connection.prepare(&table.select_all())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            unchanged(table, row, &mut digests)?;
        }
    }
    match digests.into_keys().min() {
        Some((table, key)) => {
            Err(Tampered::row(&table, &key, "is missing: it was recorded, and nothing is ever deleted").into())
        }
        None => Ok(()),
    }
}

fn unchanged(table: &Table, row: &Row<'_>, digests: &mut Digests) -> Result<(), VerifyError> {
    let width = table.columns.len();
    let values = (0..width).map(|at| row.get_ref(at)).collect::<rusqlite::Result<Vec<_>>>()?;
    let key = state::key(table, values.iter().copied());
    let tampered = |what: &str| Tampered::row(table.name, &key, what);
    let Some(recorded) = digests.remove(&(table.name.to_owned(), key.clone())) else {
        return Err(tampered("nothing has recorded it: the row was put in, or its key was changed").into());
    };
    if hash::row(table.name, values.iter().copied()) != recorded {
        return Err(tampered("its columns are not what was recorded").into());
    }
    if row.get_ref(width)? != ValueRef::Blob(&recorded) {
        return Err(tampered("column digest is not what was recorded").into());
    }
    Ok(())
}

/// The rows of Deployments and Environments say what the events say that they reflect.
fn claims(connection: &Connection) -> Result<(), VerifyError> {
    let mut statement = connection.prepare(
        "SELECT 'deployments', uid, seq, phase FROM deployments UNION ALL SELECT 'environments', uid, seq, NULL FROM environments",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, uid): (String, String) = (row.get(0)?, row.get(1)?);
        let tampered = |what: String| Tampered::row(&table, &uid, what);
        let phase: Option<String> = row.get(3)?;
        let known = |phase: &String| Phase::ALL.into_iter().find(|known| known.as_str() == phase);
        let claim = Claim {
            resource: uid.parse().map_err(|error| tampered(format!("{error}")))?,
            seq: row.get::<_, i64>(2)?.cast_unsigned(),
            status: phase.as_ref().and_then(known).map(Phase::status),
        };
        claim.check(connection).map_err(|error| tampered(error.to_string()))?;
    }
    Ok(())
}

/// The checkpoints, and the hashes that were found where they point.
struct Marks {
    checkpoints: Vec<Checkpoint>,
    rows: HashMap<i64, Option<Hash>>,
    changes: HashMap<i64, Option<Hash>>,
}

fn mark(marks: &mut HashMap<i64, Option<Hash>>, at: i64, hash: Hash) {
    if let Some(mark) = marks.get_mut(&at) {
        *mark = Some(hash);
    }
}

impl Marks {
    fn read(connection: &Connection) -> Result<Self, VerifyError> {
        let checkpoints = checkpoint::all(connection).map_err(|error| {
            if damaged(&error) {
                return VerifyError::from(Tampered::row("checkpoints", &"", format!("cannot be read: {error}")));
            }
            error.into()
        })?;
        let rows = checkpoints.iter().map(|checkpoint| (checkpoint.tail.row, None)).collect();
        let changes = checkpoints.iter().map(|checkpoint| (checkpoint.tail.change, None)).collect();
        let mut marks = Self { checkpoints, rows, changes };
        // A checkpoint of an empty history names its beginning.
        mark(&mut marks.rows, 0, ZERO);
        Ok(marks)
    }

    /// Each checkpoint points at what it was written for. Returns the last row that the key has signed for.
    fn check(&self, end: u64, key: Option<&CheckpointKey>) -> Result<Option<u64>, Tampered> {
        let mut signed = None;
        for Checkpoint { id, tail, at, key_id, signature } in &self.checkpoints {
            match self.rows.get(&tail.row).copied().flatten() {
                None => {
                    let next = end.cast_signed() + 1;
                    let what = format!(
                        "is missing: the history ends at row {end}, and checkpoint {id} names row {}: its tail was cut off",
                        tail.row
                    );
                    return Err(Tampered::event(next, None, what));
                }
                Some(hash) if hash != tail.hash => {
                    let what = format!("checkpoint {id} has another hash for it: the history up to here was rewritten");
                    return Err(Tampered::event(tail.row, None, what));
                }
                Some(_) => {}
            }
            if self.changes.get(&tail.change) != Some(&Some(tail.state)) {
                let what = format!("checkpoint {id} has another hash for it: the changes up to here were rewritten");
                return Err(Tampered::row("state_changes", &tail.change, what));
            }
            let Some(key) = key.filter(|key| key_id.as_deref() == Some(key.id())) else { continue };
            if signature.as_deref() != Some(key.sign(tail, at).as_str()) {
                return Err(Tampered::row("checkpoints", id, "its signature does not cover what it says"));
            }
            signed = Some(tail.row.cast_unsigned());
        }
        Ok(signed)
    }
}

/// SQLite's own check: pages, indexes, constraints.
fn intact(connection: &Connection) -> Result<(), VerifyError> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(Tampered::row("file", &"", format!("SQLite finds it damaged: {verdict}")).into())
}

/// An error that the content of the file causes, not the machine.
fn damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode};
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase),
        None => matches!(
            error,
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..)
        ),
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(blob) => hex::encode(blob),
    }
}
