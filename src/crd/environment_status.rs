//! What the controller has written about an Environment: who holds it, and what runs in it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::environment::{EnvironmentPhase, Readiness};

use crate::audit::Audit;
use crate::condition::{self, Condition};
use crate::running::RunningRelease;
use crate::{SERVICES_MAX, text, vocabulary};

/// What is so. Written by Slipway alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.operations >= oldSelf.operations")
    .message("operations never falls")
    .field_path(".operations"))]
pub struct EnvironmentStatus {
    /// Where it is in its life.
    #[schemars(schema_with = "vocabulary::environment_phase")]
    pub phase: EnvironmentPhase,
    /// Whether it could take a Deployment.
    #[schemars(schema_with = "vocabulary::readiness")]
    pub readiness: Readiness,
    /// Why it could not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "text::message")]
    pub readiness_message: String,
    /// The older Environment, as `namespace/name`, that changes the same things and asks for more: nothing is previewed
    /// here while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::words")]
    pub yields_to: Option<String>,
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// What is so, what is not: `Ready`, `Reconciling`, `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list")]
    pub conditions: Vec<Condition>,
    /// The Deployment that may change it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// How often it was claimed and given back so far.
    pub operations: u64,
    /// What runs in it, by service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SERVICES_MAX))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["service".into()]))]
    pub services: Vec<Service>,
    /// The operation that left it `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// The digest of the rules that were last recorded in its history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::sha256")]
    pub policy_digest: Option<String>,
    /// The digest of the `spec.reset` that counted last: it does not count again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::sha256")]
    pub reset_handled: Option<String>,
    /// The `spec.reset` that stands has been answered: it counted, or will never count. The history says which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reset_answered: bool,
    /// Names the state of the API server's policies under which `spec.reset` was said, if it has not been answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::sha256")]
    pub guard: Option<String>,
    /// Its history.
    pub audit: Audit,
}

/// Who may change an Environment now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The Deployment that holds it.
    #[schemars(schema_with = "text::uid")]
    pub deployment_uid: String,
    /// The attempt it was taken for.
    #[schemars(schema_with = "text::word")]
    pub attempt: String,
    /// The term of the controller that took it.
    pub epoch: u64,
}

/// One service in an Environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its name.
    #[schemars(schema_with = "text::label")]
    pub service: String,
    /// What runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_release: Option<RunningRelease>,
    /// What ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_release: Option<RunningRelease>,
    /// Every object that may exist because of it, as `apiVersion/Kind/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::inventory")]
    pub inventory: Vec<String>,
}

/// The operation that left an Environment `Failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// The Deployment it was. Name it in `spec.reset.of`.
    #[schemars(schema_with = "text::uid")]
    pub deployment_uid: String,
}
