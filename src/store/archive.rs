//! The controller's handle on the archive. Cheap to clone; every clone speaks to the same writer thread.

use std::path::Path;
use std::thread;

use rusqlite::Connection;
use slipway_domain::digest::{Digest, SecretKey};
use slipway_domain::event::Event;
use slipway_domain::name::Uid;
use tokio::sync::{mpsc, oneshot};

use crate::chain::Tail;
use crate::checkpoint::CheckpointKey;
use crate::connect::{self, OpenError};
use crate::head::Head;
use crate::meta::{self, Meta};
use crate::query::{self, HeadStatus, Line, Pool, ReadError};
use crate::record::{Prepared, Record, RecordError};
use crate::row::{AttemptRow, DeploymentRow, EnvironmentRow, PreviewRow, ReleaseRow};
use crate::writer::{Hook, Place, Request, Writer};

/// How many requests may wait for the writer before a caller does.
const QUEUE: usize = 1024;

/// How an archive is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Refuse a second controller: hold `<path>.lock` as long as the archive is open.
    pub exclusive: bool,
    /// Sign checkpoints with this key.
    pub checkpoint_key: Option<CheckpointKey>,
    /// Write a checkpoint each time this many events have been recorded, beside those at open and close.
    pub checkpoint_every: u64,
    /// Fault injection for the crash sweeps.
    pub hook: Option<Hook>,
}

impl Default for Options {
    fn default() -> Self {
        Self { exclusive: false, checkpoint_key: None, checkpoint_every: 1000, hook: None }
    }
}

/// An open archive.
#[derive(Debug, Clone)]
pub struct Archive {
    requests: mpsc::Sender<Request>,
    pool: Pool,
    place: Place,
    secret: SecretKey,
    installation: Uid,
}

impl Archive {
    /// Opens the archive at `path`, creating and migrating it as needed. Its folder must exist. Blocks on the disk.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let Options { exclusive, checkpoint_key, checkpoint_every, hook } = options;
        let mut connection = connect::writer(path, true)?;
        let found = |source| OpenError::Io { path: path.to_owned(), doing: "its place cannot be found out", source };
        // One file, one lock, by whichever name it was reached.
        let file = std::fs::canonicalize(path).map_err(found)?;
        let lock = if exclusive { Some(connect::lock(&file)?) } else { None };
        let place = Place::of(&file).map_err(found)?;
        let meta = prepare(path, &mut connection)?;
        let writer =
            Writer { connection, key: checkpoint_key, checkpoint_every, hook, place: place.clone(), _lock: lock };
        writer.checkpoint().map_err(|source| connect::refused(path, source))?;
        let (requests, inbox) = mpsc::channel(QUEUE);
        thread::Builder::new().name("archive-writer".to_owned()).spawn(move || writer.run(inbox)).map_err(
            |source| OpenError::Io { path: path.to_owned(), doing: "its writer thread cannot be started", source },
        )?;
        Ok(Self {
            requests,
            pool: Pool::new(path.to_owned()),
            place,
            secret: SecretKey::new(meta.secret),
            installation: meta.installation,
        })
    }

    /// Whether the file is still where it was opened; [`RecordError::Moved`] otherwise.
    pub fn in_place(&self) -> Result<(), RecordError> {
        self.place.check()
    }

    /// Stores a record, whole or not at all. It is durable when this returns.
    pub async fn record(&self, record: Record) -> Result<(), RecordError> {
        let prepared = Box::new(Prepared::new(record)?);
        self.ask(|answer| Request::Record(prepared, answer)).await
    }

    /// Raises the epoch; it never falls. Returns the one that holds afterwards.
    pub async fn set_epoch(&self, epoch: u64) -> Result<u64, RecordError> {
        self.ask(|answer| Request::Epoch(epoch, answer)).await
    }

    /// Finishes what was asked for, writes a checkpoint and empties the write-ahead log. Later calls are refused.
    pub async fn close(&self) -> Result<(), RecordError> {
        self.pool.close();
        self.ask(Request::Close).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, RecordError>>) -> Request,
    ) -> Result<T, RecordError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| RecordError::Closed)?;
        answered.await.map_err(|_| RecordError::Closed)?
    }

    /// The key under which secret values are hashed. Made when the archive was.
    pub fn secret_key(&self) -> SecretKey {
        self.secret.clone()
    }

    /// The identity of this archive. Made when the archive was; `archive.adopted` is recorded under it.
    pub fn installation_id(&self) -> &Uid {
        &self.installation
    }

    /// The last term of a controller.
    pub async fn epoch(&self) -> Result<u64, ReadError> {
        self.pool.read(meta::epoch).await
    }

    /// Where the history ends, if it has begun.
    pub async fn head(&self) -> Result<Option<Head>, ReadError> {
        self.pool.read(query::head).await
    }

    /// The hash of one row of the history.
    pub async fn head_row(&self, row: u64) -> Result<Option<Digest>, ReadError> {
        self.pool.read(move |connection| query::head_row(connection, row)).await
    }

    /// Whether a head that someone remembers is part of this history, or a person has accepted that it is not.
    pub async fn head_status(&self, head: Head) -> Result<HeadStatus, ReadError> {
        let installation = self.installation.clone();
        self.pool.read(move |connection| query::head_status(connection, &installation, &head)).await
    }

    /// The last event of a resource.
    pub async fn last_event(&self, uid: &Uid) -> Result<Option<Event>, ReadError> {
        let uid = uid.clone();
        self.pool.read(move |connection| query::last_event(connection, &uid)).await
    }

    /// The events of a resource after number `after`, oldest first, at most `limit`.
    pub async fn events_of(&self, uid: &Uid, after: u64, limit: u32) -> Result<Vec<Event>, ReadError> {
        let uid = uid.clone();
        self.pool.read(move |connection| query::events_of(connection, &uid, after, limit)).await
    }

    /// All events after row `after`, oldest first, at most `limit`.
    pub async fn events_page(&self, after: u64, limit: u32) -> Result<Vec<Line>, ReadError> {
        self.pool.read(move |connection| query::events_page(connection, after, limit)).await
    }

    /// What a Deployment is now.
    pub async fn deployment(&self, uid: &Uid) -> Result<Option<DeploymentRow>, ReadError> {
        let uid = uid.clone();
        self.pool.read(move |connection| query::deployment(connection, &uid)).await
    }

    /// What an Environment is now.
    pub async fn environment(&self, uid: &Uid) -> Result<Option<EnvironmentRow>, ReadError> {
        let uid = uid.clone();
        self.pool.read(move |connection| query::environment(connection, &uid)).await
    }

    /// A release.
    pub async fn release(&self, uid: &Uid) -> Result<Option<ReleaseRow>, ReadError> {
        let uid = uid.clone();
        self.pool.read(move |connection| query::release(connection, &uid)).await
    }

    /// One preview of a Deployment.
    pub async fn preview(&self, deployment: &Uid, preview_ref: &str) -> Result<Option<PreviewRow>, ReadError> {
        let (deployment, preview_ref) = (deployment.clone(), preview_ref.to_owned());
        self.pool.read(move |connection| query::preview(connection, &deployment, &preview_ref)).await
    }

    /// The attempts made for a resource, oldest first.
    pub async fn attempts(&self, deployment: &Uid) -> Result<Vec<AttemptRow>, ReadError> {
        let deployment = deployment.clone();
        self.pool.read(move |connection| query::attempts(connection, &deployment)).await
    }

    /// The latest Deployment of that name, other than `uid`, that asked for the same and has been decided: Succeeded,
    /// Failed, `RolledBack` or Rejected. Without a release digest: of whatever release.
    pub async fn finished_twin(
        &self,
        uid: &Uid,
        namespace: &str,
        name: &str,
        request_digest: &Digest,
        release_digest: Option<&Digest>,
    ) -> Result<Option<DeploymentRow>, ReadError> {
        let (uid, namespace, name) = (uid.clone(), namespace.to_owned(), name.to_owned());
        let (request, release) = (request_digest.clone(), release_digest.cloned());
        self.pool
            .read(move |connection| {
                query::finished_twin(connection, &uid, (&namespace, &name), (&request, release.as_ref()))
            })
            .await
    }
}

/// Migrates, writes the facts of a new archive, and reads them.
fn prepare(path: &Path, connection: &mut Connection) -> Result<Meta, OpenError> {
    connect::migrate(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => connect::refused(path, err),
        other => OpenError::Sqlite {
            path: path.to_owned(),
            source: rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
        },
    })?;
    let at = |source| connect::refused(path, source);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(at)?;
    let mut tail = Tail::read(&transaction).map_err(at)?;
    if meta::initialise(&transaction, &mut tail).map_err(at)? {
        tracing::info!(path = %path.display(), "a new archive was created");
    }
    let meta = meta::read(&transaction).map_err(|source| OpenError::Damaged { path: path.to_owned(), source })?;
    transaction.commit().map_err(at)?;
    Ok(meta)
}
