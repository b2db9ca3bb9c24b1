//! One thread writes. What it answers is durable, and a refused request takes no other down with it.
//!
//! Guarantees: requests that arrive while a commit runs share the next one; each has its own savepoint; answers leave only
//! after COMMIT returned under `synchronous=FULL`.
//! On a crash: everything answered is there. What was not answered may be there: recording it again changes nothing.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ffi};
use tokio::sync::{mpsc, oneshot};

use crate::chain::Tail;
use crate::checkpoint::{self, CheckpointKey};
use crate::meta;
use crate::record::{Prepared, RecordError};

/// How many requests may share one commit.
const BATCH: usize = 256;

/// Before or after COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitSide {
    /// Everything is written, nothing is committed.
    Before,
    /// It is durable, nobody has been told.
    After,
}

/// Where a process may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPoint {
    /// Which side of COMMIT.
    pub side: CommitSide,
    /// What is committed, for instance `record deployments/shop/web-v1 release.applying`; joined by `, ` when several
    /// requests share the commit.
    pub label: String,
}

/// What happens at a [`CommitPoint`]. The hook may also end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// Nothing.
    Go,
    /// The callers are told of an I/O error. Before COMMIT nothing is stored, after it everything is.
    FailAnswer,
}

/// Fault injection for the crash sweeps: called in the writer thread around each commit that changes something.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn(&CommitPoint) -> CommitFate + Send + Sync>);

impl Hook {
    /// A hook from a function.
    pub fn new(hook: impl Fn(&CommitPoint) -> CommitFate + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(…)")
    }
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T, RecordError>>;

/// What the writer can be asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Record(Box<Prepared>, Answer<()>),
    Epoch(u64, Answer<u64>),
    Close(Answer<()>),
}

/// The file that was opened, and under which name.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: PathBuf,
    inode: (u64, u64),
}

impl Place {
    /// The file that `path` names now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: inode(path)? })
    }

    /// Whether the path still names that file. SQLite goes on with a file that has lost its name.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        match inode(&self.path) {
            Ok(found) if found == self.inode => Ok(()),
            Ok(_) | Err(_) => Err(RecordError::Moved { path: self.path.display().to_string() }),
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The writer thread's belongings.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) key: Option<CheckpointKey>,
    pub(crate) checkpoint_every: u64,
    pub(crate) hook: Option<Hook>,
    pub(crate) place: Place,
    /// Held as long as this thread can write.
    pub(crate) _lock: Option<File>,
}

impl Writer {
    /// Serves requests until the archive is closed or every handle is gone.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH && !matches!(batch.last(), Some(Request::Close(_))) {
                match requests.try_recv() {
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
            let close = batch.pop_if(|last| matches!(last, Request::Close(_)));
            if !batch.is_empty() {
                self.serve(batch);
            }
            if let Some(Request::Close(answer)) = close {
                requests.close();
                let closed = self.close();
                // Who asked may have gone; the archive is closed all the same.
                drop(answer.send(closed));
                return;
            }
        }
    }

    /// One transaction.
    fn serve(&mut self, batch: Vec<Request>) {
        let mut outcomes = Vec::with_capacity(batch.len());
        let committed = self.transaction(&batch, &mut outcomes);
        for (at, request) in batch.into_iter().enumerate() {
            let outcome = match &committed {
                Ok(()) => outcomes.get(at).cloned().unwrap_or(Err(RecordError::Closed)),
                Err(error) => Err(error.clone()),
            };
            // A caller that no longer waits does not undo what is stored.
            match request {
                Request::Record(_, answer) | Request::Close(answer) => drop(answer.send(outcome.map(|_| ()))),
                Request::Epoch(_, answer) => drop(answer.send(outcome)),
            }
        }
    }

    fn transaction(&self, batch: &[Request], outcomes: &mut Vec<Result<u64, RecordError>>) -> Result<(), RecordError> {
        self.place.check()?;
        self.sql("BEGIN IMMEDIATE")?;
        let done = self.write(batch, outcomes);
        if done.is_err() && !self.connection.is_autocommit() {
            self.sql("ROLLBACK")?;
        }
        let Some(label) = done? else { return Ok(()) };
        self.point(CommitSide::After, label)
    }

    /// Writes and commits. Returns the label when there is a hook and something changed.
    fn write(
        &self,
        batch: &[Request],
        outcomes: &mut Vec<Result<u64, RecordError>>,
    ) -> Result<Option<String>, RecordError> {
        let start = Tail::read(&self.connection)?;
        let mut tail = start;
        // Only what changes something is an effect, whatever it shares the transaction with.
        let mut labels = Vec::new();
        for request in batch {
            let before = tail;
            outcomes.push(self.savepoint(request, &mut tail)?);
            if self.hook.is_some() && tail != before {
                labels.push(label(request));
            }
        }
        if tail == start {
            self.sql("COMMIT")?;
            return Ok(None);
        }
        let every = self.checkpoint_every.max(1).cast_signed();
        if tail.row / every > start.row / every {
            checkpoint::write(&self.connection, &mut tail, self.key.as_ref())?;
        }
        let label = self.hook.as_ref().map(|_| labels.join(", "));
        if let Some(label) = &label {
            self.point(CommitSide::Before, label.clone())?;
        }
        self.sql("COMMIT")?;
        Ok(label)
    }

    /// One request. The outer error means that the whole transaction is lost.
    fn savepoint(&self, request: &Request, tail: &mut Tail) -> Result<Result<u64, RecordError>, RecordError> {
        self.sql("SAVEPOINT request")?;
        let before = *tail;
        let outcome = match request {
            Request::Record(prepared, _) => prepared.apply(&self.connection, tail).map(|()| 0),
            Request::Epoch(offered, _) => {
                meta::raise_epoch(&self.connection, tail, *offered).map_err(RecordError::from)
            }
            Request::Close(_) => Ok(0),
        };
        if let Err(error) = &outcome {
            // A full disk or an I/O error makes SQLite roll the whole transaction back by itself.
            if self.connection.is_autocommit() {
                return Err(error.clone());
            }
            self.sql("ROLLBACK TO request")?;
            *tail = before;
        }
        self.sql("RELEASE request")?;
        Ok(outcome)
    }

    /// Leaves one file behind, without a write-ahead log.
    fn close(self) -> Result<(), RecordError> {
        self.place.check()?;
        self.checkpoint()?;
        let busy: i64 = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            tracing::warn!("a reader kept the write-ahead log from being emptied; the next start does it");
        }
        Ok(())
    }

    /// A checkpoint in a transaction of its own.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<()> {
        self.sql("BEGIN IMMEDIATE")?;
        let written = Tail::read(&self.connection)
            .and_then(|mut tail| checkpoint::write(&self.connection, &mut tail, self.key.as_ref()))
            .and_then(|()| self.sql("COMMIT"));
        if written.is_err() && !self.connection.is_autocommit() {
            self.sql("ROLLBACK")?;
        }
        written
    }

    fn point(&self, side: CommitSide, label: String) -> Result<(), RecordError> {
        let Some(Hook(hook)) = &self.hook else { return Ok(()) };
        match hook(&CommitPoint { side, label }) {
            CommitFate::Go => Ok(()),
            CommitFate::FailAnswer => Err(RecordError::from(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_IOERR),
                Some("injected".to_owned()),
            ))),
        }
    }

    fn sql(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

fn label(request: &Request) -> String {
    match request {
        Request::Record(prepared, _) => prepared.label(),
        Request::Epoch(epoch, _) => format!("epoch {epoch}"),
        Request::Close(_) => "close".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::fixture::{Place, event, step, uid};
    use crate::{Archive, Options, Proof, Record, verify};

    fn open(place: &Place, hook: impl Fn(&CommitPoint) -> CommitFate + Send + Sync + 'static) -> Archive {
        Archive::open(&place.path, Options { hook: Some(Hook::new(hook)), ..Options::default() }).unwrap()
    }

    #[tokio::test]
    async fn requests_that_wait_share_a_commit_and_a_refused_one_takes_no_other_down() {
        let place = Place::new();
        let (go, gate) = channel::<()>();
        let (arrived, at_gate) = channel::<()>();
        let (gate, commits) = (Mutex::new(gate), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&commits);
        let archive = open(&place, move |point| {
            if point.side == CommitSide::Before {
                seen.lock().unwrap().push(point.label.clone());
                arrived.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
            }
            CommitFate::Go
        });
        let record = |record: Record| {
            let archive = archive.clone();
            tokio::spawn(async move { archive.record(record).await })
        };
        // The first commit is held up until the others are in the queue.
        let first = record(step("dep-0", 1));
        let at_gate = tokio::task::spawn_blocking(move || at_gate.recv().map(|()| at_gate)).await.unwrap().unwrap();
        let others: Vec<_> = (1..=9).map(|n| record(step(&format!("dep-{n}"), if n == 5 { 2 } else { 1 }))).collect();
        // Each task has sent its request once every task has been polled.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        for (at, other) in others.into_iter().enumerate() {
            let outcome = other.await.unwrap();
            assert_eq!(matches!(outcome, Err(RecordError::Gap { .. })), at + 1 == 5, "{outcome:?}");
        }
        drop(at_gate);
        let commits = commits.lock().unwrap().clone();
        assert_eq!(commits.len(), 2);
        assert_eq!(commits[0], "record deployments/shop/dep-0 release.created");
        assert_eq!(commits[1].matches("release.created").count(), 8);
        assert_eq!(archive.head().await.unwrap().unwrap().row, 9);
        assert_eq!(archive.last_event(&uid("dep-5")).await.unwrap(), None);
        assert_eq!(archive.last_event(&uid("dep-9")).await.unwrap(), Some(event("dep-9", 1)));
    }

    #[tokio::test]
    async fn a_failed_answer_before_the_commit_stores_nothing_and_after_it_everything() {
        for (side, stored) in [(CommitSide::Before, false), (CommitSide::After, true)] {
            let place = Place::new();
            let armed = Arc::new(Mutex::new(true));
            let once = Arc::clone(&armed);
            let archive = open(&place, move |point| {
                if point.side == side && std::mem::take(&mut *once.lock().unwrap()) {
                    return CommitFate::FailAnswer;
                }
                CommitFate::Go
            });
            let error = archive.record(step("dep-1", 1)).await.unwrap_err();
            assert!(matches!(error, RecordError::Storage(_)) && error.retryable(), "{error:?}");
            assert_eq!(archive.last_event(&uid("dep-1")).await.unwrap().is_some(), stored);
            // Whichever it was: recording again settles it.
            archive.record(step("dep-1", 1)).await.unwrap();
            archive.record(step("dep-1", 2)).await.unwrap();
            archive.close().await.unwrap();
            assert_eq!(verify(&place.path, &Proof::default()).unwrap().rows, 2);
        }
    }

    #[tokio::test]
    async fn what_changes_nothing_is_no_commit_point() {
        let place = Place::new();
        let points = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&points);
        let archive = open(&place, move |point| {
            seen.lock().unwrap().push((point.side, point.label.clone()));
            CommitFate::Go
        });
        archive.record(step("dep-1", 1)).await.unwrap();
        archive.record(step("dep-1", 1)).await.unwrap();
        archive.set_epoch(1).await.unwrap();
        archive.set_epoch(1).await.unwrap();
        let created = "record deployments/shop/dep-1 release.created".to_owned();
        let epoch = "epoch 1".to_owned();
        let expected = [
            (CommitSide::Before, created.clone()),
            (CommitSide::After, created),
            (CommitSide::Before, epoch.clone()),
            (CommitSide::After, epoch),
        ];
        assert_eq!(*points.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_does_not_undo_what_it_asked_for() {
        let place = Place::new();
        let archive = place.open();
        let impatient = archive.record(step("dep-1", 1));
        // Polled once, so the request is sent; then dropped.
        let mut impatient = Box::pin(impatient);
        tokio::select! {
            biased;
            _ = &mut impatient => {}
            () = std::future::ready(()) => {}
        }
        drop(impatient);
        archive.record(step("dep-1", 2)).await.unwrap();
        assert_eq!(archive.events_of(&uid("dep-1"), 0, 9).await.unwrap().len(), 2);
    }
}
