//! What a Deployment would change, as a status can show it. The whole difference is in the archive.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::runtime::Risk;

use crate::{text, vocabulary};

/// What a Deployment would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// What to name when confirming or judging this preview.
    #[serde(rename = "ref")]
    #[schemars(schema_with = "text::preview_ref")]
    pub reference: String,
    /// The digest over everything that would be applied.
    #[schemars(schema_with = "text::sha256")]
    pub digest: String,
    /// The digest of the Release that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::sha256")]
    pub release_digest: Option<String>,
    /// When it was made.
    #[schemars(schema_with = "text::time")]
    pub at: Timestamp,
    /// How much could go wrong, judged from the change alone.
    #[schemars(schema_with = "vocabulary::risk")]
    pub risk: Risk,
    /// The change in a sentence.
    #[schemars(schema_with = "text::message")]
    pub summary: String,
    /// What else was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = crate::CHECKS_MAX))]
    pub checks: Vec<Check>,
    /// The objects by what would happen to them.
    pub changes: Changes,
    /// A ticket ran out: only a person may confirm this preview, whatever the policy says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_person: bool,
    /// When that ticket ran out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub ticket_expired_at: Option<Timestamp>,
    /// The preview that was shown before this one and counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::preview_ref")]
    pub replaces: Option<String>,
}

/// One thing that a preview looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at.
    #[schemars(schema_with = "text::message")]
    pub name: String,
    /// What was found.
    #[schemars(schema_with = "text::message")]
    pub message: String,
}

/// The objects by what would happen to them. Long lists are cut; the counts are not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Objects that do not exist yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::objects")]
    pub added: Vec<String>,
    /// Objects that would differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::objects")]
    pub changed: Vec<String>,
    /// Objects that would be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::objects")]
    pub removed: Vec<String>,
    /// How many there are of each.
    pub counts: Counts,
}

/// How many objects there are of each kind of change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// That do not exist yet.
    pub added: u32,
    /// That would differ.
    pub changed: u32,
    /// That would be removed.
    pub removed: u32,
    /// That are as they should be.
    pub unchanged: u32,
}
