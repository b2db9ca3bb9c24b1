//! The current rows: what the archive knows a resource to be now, beside the history of how it came to be.

use jiff::Timestamp;
use rusqlite::types::{Type, Value};
use slipway_domain::digest::Digest;
use slipway_domain::name::Uid;
use slipway_domain::phase::Phase;

use crate::chain::{number, stamp};
use crate::record::RecordError;
use crate::state::StateRow;
use crate::table::{ATTEMPTS, DEPLOYMENTS, ENVIRONMENTS, PREVIEWS, RELEASES};

/// The current row of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Ignored when its `seq` is lower than the stored one.
    Deployment(DeploymentRow),
    /// Ignored when its `operations` or its `seq` is lower than the stored one.
    Environment(EnvironmentRow),
    /// The first one of a uid stands; later ones are ignored.
    Release(ReleaseRow),
}

/// What a Deployment is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub service: String,
    pub environment: String,
    pub release: String,
    pub operation: String,
    pub requester: String,
    pub submitted_by: String,
    pub phase: Phase,
    pub request_digest: Digest,
    pub release_digest: Digest,
    /// JSON.
    pub variables: String,
    pub resource_version: Option<String>,
    /// JSON.
    pub status: String,
    /// The number of the last event that this row reflects.
    pub seq: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// What an Environment is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRow {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub project: String,
    pub team: String,
    pub tier: String,
    pub runtime: String,
    pub phase: String,
    /// How many operations have claimed it so far.
    pub operations: u64,
    /// JSON.
    pub spec: String,
    /// JSON.
    pub status: String,
    /// The number of the last event that this row reflects.
    pub seq: u64,
    pub updated_at: Timestamp,
}

/// An immutable version of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub service: String,
    pub version: String,
    pub digest: Digest,
    /// JSON, without secret values.
    pub content: String,
    pub created_at: Timestamp,
}

/// One computed preview of a Deployment. Immutable: the first one of a reference stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    pub deployment: Uid,
    pub preview_ref: String,
    pub digest: Digest,
    /// JSON, the whole diff.
    pub body: String,
    pub created_at: Timestamp,
}

/// One execution of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The uid of what it works for.
    pub deployment: Uid,
    pub id: String,
    /// `env_deploy`, `health_check` and so on; the column is called `type`.
    pub kind: String,
    pub number: u32,
    pub state: String,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub outcome: Option<String>,
}

fn text(text: &impl ToString) -> Value {
    Value::Text(text.to_string())
}

fn optional(value: Option<String>) -> Value {
    value.map_or(Value::Null, Value::Text)
}

impl DeploymentRow {
    pub(crate) fn state(self) -> Result<StateRow, RecordError> {
        let values = vec![
            text(&self.uid),
            Value::Text(self.namespace),
            Value::Text(self.name),
            Value::Text(self.service),
            Value::Text(self.environment),
            Value::Text(self.release),
            Value::Text(self.operation),
            Value::Text(self.requester),
            Value::Text(self.submitted_by),
            text(&self.phase),
            text(&self.request_digest),
            text(&self.release_digest),
            Value::Text(self.variables),
            optional(self.resource_version),
            Value::Text(self.status),
            Value::Integer(number(self.seq)?),
            Value::Text(stamp(self.created_at)),
            Value::Text(stamp(self.updated_at)),
            optional(self.finished_at.map(stamp)),
        ];
        Ok(StateRow::new(&DEPLOYMENTS, values))
    }

    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let phase: String = row.get(9)?;
        let unknown = || unreadable(9, format!("{phase:?} is not a phase that this version knows"));
        Ok(Self {
            uid: parsed(row, 0)?,
            namespace: row.get(1)?,
            name: row.get(2)?,
            service: row.get(3)?,
            environment: row.get(4)?,
            release: row.get(5)?,
            operation: row.get(6)?,
            requester: row.get(7)?,
            submitted_by: row.get(8)?,
            phase: Phase::ALL.into_iter().find(|known| known.as_str() == phase).ok_or_else(unknown)?,
            request_digest: parsed(row, 10)?,
            release_digest: parsed(row, 11)?,
            variables: row.get(12)?,
            resource_version: row.get(13)?,
            status: row.get(14)?,
            seq: row.get::<_, i64>(15)?.cast_unsigned(),
            created_at: parsed(row, 16)?,
            updated_at: parsed(row, 17)?,
            finished_at: row.get::<_, Option<String>>(18)?.map(|text| parse(18, &text)).transpose()?,
        })
    }
}

impl EnvironmentRow {
    pub(crate) fn state(self) -> Result<StateRow, RecordError> {
        let values = vec![
            text(&self.uid),
            Value::Text(self.namespace),
            Value::Text(self.name),
            Value::Text(self.project),
            Value::Text(self.team),
            Value::Text(self.tier),
            Value::Text(self.runtime),
            Value::Text(self.phase),
            Value::Integer(number(self.operations)?),
            Value::Text(self.spec),
            Value::Text(self.status),
            Value::Integer(number(self.seq)?),
            Value::Text(stamp(self.updated_at)),
        ];
        Ok(StateRow::new(&ENVIRONMENTS, values))
    }

    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            uid: parsed(row, 0)?,
            namespace: row.get(1)?,
            name: row.get(2)?,
            project: row.get(3)?,
            team: row.get(4)?,
            tier: row.get(5)?,
            runtime: row.get(6)?,
            phase: row.get(7)?,
            operations: row.get::<_, i64>(8)?.cast_unsigned(),
            spec: row.get(9)?,
            status: row.get(10)?,
            seq: row.get::<_, i64>(11)?.cast_unsigned(),
            updated_at: parsed(row, 12)?,
        })
    }
}

impl ReleaseRow {
    pub(crate) fn state(self) -> StateRow {
        let values = vec![
            text(&self.uid),
            Value::Text(self.namespace),
            Value::Text(self.name),
            Value::Text(self.service),
            Value::Text(self.version),
            text(&self.digest),
            Value::Text(self.content),
            Value::Text(stamp(self.created_at)),
        ];
        StateRow::new(&RELEASES, values)
    }

    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            uid: parsed(row, 0)?,
            namespace: row.get(1)?,
            name: row.get(2)?,
            service: row.get(3)?,
            version: row.get(4)?,
            digest: parsed(row, 5)?,
            content: row.get(6)?,
            created_at: parsed(row, 7)?,
        })
    }
}

impl PreviewRow {
    pub(crate) fn state(self) -> StateRow {
        let values = vec![
            text(&self.deployment),
            Value::Text(self.preview_ref),
            text(&self.digest),
            Value::Text(self.body),
            Value::Text(stamp(self.created_at)),
        ];
        StateRow::new(&PREVIEWS, values)
    }

    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            deployment: parsed(row, 0)?,
            preview_ref: row.get(1)?,
            digest: parsed(row, 2)?,
            body: row.get(3)?,
            created_at: parsed(row, 4)?,
        })
    }
}

impl AttemptRow {
    pub(crate) fn state(self) -> StateRow {
        let values = vec![
            text(&self.deployment),
            Value::Text(self.id),
            Value::Text(self.kind),
            Value::Integer(i64::from(self.number)),
            Value::Text(self.state),
            Value::Text(stamp(self.started_at)),
            optional(self.finished_at.map(stamp)),
            optional(self.outcome),
        ];
        StateRow::new(&ATTEMPTS, values)
    }

    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            deployment: parsed(row, 0)?,
            id: row.get(1)?,
            kind: row.get(2)?,
            number: row.get(3)?,
            state: row.get(4)?,
            started_at: parsed(row, 5)?,
            finished_at: row.get::<_, Option<String>>(6)?.map(|text| parse(6, &text)).transpose()?,
            outcome: row.get(7)?,
        })
    }
}

fn unreadable(column: usize, what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into())
}

fn parse<T>(column: usize, text: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| unreadable(column, error))
}

fn parsed<T>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    parse(column, &row.get::<_, String>(column)?)
}
