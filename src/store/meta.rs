//! What the archive is: its installation, the key for secret values, the last term of a controller.

use std::fs::File;
use std::io::Read;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use slipway_domain::name::Uid;

use crate::chain::Tail;
use crate::state::StateRow;
use crate::table::META;

const INSTALLATION: &str = "installation_id";
const SECRET: &str = "secret_key";
const EPOCH: &str = "epoch";

/// The facts of `meta`.
#[derive(Clone)]
pub(crate) struct Meta {
    pub(crate) installation: Uid,
    pub(crate) secret: [u8; 32],
    pub(crate) epoch: u64,
}

/// Writes the facts of a new archive. True when it was new.
pub(crate) fn initialise(connection: &Connection, tail: &mut Tail) -> Result<bool, rusqlite::Error> {
    if tail.change != 0 {
        return Ok(false);
    }
    let mut random = [0_u8; 48];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).map_err(conversion)?;
    let (secret, installation) = random.split_at(32);
    for (key, value) in [(INSTALLATION, uuid(installation)), (SECRET, hex::encode(secret)), (EPOCH, "0".to_owned())] {
        write(connection, tail, key, value)?;
    }
    Ok(true)
}

/// Reads the facts. An error names what is missing or unreadable: someone edited the file.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Meta> {
    let secret: String = value(connection, SECRET)?;
    let mut key = [0; 32];
    hex::decode_to_slice(&secret, &mut key).map_err(conversion)?;
    Ok(Meta {
        installation: value(connection, INSTALLATION)?.parse().map_err(conversion)?,
        secret: key,
        epoch: epoch(connection)?,
    })
}

pub(crate) fn epoch(connection: &Connection) -> rusqlite::Result<u64> {
    value(connection, EPOCH)?.parse().map_err(conversion)
}

/// Raises the epoch. Returns the one that holds afterwards.
pub(crate) fn raise_epoch(connection: &Connection, tail: &mut Tail, offered: u64) -> rusqlite::Result<u64> {
    let stored = epoch(connection)?;
    if offered > stored {
        write(connection, tail, EPOCH, offered.to_string())?;
    }
    Ok(offered.max(stored))
}

fn write(connection: &Connection, tail: &mut Tail, key: &str, value: String) -> rusqlite::Result<()> {
    StateRow::new(&META, vec![Value::Text(key.to_owned()), Value::Text(value)]).put(connection, tail)?;
    Ok(())
}

fn value(connection: &Connection, key: &str) -> rusqlite::Result<String> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?
        .ok_or_else(|| conversion(format!("meta has no {key}")))
}

fn conversion(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
}

/// A version 4 UUID from 16 random bytes.
fn uuid(random: &[u8]) -> String {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(random);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
