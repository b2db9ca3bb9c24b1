//! What the controller has written about a Deployment: all of it that a restart needs, and what people look for.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::name::Uid;
use slipway_domain::phase::{Phase, Step};
use slipway_domain::review::Verdict;
use slipway_domain::rollback::RollbackState;

use crate::audit::Audit;
use crate::condition::{self, Condition};
use crate::preview::Preview;
use crate::running::RunningRelease;
use crate::{text, vocabulary};

/// What became of it so far. Written by Slipway alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// Where it is in its life. `RolledBack`, `Rejected` and `Aborted` are final.
    #[schemars(schema_with = "vocabulary::phase")]
    #[x_kube(validation = terminal_stays())]
    pub phase: Phase,
    /// What is being done while the phase is `Applying`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "vocabulary::step")]
    pub step: Option<Step>,
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// What is so, what is not: `Ready`, `Reconciling`, `Stalled`, `Previewed`, `Approved`, `Applied`, `Healthy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list")]
    pub conditions: Vec<Condition>,
    /// What it would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Its review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// When it entered the Environment's queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub approved_at: Option<Timestamp>,
    /// The work under way, or the last that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The newest rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// The rollbacks of `spec.rollbacks` that have been dealt with, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::rollback_ids")]
    pub handled_rollbacks: Vec<String>,
    /// Whether someone has looked at what went ahead without review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Glass>,
    /// It goes ahead in spite of a freeze window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub freeze_overridden: bool,
    /// Names the state of the API server's policies under which everything in spec was said that has not been answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::sha256")]
    pub guard: Option<String>,
    /// What stands in spec and counts for nothing, because it may have been written while the policies that check who
    /// decides were not in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::disregarded")]
    pub disregarded: Vec<String>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
    /// When the work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub finished_at: Option<Timestamp>,
    /// The uid of the deleted object of the same name and content whose outcome this one took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::uid")]
    pub adopted_from: Option<Uid>,
    /// Its history.
    pub audit: Audit,
}

fn terminal_stays() -> kube::core::Rule {
    let terminal: Vec<String> =
        Phase::ALL.into_iter().filter(|phase| phase.terminal()).map(|phase| format!("'{phase}'")).collect();
    kube::core::Rule::new(format!("!(oldSelf in [{}]) || self == oldSelf", terminal.join(", ")))
        .message("this phase is final")
}

/// The review of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// How many approvals it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<u32>,
    /// How many it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The ticket for this review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::word")]
    pub ticket: Option<String>,
    /// Since when it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub opened_at: Option<Timestamp>,
    /// Until when the ticket is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub expires_at: Option<Timestamp>,
    /// When it should be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub due_at: Option<Timestamp>,
    /// Who decided last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::actor")]
    pub reviewed_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub reviewed_at: Option<Timestamp>,
    /// What they decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "vocabulary::verdict")]
    pub decision: Option<Verdict>,
    /// The reviews that counted, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = crate::REVIEWS_MAX))]
    pub approvals: Vec<Counted>,
    /// The reviews that did not, because what they judged had changed or ended: `reviewer@ref`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::voided")]
    pub voided: Vec<String>,
}

/// A review that counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Who judged.
    #[schemars(schema_with = "text::actor")]
    pub reviewer: String,
    /// What they looked at.
    #[schemars(schema_with = "text::review_ref")]
    pub preview_ref: String,
    /// What they decided.
    #[schemars(schema_with = "vocabulary::verdict")]
    pub decision: Verdict,
    /// When it was counted.
    #[schemars(schema_with = "text::time")]
    pub at: Timestamp,
}

/// Whether someone has looked at what went ahead without review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Glass {
    Unreviewed,
    Reviewed,
}

/// One execution of one piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its id, the same however often it is taken up again.
    #[schemars(schema_with = "text::word")]
    pub id: String,
    /// What it does.
    #[serde(rename = "type")]
    #[schemars(schema_with = "text::word")]
    pub kind: String,
    /// 1 for the first.
    pub number: u32,
    /// When it was decided.
    #[schemars(schema_with = "text::time")]
    pub started_at: Timestamp,
    /// It waits until then, after a failure that may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub not_before: Option<Timestamp>,
}

/// A rollback and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Which one: an id of `spec.rollbacks`, or `automatic`.
    #[schemars(schema_with = "text::label")]
    pub id: String,
    /// Who wanted it.
    pub origin: Origin,
    /// Who asked for it, where someone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::actor")]
    pub actor: Option<String>,
    /// How far it is.
    #[schemars(schema_with = "vocabulary::rollback_state")]
    pub state: RollbackState,
    /// What it brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_release: Option<RunningRelease>,
    /// What to name when judging this rollback. None where there is nothing to bring back.
    #[serde(rename = "ref", default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "text::review_ref")]
    pub reference: String,
    /// When it was asked for.
    #[schemars(schema_with = "text::time")]
    pub requested_at: Timestamp,
    /// What went wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

/// Who wanted a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// The health checks.
    Automatic,
    /// A person.
    Manual,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostics {
    /// What kind of thing, as scripts know it.
    #[schemars(schema_with = "text::word")]
    pub code: String,
    /// What, where, and what to do next.
    #[schemars(schema_with = "text::message")]
    pub message: String,
    /// In the words of the part that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::message")]
    pub detail: Option<String>,
}
