//! Whether a file is an archive, and of which schema: by what it says, and where that was edited by what is in it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rusqlite::Connection;

use crate::connect::{APPLICATION, OpenError, VERSION, refused};
use crate::schema::Schema;

/// The schema version of a file that is an archive, or is empty and may become one.
pub(crate) fn recognised(path: &Path, connection: &Connection) -> Result<i64, OpenError> {
    let number =
        |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|source| refused(path, source));
    let objects = number("SELECT count(*) FROM sqlite_master")?;
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let altered = |what: String| OpenError::Altered { path: path.to_owned(), what };
    if objects > 0 && application != APPLICATION {
        if number(OURS)? == 3 {
            return Err(altered(format!("its application_id is {application}, and its tables are an archive's")));
        }
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    // Every migration changes the schema, so the number says no other than the tables do.
    let same = || Schema::compare(connection).is_ok_and(|schema| schema.is_current());
    if objects > 0 && version != VERSION && (version < 1 || same()) {
        return Err(altered(format!("its user_version is {version}, and its tables are an archive's")));
    }
    if version > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    Ok(version)
}

/// How many of the tables that are in every archive there are.
const OURS: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' \
                    AND name IN ('deployment_events', 'state_changes', 'checkpoints')";
/// What stands in the schema of every archive, which is more than one page long.
const CREATED: &[u8] = b"CREATE TABLE deployment_events";
/// SQLite's usual size of a page.
const PAGE: usize = 4096;
/// How much of a file is searched for its schema, which was the first thing written.
const SEARCHED: u64 = 1 << 20;

/// Whether the pages after the first are an archive's, and not a text about one.
pub(crate) fn beheaded(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SEARCHED).read_to_end(&mut start));
    let rest = start.get(PAGE..).unwrap_or_default();
    read.is_ok() && rest.contains(&0) && rest.windows(CREATED.len()).any(|bytes| bytes == CREATED)
}
