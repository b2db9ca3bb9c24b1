//! What a Deployment does: exactly one operation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::Reference;
use crate::text;

/// What is to be done: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Put a Release in place.
    Deploy(Deploy),
    /// Update a `WordPress` site in place.
    Update(Update),
    /// Bring what another Environment runs to this one.
    Promote(Promote),
    /// Bring a Backup back.
    Restore(Restore),
    /// Go back to an older Release.
    Rollback(Rollback),
    /// Install an Environment from a bundle.
    Bootstrap(Bootstrap),
}

/// What to put in place: a Release, or a bare version where people do the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Deploy {
    /// The Release to put in place.
    ReleaseRef(Reference),
    /// The version, for an Environment with the manual runtime.
    Version(#[schemars(schema_with = "text::version")] String),
}

/// An update in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// What is updated.
    pub scope: UpdateScope,
}

/// What an update touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpdateScope {
    Core,
    Plugins,
    Themes,
    All,
}

impl std::fmt::Display for UpdateScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Core => "core",
            Self::Plugins => "plugins",
            Self::Themes => "themes",
            Self::All => "all",
        })
    }
}

/// A promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promote {
    /// The Environment whose release is brought here.
    pub from_environment_ref: Reference,
}

/// A restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// The Backup to bring back.
    pub backup_ref: Reference,
}

/// A return to an older Release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// The Release to go back to.
    pub to_release_ref: Reference,
}

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// The bundle to install from.
    pub bundle_ref: Reference,
}
