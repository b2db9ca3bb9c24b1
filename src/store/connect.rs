//! A file is opened as an archive only after it has proved to be one; every refusal names the file and what to do.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::identity::{self, recognised};

/// How long a writer waits for another process, the readers never do.
const BUSY: Duration = Duration::from_secs(10);
/// "SLIP": what `PRAGMA application_id` says in an archive.
pub(crate) const APPLICATION: i64 = 0x534c_4950;
const MIGRATIONS: &[M<'static>] = &[M::up(include_str!("../../migrations/0001_archive.sql"))];
/// The schema this version writes.
pub(crate) const VERSION: i64 = MIGRATIONS.len().cast_signed() as i64;

/// Why a file cannot be opened as an archive.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder does not exist.
    #[error(
        "cannot create the archive {path}: the folder {parent} does not exist; create it, or mount the volume there"
    )]
    NoParent {
        /// The file.
        path: PathBuf,
        /// Its folder.
        parent: PathBuf,
    },
    /// There is no such file, and it is not to be created.
    #[error("there is no archive at {path}; check the path")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a folder.
    #[error("{path} is a folder; name the archive's file, for instance {path}/archive.db")]
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing in it, and it is not to become an archive here.
    #[error("{path} is empty: it holds no archive; restore a backup")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is an archive, and what says so was edited.
    #[error("{path} is an archive that was edited: {what}; run `slipway audit verify`, and restore a backup")]
    Altered {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// It is not SQLite's.
    #[error("{path} is not an SQLite database; name the archive's file, or move this one away")]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// It is another program's database.
    #[error("{path} is an SQLite database but not a Slipway archive; name the archive's file, or move this one away")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer Slipway wrote it.
    #[error(
        "{path} has schema {found} and this version knows {known}; run the newer Slipway, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// An older Slipway wrote it, and it is not to be changed.
    #[error(
        "{path} has schema {found} and this version needs {known}; start the controller of this version once, which upgrades it, or use the Slipway that wrote it"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The schema needed here.
        known: i64,
    },
    /// It cannot be written.
    #[error("{path} cannot be written; check its owner and mode, and that the volume is not mounted read-only")]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// SQLite may not open it, or the files beside it.
    #[error("{path} cannot be opened; check the owner and mode of it, of its folder and of {path}-wal")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Another controller has it.
    #[error(
        "{path} is in use by another controller (it holds {path}.lock); only one may write, stop the other one first"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Its own records are missing or cannot be read.
    #[error("{path} is damaged; run `slipway audit verify`, and restore a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: rusqlite::Error,
    },
    /// SQLite failed.
    #[error("cannot open the archive {path}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file system failed.
    #[error("cannot open the archive {path}: {doing}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A connection that may write. The file is created, with mode 0600, when it is absent; the schema is left as it is.
pub(crate) fn writer(path: &Path, create: bool) -> Result<Connection, OpenError> {
    exists(path, create)?;
    let connection = open(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let at = |source| refused(path, source);
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(at)? {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    recognised(path, &connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(at)?;
    tracing::debug!(path = %path.display(), mode, "archive opened");
    connection
        .execute_batch(&format!("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; {}", cache(1024)))
        .map_err(at)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that only reads, of a file that a controller may be writing.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute_batch(&cache(256)).map_err(|source| refused(path, source))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Every connection keeps pages of its own, 2 MB of them if it is not told otherwise. What is read here is a few rows by
/// their index, which the system's cache has as well.
fn cache(kib: u32) -> String {
    format!("PRAGMA cache_size = -{kib};")
}

/// A connection that only reads, of a file that may also be a copy on a read-only volume, checked to be an archive.
pub(crate) fn auditor(path: &Path) -> Result<Connection, OpenError> {
    exists(path, false)?;
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = open(path, path, read_only)?;
    let version = match recognised(path, &connection) {
        // A database in WAL mode needs a place for its -shm file. A copy without a -wal file on a volume that cannot be
        // written has no writer either, so SQLite may take it as it is.
        Err(OpenError::Unreadable { .. } | OpenError::ReadOnly { .. }) if !sibling(path, "-wal").exists() => {
            let connection = open(path, &immutable(path), read_only | OpenFlags::SQLITE_OPEN_URI)?;
            let version = recognised(path, &connection)?;
            return current(path, version).map(|()| connection);
        }
        other => other?,
    };
    current(path, version).map(|()| connection)
}

/// Brings the schema up to date.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), rusqlite_migration::Error> {
    Migrations::from_slice(MIGRATIONS).to_latest(connection)
}

/// Refuses a schema that is not the one this version writes.
pub(crate) fn current(path: &Path, version: i64) -> Result<(), OpenError> {
    match version {
        VERSION => Ok(()),
        // An archive has its schema from the moment it is one.
        0 => Err(OpenError::Empty { path: path.to_owned() }),
        found => Err(OpenError::Older { path: path.to_owned(), found, known: VERSION }),
    }
}

/// Takes the lock that only one controller can hold. It ends with the file's last handle, so with the process.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let io = |doing| move |source| OpenError::Io { path: path.to_owned(), doing, source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(sibling(path, ".lock"))
        .map_err(io("its lock file cannot be created"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(io("its lock file cannot be locked")(source)),
    }
}

/// What SQLite's error means for the file.
pub(crate) fn refused(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) if identity::beheaded(&path) => {
            let what = "its first page was overwritten, and those after it are an archive's".to_owned();
            OpenError::Altered { path, what }
        }
        Some(ErrorCode::NotADatabase) => OpenError::NotSqlite { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly { path },
        Some(ErrorCode::CannotOpen) => OpenError::Unreadable { path, source },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, source },
        _ => OpenError::Sqlite { path, source },
    }
}

fn exists(path: &Path, create: bool) -> Result<(), OpenError> {
    let io = |doing| move |source| OpenError::Io { path: path.to_owned(), doing, source };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(OpenError::Directory { path: path.to_owned() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io("it cannot be looked at")(error)),
        Err(_) if !create => Err(OpenError::Missing { path: path.to_owned() }),
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !parent.is_dir() {
                return Err(OpenError::NoParent { path: path.to_owned(), parent: parent.to_owned() });
            }
            // SQLite gives its -wal and -shm files the mode of the database.
            let created = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
            match created {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io("it cannot be created")(error)),
                Ok(_) | Err(_) => Ok(()),
            }
        }
    }
}

fn open(path: &Path, name: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|source| refused(path, source))?;
    connection.busy_timeout(BUSY).map_err(|source| refused(path, source))?;
    Ok(connection)
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path as a URI that tells SQLite that nobody writes the file.
fn immutable(path: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let escaped: String = path
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
            byte => format!("%{byte:02x}"),
        })
        .collect();
    PathBuf::from(format!("file:{escaped}?immutable=1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Place, step};
    use crate::{Archive, Options, Proof, verify};

    fn refusal(path: &Path) -> OpenError {
        Archive::open(path, Options::default()).unwrap_err()
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let place = Place::new();
        let path = place.folder.path().join("missing/archive.db");
        let error = refusal(&path);
        assert!(matches!(error, OpenError::NoParent { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("{}", path.parent().unwrap().display())), "{error}");
    }

    #[test]
    fn what_is_not_an_archive_is_refused_and_left_alone() {
        let place = Place::new();
        assert!(matches!(refusal(place.folder.path()), OpenError::Directory { .. }));
        let text = place.folder.path().join("text");
        let words = "This is a text, long enough to be taken for the header of a database.".repeat(20);
        fs::write(&text, &words).unwrap();
        assert!(matches!(refusal(&text), OpenError::NotSqlite { .. }));
        assert_eq!(fs::read_to_string(&text).unwrap(), words);
        let foreign = place.folder.path().join("foreign");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE bookmarks (url)").unwrap();
        assert!(matches!(refusal(&foreign), OpenError::Foreign { .. }));
        let missing = place.folder.path().join("nothing");
        let error = verify(&missing, &Proof::default()).unwrap_err();
        assert!(matches!(error, crate::VerifyError::Open(OpenError::Missing { .. })), "{error:?}");
        assert!(!missing.exists());
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused() {
        let place = Place::new();
        place.open().close().await.unwrap();
        let connection = Connection::open(&place.path).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        connection.execute_batch("ALTER TABLE deployments ADD COLUMN more TEXT").unwrap();
        let error = refusal(&place.path);
        assert!(matches!(error, OpenError::Newer { found, known, .. } if found == known + 1), "{error:?}");
    }

    #[tokio::test]
    async fn an_archive_without_its_secrets_is_damaged_and_gets_no_new_ones() {
        let place = Place::new();
        place.open().close().await.unwrap();
        Connection::open(&place.path).unwrap().execute_batch("DELETE FROM meta WHERE key = 'secret_key'").unwrap();
        let error = refusal(&place.path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_second_controller_is_refused_until_the_first_has_gone() {
        let place = Place::new();
        let exclusive = Options { exclusive: true, ..Options::default() };
        let first = Archive::open(&place.path, exclusive.clone()).unwrap();
        let error = Archive::open(&place.path, exclusive.clone()).unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
        assert!(error.to_string().contains("another controller"), "{error}");
        first.record(step("dep-1", 1)).await.unwrap();
        first.close().await.unwrap();
        Archive::open(&place.path, exclusive).unwrap().record(step("dep-1", 2)).await.unwrap();
    }

    #[tokio::test]
    async fn an_archive_verifies_while_it_is_written_and_as_a_copy_without_its_log() {
        let place = Place::new();
        let archive = Archive::open(&place.path, Options { exclusive: true, ..Options::default() }).unwrap();
        fixture::history(&archive).await;
        let head = archive.head().await.unwrap();
        let live = verify(&place.path, &Proof { head: head.clone(), checkpoint_key: None }).unwrap();
        assert_eq!(live.proven_row, Some(13));
        archive.close().await.unwrap();
        // Characters that mean something in a URI.
        let copy = place.folder.path().join("a copy?of #1 50%.db");
        fixture::copy(&place.path, &copy);
        assert_eq!(verify(&copy, &Proof { head, checkpoint_key: None }).unwrap().rows, 13);
        let connection =
            open(&copy, &immutable(&copy), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI).unwrap();
        assert_eq!(recognised(&copy, &connection).unwrap(), VERSION);
    }
}
