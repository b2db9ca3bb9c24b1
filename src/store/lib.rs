//! The archive: SQLite, hash-chained events, current rows. The only crate that knows SQL.
//!
//! Nothing is answered before it is durable, nothing recorded is ever changed, and every column of every table is covered
//! by one of two append-only chains, so that [`verify`] finds an edit and says where.
//!
//! - [`Archive`] is the running controller's handle: one writer thread, a few readers.
//! - [`verify`], [`export`] and [`adopt`] work on a file by its path, for the audit commands.

#![allow(clippy::doc_markdown, reason = "SQLite is a name, not an item of this crate")]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")
)]

mod adopt;
mod archive;
mod chain;
mod checkpoint;
mod connect;
mod export;
#[cfg(test)]
mod fixture;
mod hash;
mod head;
mod identity;
mod meta;
mod query;
mod record;
#[cfg(test)]
mod recording;
mod row;
mod schema;
mod state;
mod table;
#[cfg(test)]
mod tampering;
mod verify;
mod walk;
mod writer;

pub use adopt::{AdoptError, Adopted, AdoptedObject, Adoption, Target, adopt};
pub use archive::{Archive, Options};
pub use checkpoint::{CheckpointKey, KeyError};
pub use connect::OpenError;
pub use export::{ExportError, export, verify_export};
pub use head::{Head, HeadError};
pub use query::{HeadStatus, Line, ReadError};
pub use record::{Record, RecordError};
pub use row::{AttemptRow, DeploymentRow, EnvironmentRow, PreviewRow, ReleaseRow, Row};
pub use verify::{Proof, verify};
pub use walk::{Tampered, Verified, VerifyError};
pub use writer::{CommitFate, CommitPoint, CommitSide, Hook};
