//! What admission asks of the Environments of a namespace, in one object.
//!
//! The API server asks a policy once for every object that is its parameter. Were those the Environments, each request
//! would cost more with each of them; so the controller keeps what is asked of all of them in one object of each
//! namespace. An Environment that is not in it yet is judged by the controller alone, before anything is previewed.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_domain::environment::{Environment, RuntimeKind};
use slipway_domain::policy::Tier;

use crate::vocabulary;

/// What the one index of a namespace is called.
pub const NAME: &str = "slipway";

/// The index of the Environments of one namespace. Written by Slipway alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "slipway.dev",
    version = "v1alpha1",
    kind = "EnvironmentIndex",
    plural = "environmentindexes",
    shortname = "slipi",
    namespaced,
    derive = "PartialEq",
    doc = "What admission asks of the Environments of a namespace. Written by Slipway alone.",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct EnvironmentIndexSpec {
    /// The Environments of the namespace, by name.
    #[serde(default)]
    pub environments: BTreeMap<String, Terms>,
}

/// What one Environment asks of whoever wants to change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// How much harm a mistake could do.
    #[schemars(schema_with = "vocabulary::tier")]
    pub tier: Tier,
    /// Whether people carry out what is recorded here.
    pub by_hand: bool,
    /// Whether a Deployment waits for review.
    pub approval_required: bool,
    /// How many approvals a review takes.
    #[schemars(range(min = 0))]
    pub approvals: u32,
}

impl Terms {
    /// What `environment` asks.
    pub fn of(environment: &Environment) -> Self {
        let approval = &environment.policy.approval;
        Self {
            tier: environment.tier,
            by_hand: environment.runtime == RuntimeKind::Manual,
            approval_required: approval.required,
            approvals: approval.count,
        }
    }
}
