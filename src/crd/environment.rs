//! An Environment on the wire: where things run, who may change them and how carefully.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::policy::Tier;

use crate::environment_status::EnvironmentStatus;
use crate::guard::{Backup, Promotion};
use crate::health_check::{HealthCheck, runnable};
use crate::policy::Policy;
use crate::reference::Reference;
use crate::rule::{fixed, label_name, status_stays, succeeded};
use crate::target::Runtime;
use crate::{HEALTH_CHECKS_MAX, text, vocabulary};

/// A place where services run, with the rules for changing them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "slipway.dev",
    version = "v1alpha1",
    kind = "Environment",
    plural = "environments",
    shortname = "slipe",
    category = "slipway",
    namespaced,
    status = "EnvironmentStatus",
    derive = "PartialEq",
    doc = "A place where services run, with the rules for changing them. One Deployment at a time changes it.",
    validation = status_stays(),
    validation = label_name(),
    printcolumn(name = "Tier", type_ = "string", json_path = ".spec.tier"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Readiness", type_ = "string", json_path = ".status.readiness"),
    printcolumn(name = "Claim", type_ = "string", json_path = ".status.claim.deploymentUid", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = fixed("Environment", "project"),
    validation = fixed("Environment", "team"),
    validation = fixed("Environment", "tier"),
    validation = succeeded("reset"),
    validation = runnable(),
)]
pub struct EnvironmentSpec {
    /// The project it belongs to. It stays the same.
    #[schemars(schema_with = "text::group")]
    pub project: String,
    /// The team it belongs to. It stays the same.
    #[schemars(schema_with = "text::group")]
    pub team: String,
    /// How much harm a mistake could do. It stays the same, and gives every rule its default.
    #[schemars(schema_with = "vocabulary::tier")]
    pub tier: Tier,
    /// Who changed this spec last. The API server fills this in, whatever is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::actor")]
    pub changed_by: Option<String>,
    /// What carries out its Deployments: exactly one runtime.
    pub runtime: Runtime,
    /// What is asked of every Deployment to it. What is left out comes from the tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What must pass before a release counts as healthy, beyond what the runtime judges itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = HEALTH_CHECKS_MAX))]
    pub health_checks: Vec<HealthCheck>,
    /// How it is backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// What a promotion to it never overwrites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// The Environment it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_of: Option<Reference>,
    /// When it is no longer needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time")]
    pub expires_at: Option<Timestamp>,
    /// How often work that failed in a way that may pass is tried again. Left out: 3 times, after 1, 5 and 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long one try may take, as `30m`. Left out: 30 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub timeout: Option<String>,
    /// Frees the Environment after an operation that failed. It stays; a later failure is named by a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
}

/// How often work is tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many tries in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: Option<u32>,
    /// How long to wait before each further try, as `5m`; the last one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::periods")]
    pub backoff: Option<Vec<String>>,
}

/// Someone frees an Environment after a failed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reset {
    /// The failed operation this is about, as `status.failed.deploymentUid` shows it.
    #[schemars(schema_with = "text::uid")]
    pub of: String,
    /// Who says so: the caller.
    #[schemars(schema_with = "text::actor")]
    pub actor: String,
    /// What was found, and why it may go on.
    #[schemars(schema_with = "text::note")]
    pub note: String,
}
