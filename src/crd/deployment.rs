//! A Deployment on the wire: what is asked never changes, and what people decide about it is only ever added.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::admission::UNDECIDED_AT_FIRST;

use crate::deployment_status::DeploymentStatus;
use crate::intent::{Confirmation, Decision, Manual, Review, RollbackRequest};
use crate::operation::Operation;
use crate::reference::Reference;
use crate::rule::{add_only, fixed, fixed_option, later, once, stamped, status_stays};
use crate::{CONFIRMATIONS_MAX, REVIEWS_MAX, ROLLBACKS_MAX, text};

/// One requested change to one Environment, from request to outcome.
///
/// What is asked is immutable. What people decide about it (confirmations, reviews, rollbacks, …) is added to it, each
/// entry once and by whom it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "slipway.dev",
    version = "v1alpha1",
    kind = "Deployment",
    plural = "deployments",
    shortname = "slipd",
    category = "slipway",
    namespaced,
    status = "DeploymentStatus",
    derive = "PartialEq",
    doc = "A change to an Environment, requested once: what is asked, who decided what about it, and what became of it.",
    validation = status_stays(),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.step", priority = 1),
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environmentRef.name"),
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.operation.deploy.releaseRef.name"),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service", priority = 1),
    printcolumn(name = "Requester", type_ = "string", json_path = ".spec.requester", priority = 1),
    printcolumn(
        name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = fixed("Deployment", "service"),
    validation = fixed("Deployment", "environmentRef"),
    validation = fixed("Deployment", "operation"),
    validation = fixed("Deployment", "workReferences"),
    validation = fixed("Deployment", "rollbackPlan"),
    validation = fixed_option("Deployment", "risk"),
    validation = fixed_option("Deployment", "variables"),
    validation = fixed_option("Deployment", "strategy"),
    validation = stamped("Deployment", "requester"),
    validation = stamped("Deployment", "submittedBy"),
    validation = later(
        &["confirmations", "reviews", "rollbacks"],
        &["manual.start", "manual.finish", "breakGlass", "afterReview", "overrideFreeze", "abort"],
        UNDECIDED_AT_FIRST,
    ),
    validation = add_only("confirmations", &["previewRef"]),
    validation = add_only("reviews", &["reviewer", "previewRef"]),
    validation = add_only("rollbacks", &["id"]),
    validation = once("manual.start"),
    validation = once("manual.finish"),
    validation = once("breakGlass"),
    validation = once("afterReview"),
    validation = once("overrideFreeze"),
    validation = once("abort"),
)]
pub struct DeploymentSpec {
    /// The service that is changed.
    #[schemars(schema_with = "text::label")]
    pub service: String,
    /// The Environment it is changed in.
    pub environment_ref: Reference,
    /// What is to be done: exactly one operation.
    pub operation: Operation,
    /// Who wants it. Left out: whoever creates the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::actor")]
    pub requester: Option<String>,
    /// Who created the object. The API server fills this in, whatever is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::actor")]
    pub submitted_by: Option<String>,
    /// The work this change belongs to, at least one: links or numbers of issues, tickets, requests.
    #[schemars(schema_with = "text::work_references")]
    pub work_references: Vec<String>,
    /// What is done should this turn out badly.
    #[schemars(schema_with = "text::note")]
    pub rollback_plan: String,
    /// What could go wrong. Required for a production Environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::note")]
    pub risk: Option<String>,
    /// What is put in place of `${NAME}` in the release. No secrets: everyone who sees the object sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "text::variables")]
    pub variables: BTreeMap<String, String>,
    /// How the new takes the place of the old. Left out: `rolling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,

    /// Previews that someone confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CONFIRMATIONS_MAX))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["previewRef".into()]))]
    pub confirmations: Vec<Confirmation>,
    /// What reviewers decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = REVIEWS_MAX))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reviewer".into(), "previewRef".into()]))]
    pub reviews: Vec<Review>,
    /// What people report about work they do themselves. For an Environment with the manual runtime only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Manual>,
    /// Rollbacks that someone asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ROLLBACKS_MAX))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub rollbacks: Vec<RollbackRequest>,
    /// Go ahead without review and through a freeze. Somebody looks at it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Decision>,
    /// A reviewer looked at what went ahead without review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_review: Option<Decision>,
    /// Go ahead in spite of a freeze window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_freeze: Option<Decision>,
    /// Stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<Decision>,
}

/// How the new takes the place of the old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Piece by piece, as the workloads themselves say.
    Rolling,
}
