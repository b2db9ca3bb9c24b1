//! An intent is what someone decided about a Deployment after it was created. It is recorded once, with who and why, and
//! never changed or removed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::review::Verdict;
use slipway_domain::rollback::AUTOMATIC_ID;

use crate::rule::entry_stays;
use crate::{text, vocabulary};

/// Someone confirmed a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = entry_stays())]
pub struct Confirmation {
    /// The preview that was looked at, as `status.preview.ref` showed it.
    #[schemars(schema_with = "text::preview_ref")]
    pub preview_ref: String,
    /// Who confirms: the caller.
    #[schemars(schema_with = "text::actor")]
    pub actor: String,
    /// Anything worth saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::note")]
    pub note: Option<String>,
}

/// A reviewer's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = entry_stays(),
    validation = Rule::new("self.decision != 'Reject' || has(self.note)")
        .message("a rejection needs a note that says why")
        .field_path(".note")
        .reason(Reason::FieldValueRequired),
)]
pub struct Review {
    /// Who judges: the caller, and neither the requester nor the submitter.
    #[schemars(schema_with = "text::actor")]
    pub reviewer: String,
    /// The preview or the rollback that was looked at, as the status showed its ref.
    #[schemars(schema_with = "text::review_ref")]
    pub preview_ref: String,
    /// Yes or no.
    #[schemars(schema_with = "vocabulary::verdict")]
    pub decision: Verdict,
    /// Why. Required for a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::note")]
    pub note: Option<String>,
}

/// A rollback that someone asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = entry_stays(),
    validation = Rule::new(format!("self.id != '{AUTOMATIC_ID}'"))
        .message("is the id of the rollback that health checks ask for: choose another")
        .field_path(".id"),
)]
pub struct RollbackRequest {
    /// A name for this request, unlike that of any other rollback of this Deployment.
    #[schemars(schema_with = "text::label")]
    pub id: String,
    /// Who asks: the caller.
    #[schemars(schema_with = "text::actor")]
    pub actor: String,
    /// Why.
    #[schemars(schema_with = "text::note")]
    pub note: String,
}

/// A decision that needs a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Who decides: the caller.
    #[schemars(schema_with = "text::actor")]
    pub actor: String,
    /// Why.
    #[schemars(schema_with = "text::note")]
    pub note: String,
}

/// A statement that may go without a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Who says so: the caller.
    #[schemars(schema_with = "text::actor")]
    pub actor: String,
    /// Anything worth saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::note")]
    pub note: Option<String>,
}

/// What people report about work they do themselves, in an Environment with the manual runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manual {
    /// The work has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Statement>,
    /// The work has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
}

/// How manual work ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.result != 'Failed' || has(self.note)")
    .message("a failure needs a note that says why")
    .field_path(".note")
    .reason(Reason::FieldValueRequired))]
pub struct Finish {
    /// How it ended.
    pub result: Outcome,
    /// Who says so: the caller.
    #[schemars(schema_with = "text::actor")]
    pub actor: String,
    /// What happened. Required for a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::note")]
    pub note: Option<String>,
}

/// How manual work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    Succeeded,
    Failed,
}
