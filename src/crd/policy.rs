//! What an Environment asks of every Deployment to it. Everything is optional: what is absent comes from the tier, and
//! must stay absent on the wire, so that a change of the tier's rules reaches it.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::policy::{Confirm, OnFailure};

use crate::{text, vocabulary};

/// What is asked of every Deployment. What is left out comes from the tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// When and how often a change needs a second pair of eyes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Who confirms a preview: Slipway at once, or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "vocabulary::confirm")]
    pub confirm: Option<Confirm>,
    /// How soon a review should be answered, as `2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub sla: Option<String>,
    /// What happens to a release that turns out unhealthy: the one before it is brought back, or it is held for a
    /// person to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "vocabulary::on_failure")]
    pub on_failure: Option<OnFailure>,
    /// Times in which nothing starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub freeze_windows: Vec<FreezeWindow>,
}

/// When and how often a change needs a second pair of eyes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Whether it needs review at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// How many people have to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20))]
    pub count: Option<u32>,
    /// How long a ticket for review is good, as `30m`, until the work starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub expires_after: Option<String>,
}

/// A time in which nothing starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.start < self.end").message("end must be later than start").field_path(".end"))]
pub struct FreezeWindow {
    /// From then on.
    #[schemars(schema_with = "text::time")]
    pub start: Timestamp,
    /// Until just before then.
    #[schemars(schema_with = "text::time")]
    pub end: Timestamp,
    /// Why.
    #[schemars(schema_with = "text::words")]
    pub reason: String,
}
