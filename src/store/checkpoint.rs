//! A checkpoint says where both chains stood at a time; signed, it says so to whoever holds the key.
//!
//! What a checkpoint proves. Unsigned, nothing against someone who can write the file: they can compute every hash anew.
//! Signed with a key that is not on the same disk (a mounted Secret), it proves that the history and the current rows up
//! to it are those that the holder of the key wrote. It proves nothing about what came after it, nor that later rows and
//! checkpoints were not cut off together: only a head kept elsewhere ([`crate::Head`]) proves the tail. And it is symmetric:
//! who can verify could have signed.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use slipway_domain::digest::SecretKey;

use crate::chain::{Tail, stamp};
use crate::hash::{Hash, Hasher};
use crate::state::StateRow;
use crate::table::CHECKPOINTS;

/// The key that signs checkpoints (HMAC-SHA-256).
#[derive(Clone)]
pub struct CheckpointKey {
    id: String,
    key: SecretKey,
}

/// Why a file is not a checkpoint key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("cannot read the checkpoint key {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not 32 bytes.
    #[error(
        "the checkpoint key {path} must hold 32 random bytes, or 64 hex digits, and holds {length} bytes: make one with `openssl rand -hex 32`"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// How many bytes it holds.
        length: usize,
    },
}

impl CheckpointKey {
    /// A key from 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let id = Hasher::new("slipway.checkpoint.key.v1").field(&bytes).done();
        Self { id: hex::encode(&id[..8]), key: SecretKey::new(bytes) }
    }

    /// Reads 32 raw bytes, or 64 hex digits with white space around them.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let bytes = std::fs::read(path).map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
        let mut key = [0_u8; 32];
        if bytes.len() == key.len() {
            key.copy_from_slice(&bytes);
            return Ok(Self::new(key));
        }
        hex::decode_to_slice(bytes.trim_ascii(), &mut key)
            .map_err(|_| KeyError::Length { path: path.to_owned(), length: bytes.len() })?;
        Ok(Self::new(key))
    }

    /// Which key it is, without saying what it is.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn sign(&self, tail: &Tail, at: &str) -> String {
        let message = Hasher::new("slipway.checkpoint.v1")
            .number(tail.row)
            .field(&tail.hash)
            .number(tail.change)
            .field(&tail.state)
            .field(at.as_bytes())
            .done();
        self.key.seal(&message)
    }
}

impl fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointKey({})", self.id)
    }
}

/// A row of `checkpoints`.
pub(crate) struct Checkpoint {
    pub(crate) id: i64,
    pub(crate) tail: Tail,
    pub(crate) at: String,
    pub(crate) key_id: Option<String>,
    pub(crate) signature: Option<String>,
}

/// Writes a checkpoint of where both chains stand, unless the last one says the same.
pub(crate) fn write(connection: &Connection, tail: &mut Tail, key: Option<&CheckpointKey>) -> rusqlite::Result<()> {
    let last = last(connection)?;
    if let Some(last) = &last {
        // The checkpoint's own line is the only one after it.
        let unmoved = last.tail.row == tail.row && last.tail.change + 1 == tail.change;
        if unmoved && last.key_id.as_deref() == key.map(CheckpointKey::id) {
            return Ok(());
        }
    }
    #[expect(clippy::disallowed_methods, reason = "a checkpoint says when it was made, and decides nothing by it")]
    let at = stamp(Timestamp::now());
    let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    let blob = |hash: Hash| Value::Blob(hash.to_vec());
    let values = vec![
        Value::Integer(last.map_or(0, |last| last.id) + 1),
        Value::Integer(tail.row),
        blob(tail.hash),
        Value::Integer(tail.change),
        blob(tail.state),
        Value::Text(at.clone()),
        text(key.map(|key| key.id().to_owned())),
        text(key.map(|key| key.sign(tail, &at))),
    ];
    StateRow::new(&CHECKPOINTS, values).put(connection, tail)?;
    Ok(())
}

fn last(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM checkpoints ORDER BY id DESC LIMIT 1",
            CHECKPOINTS.columns.join(", ")
        ))?
        .query_row([], read)
        .optional()
}

/// Every checkpoint, in the order they were written.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Checkpoint>> {
    connection
        .prepare(&format!("SELECT {} FROM checkpoints ORDER BY id", CHECKPOINTS.columns.join(", ")))?
        .query_map([], read)?
        .collect()
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint {
        id: row.get(0)?,
        tail: Tail { row: row.get(1)?, hash: row.get(2)?, change: row.get(3)?, state: row.get(4)? },
        at: row.get(5)?,
        key_id: row.get(6)?,
        signature: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_their_hex() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            CheckpointKey::from_file(&path)
        };
        let key = CheckpointKey::new([0xab; 32]);
        assert_eq!(read(&[0xab; 32]).unwrap().id(), key.id());
        assert_eq!(read(format!("{}\n", "ab".repeat(32)).as_bytes()).unwrap().id(), key.id());
        for bad in [&b""[..], &[1; 31], &[1; 33], "xy".repeat(32).as_bytes()] {
            assert!(matches!(read(bad), Err(KeyError::Length { .. })));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(CheckpointKey::from_file(&path), Err(KeyError::Unreadable { .. })));
        assert!(!format!("{key:?}").contains("abab"));
    }
}
