//! Reads never touch the writer, and see everything that has been answered.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params};
use slipway_domain::digest::Digest;
use slipway_domain::event::{Action, Event};
use slipway_domain::name::Uid;
use tokio::sync::Semaphore;

use crate::connect::{self, OpenError};
use crate::hash::{self, Hash};
use crate::head::Head;
use crate::row::{AttemptRow, DeploymentRow, EnvironmentRow, PreviewRow, ReleaseRow};
use crate::table::Table;

/// How many reads run at once.
const READERS: usize = 4;

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite failed, or a row holds something that cannot be read.
    #[error("the archive could not be read")]
    Sqlite(#[from] rusqlite::Error),
    /// A connection could not be opened.
    #[error("the archive could not be opened for reading")]
    Open(#[from] OpenError),
    /// The archive has been closed.
    #[error("the archive is closed")]
    Closed,
}

/// One line of the history with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its row, from 1, without gaps: what a page continues after.
    pub row: u64,
    /// The hash of that row.
    pub hash: Digest,
    /// What happened.
    pub event: Event,
}

/// What the archive says about a head that someone remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadStatus {
    /// It is part of this history.
    Contained,
    /// It is not, and a person has accepted that with the event in this row.
    Adopted {
        /// The row of `archive.adopted`.
        row: u64,
    },
    /// It is not: this file is older than what was remembered, or another one.
    Lost {
        /// Where this history ends.
        here: Option<Head>,
    },
}

/// A few connections that only read.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(READERS)), idle: Arc::default() }
    }

    pub(crate) async fn read<T, F>(&self, query: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let pool = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Let go only when the connection is back, so that there are never more of them than permits.
            let _permit = permit;
            let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => connect::reader(&pool.path)?,
            };
            let answer = query(&connection)?;
            if !pool.permits.is_closed() {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            Ok(answer)
        });
        // Only a runtime that is shutting down drops the task.
        task.await.map_err(|_| ReadError::Closed)?
    }

    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Where the history ends.
pub(crate) fn head(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    one(connection, "SELECT row, hash FROM deployment_events ORDER BY row DESC LIMIT 1", [], |row| {
        Ok(Head { row: row.get::<_, i64>(0)?.cast_unsigned(), hash: hash::digest(&row.get::<_, Hash>(1)?) })
    })
}

pub(crate) fn head_row(connection: &Connection, row: u64) -> rusqlite::Result<Option<Digest>> {
    one(connection, "SELECT hash FROM deployment_events WHERE row = ?1", [bound(row)], |row| {
        Ok(hash::digest(&row.get::<_, Hash>(0)?))
    })
}

pub(crate) fn head_status(connection: &Connection, installation: &Uid, head: &Head) -> rusqlite::Result<HeadStatus> {
    if head_row(connection, head.row)?.as_ref() == Some(&head.hash) {
        return Ok(HeadStatus::Contained);
    }
    let mut adoptions = connection.prepare_cached(
        "SELECT row, hash, body FROM deployment_events WHERE resource_id = ?1 AND action = ?2 ORDER BY seq",
    )?;
    let lost = head.to_string();
    for line in adoptions.query_map((installation.as_str(), Action::ArchiveAdopted.as_str()), line)? {
        let line = line?;
        if line.event.detail.get("lostHead") == Some(&lost) {
            return Ok(HeadStatus::Adopted { row: line.row });
        }
    }
    Ok(HeadStatus::Lost { here: self::head(connection)? })
}

pub(crate) fn last_event(connection: &Connection, uid: &Uid) -> rusqlite::Result<Option<Event>> {
    let sql = "SELECT body FROM deployment_events WHERE resource_id = ?1 ORDER BY seq DESC LIMIT 1";
    one(connection, sql, [uid.as_str()], |row| event(row, 0))
}

pub(crate) fn events_of(connection: &Connection, uid: &Uid, after: u64, limit: u32) -> rusqlite::Result<Vec<Event>> {
    connection
        .prepare_cached("SELECT body FROM deployment_events WHERE resource_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?
        .query_map((uid.as_str(), bound(after), limit), |row| event(row, 0))?
        .collect()
}

pub(crate) fn events_page(connection: &Connection, after: u64, limit: u32) -> rusqlite::Result<Vec<Line>> {
    connection
        .prepare_cached("SELECT row, hash, body FROM deployment_events WHERE row > ?1 ORDER BY row LIMIT ?2")?
        .query_map((bound(after), limit), line)?
        .collect()
}

pub(crate) fn deployment(connection: &Connection, uid: &Uid) -> rusqlite::Result<Option<DeploymentRow>> {
    one(connection, &by_key(&crate::table::DEPLOYMENTS), [uid.as_str()], DeploymentRow::read)
}

pub(crate) fn environment(connection: &Connection, uid: &Uid) -> rusqlite::Result<Option<EnvironmentRow>> {
    one(connection, &by_key(&crate::table::ENVIRONMENTS), [uid.as_str()], EnvironmentRow::read)
}

pub(crate) fn release(connection: &Connection, uid: &Uid) -> rusqlite::Result<Option<ReleaseRow>> {
    one(connection, &by_key(&crate::table::RELEASES), [uid.as_str()], ReleaseRow::read)
}

pub(crate) fn preview(
    connection: &Connection,
    deployment: &Uid,
    preview_ref: &str,
) -> rusqlite::Result<Option<PreviewRow>> {
    one(connection, &by_key(&crate::table::PREVIEWS), (deployment.as_str(), preview_ref), PreviewRow::read)
}

pub(crate) fn attempts(connection: &Connection, deployment: &Uid) -> rusqlite::Result<Vec<AttemptRow>> {
    let columns = crate::table::ATTEMPTS.columns.join(", ");
    connection
        .prepare_cached(&format!(
            "SELECT {columns} FROM attempts WHERE deployment = ?1 ORDER BY started_at, number, id"
        ))?
        .query_map([deployment.as_str()], AttemptRow::read)?
        .collect()
}

/// The latest decided Deployment of that name that asked for the same, other than `uid`.
pub(crate) fn finished_twin(
    connection: &Connection,
    uid: &Uid,
    name: (&str, &str),
    digests: (&Digest, Option<&Digest>),
) -> rusqlite::Result<Option<DeploymentRow>> {
    let sql = format!(
        "SELECT {} FROM deployments WHERE namespace = ?1 AND name = ?2 AND request_digest = ?3 AND (?4 IS NULL OR release_digest = ?4) \
         AND uid <> ?5 AND phase IN ('Succeeded', 'Failed', 'RolledBack', 'Rejected') ORDER BY updated_at DESC LIMIT 1",
        crate::table::DEPLOYMENTS.columns.join(", ")
    );
    let key = (name.0, name.1, digests.0.as_str(), digests.1.map(Digest::as_str), uid.as_str());
    one(connection, &sql, key, DeploymentRow::read)
}

fn by_key(table: &Table) -> String {
    let keys: Vec<String> =
        table.columns[..table.keys].iter().enumerate().map(|(at, column)| format!("{column} = ?{}", at + 1)).collect();
    format!("SELECT {} FROM {} WHERE {}", table.columns.join(", "), table.name, keys.join(" AND "))
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

/// A number to compare with: SQLite's integers are signed, and nothing is numbered beyond them.
fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn line(row: &rusqlite::Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        row: row.get::<_, i64>(0)?.cast_unsigned(),
        hash: hash::digest(&row.get::<_, Hash>(1)?),
        event: event(row, 2)?,
    })
}

fn event(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Event> {
    let body: String = row.get(column)?;
    serde_json::from_str(&body)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
