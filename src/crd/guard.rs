//! What guards an Environment's data: its backups, and what a promotion never overwrites.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::Secret;
use crate::text;

/// How an Environment is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Where backups are kept.
    pub storage: Storage,
    /// What a backup holds.
    #[serde(default)]
    pub scope: Scope,
    /// How long a backup is kept, as `720h`. Left out: until someone removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub retention: Option<String>,
    /// How old a backup may be that an operation relies on, as `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub max_age: Option<String>,
}

/// Where backups are kept: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Storage {
    /// A bucket that speaks S3.
    S3(S3),
}

/// A bucket that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// The address of the service.
    #[schemars(schema_with = "text::http_url")]
    pub endpoint: String,
    /// The bucket.
    #[schemars(schema_with = "text::object_name")]
    pub bucket: String,
    /// The region, where the service wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::word")]
    pub region: Option<String>,
    /// The folder within the bucket. Left out: its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::relative_path")]
    pub prefix: Option<String>,
    /// The Secret with the keys `accessKeyId` and `secretAccessKey`.
    pub credentials_secret_ref: Secret,
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The database.
    Db,
    /// The files.
    Files,
    /// Everything.
    #[default]
    Full,
}

/// What a promotion never overwrites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promotion {
    /// Which tables and paths are protected.
    pub preset: Preset,
    /// Further tables that are protected, without the site's prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::tables")]
    pub protected_tables: Vec<String>,
    /// Further paths that are protected, beneath the root of the site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::paths")]
    pub protected_paths: Vec<String>,
    /// How old a drift check may be that a promotion relies on, as `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub drift_max_age: Option<String>,
}

/// A set of tables and paths that are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Posts, terms, comments and uploads.
    ContentProtect,
    /// The same, and the orders of a shop.
    CommerceProtect,
    /// Only what is listed.
    Custom,
}
