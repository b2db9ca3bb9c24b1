//! A current row is never written without a line in `state_changes` that carries the digest of all its columns.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::chain::Tail;
use crate::hash::{self, Hash};
use crate::table::{Rule, Table};

/// A row of one of the [`Table`]s, ready to be written.
#[derive(Debug)]
pub(crate) struct StateRow {
    pub(crate) table: &'static Table,
    /// In the order of the table's columns.
    pub(crate) values: Vec<Value>,
    key: String,
    digest: Hash,
}

impl StateRow {
    pub(crate) fn new(table: &'static Table, values: Vec<Value>) -> Self {
        let key = key(table, values.iter().map(ValueRef::from));
        let digest = hash::row(table.name, values.iter().map(ValueRef::from));
        Self { table, values, key, digest }
    }

    /// Writes the row and its line. False when the stored row is the same or must stay.
    pub(crate) fn put(&self, connection: &Connection, tail: &mut Tail) -> rusqlite::Result<bool> {
        if matches!(self.table.rule, Rule::Never) && self.stored(connection)? {
            return Ok(false);
        }
        let mut upsert = connection.prepare_cached(self.table.upsert())?;
        for (at, value) in self.values.iter().enumerate() {
            upsert.raw_bind_parameter(at + 1, value)?;
        }
        upsert.raw_bind_parameter(self.values.len() + 1, self.digest)?;
        if upsert.raw_execute()? == 0 {
            return Ok(false);
        }
        let next = tail.change + 1;
        let hash = hash::change(next, &tail.state, self.table.name, &self.key, &self.digest);
        connection
            .prepare_cached(
                "INSERT INTO state_changes (change, table_name, row_key, row_digest, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((next, self.table.name, &self.key, self.digest, hash))?;
        tail.change = next;
        tail.state = hash;
        Ok(true)
    }

    fn stored(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let found = connection
            .prepare_cached(&self.table.exists())?
            .query_row(params_from_iter(&self.values[..self.table.keys]), |_| Ok(()))
            .optional()?;
        Ok(found.is_some())
    }
}

/// The primary key as one text. The parts are joined by a tab, which no uid contains.
pub(crate) fn key<'a>(table: &Table, values: impl Iterator<Item = ValueRef<'a>>) -> String {
    let parts: Vec<String> = values
        .take(table.keys)
        .map(|value| match value {
            ValueRef::Null => String::new(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Blob(blob) => hex::encode(blob),
        })
        .collect();
    parts.join("\t")
}
