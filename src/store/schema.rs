//! The schema of an archive is exactly what the migrations make: a trigger more or less is tampering too.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::connect;
use crate::walk::{Tampered, VerifyError};

/// The objects of the schema that are there and should not be, or the other way round.
pub(crate) struct Schema {
    tables: BTreeSet<String>,
    rest: BTreeSet<String>,
}

impl Schema {
    pub(crate) fn compare(connection: &Connection) -> Result<Self, VerifyError> {
        let mut fresh = Connection::open_in_memory()?;
        connect::migrate(&mut fresh).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let expected = objects(&fresh)?;
        let found = objects(connection)?;
        let (tables, rest) =
            expected.symmetric_difference(&found).cloned().partition::<BTreeSet<_>, _>(|(kind, ..)| kind == "table");
        let names =
            |objects: BTreeSet<(String, String, String)>| objects.into_iter().map(|(_, name, _)| name).collect();
        Ok(Self { tables: names(tables), rest: names(rest) })
    }

    /// It is the schema that this version writes, to the letter.
    pub(crate) fn is_current(&self) -> bool {
        self.tables.is_empty() && self.rest.is_empty()
    }

    /// Tables first: with other columns nothing else can be read.
    pub(crate) fn tables(&self) -> Result<(), Tampered> {
        differs(&self.tables)
    }

    /// Triggers and indexes last: that they are gone matters less than what was done then.
    pub(crate) fn rest(&self) -> Result<(), Tampered> {
        differs(&self.rest)
    }
}

fn differs(names: &BTreeSet<String>) -> Result<(), Tampered> {
    match names.first() {
        Some(name) => Err(Tampered::row(
            "sqlite_master",
            name,
            "is not what this version's migrations make: it was added, changed or dropped",
        )),
        None => Ok(()),
    }
}

/// Kind, name and text of everything in the schema.
fn objects(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, String, String)>> {
    // Litestream keeps two tables of its own in the databases it copies.
    connection
        .prepare(
            "SELECT type, name, coalesce(sql, '') || ' ON ' || tbl_name FROM sqlite_master \
             WHERE NOT (type = 'table' AND name IN ('_litestream_seq', '_litestream_lock'))",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
