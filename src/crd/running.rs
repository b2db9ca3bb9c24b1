//! A release that runs, or ran, with all that is needed to bring it back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::environment::Health;

use crate::{text, vocabulary};

/// A release in an Environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningRelease {
    /// The Release.
    #[schemars(schema_with = "text::label")]
    pub name: String,
    /// The digest of its content.
    #[schemars(schema_with = "text::sha256")]
    pub digest: String,
    /// The Deployment that brought it.
    #[schemars(schema_with = "text::uid")]
    pub deployment_uid: String,
    /// Its health when it was last judged.
    #[schemars(schema_with = "vocabulary::health")]
    pub health: Health,
    /// Since when it runs, or ran.
    #[schemars(schema_with = "text::time")]
    pub since: Timestamp,
    /// The variables it was brought with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "text::variables")]
    pub variables: BTreeMap<String, String>,
}
