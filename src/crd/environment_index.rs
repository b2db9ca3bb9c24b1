//! What admission asks of the Environments of a namespace, in one object.
//!
//! The API server asks a policy once for every object that is its parameter. Were those the Environments, each request
//! would cost more with each of them; so the controller keeps what is asked of all of them in one object of each
//! namespace. An Environment that is not in it yet is judged by the controller alone, before anything is previewed.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use slipway_domain::environment::{Environment, RuntimeKind};
use slipway_domain::policy::Tier;

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

/// What one Environment asks of whoever wants to change it, as `<tier>/<who works>/<approvals>`: `production/controller/1`.
///
/// One text, because the API server copies the whole index for each request: two hundred texts cost it nothing, as many
/// objects half a millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Terms(String);

/// Whose work it is where people only report what they do.
const PEOPLE: &str = "people";
/// Whose it is elsewhere.
const CONTROLLER: &str = "controller";

impl Terms {
    /// What `environment` asks.
    pub fn of(environment: &Environment) -> Self {
        let works = if environment.runtime == RuntimeKind::Manual { PEOPLE } else { CONTROLLER };
        Self(format!("{}/{works}/{}", environment.tier, environment.policy.approval.count))
    }

    /// Whether the terms `of` are those of this tier, as a policy asks.
    pub(crate) fn is_tier(of: &str, tier: Tier) -> String {
        format!("{of}.startsWith('{tier}/')")
    }

    /// Whether people do the work under the terms `of`, as a policy asks.
    pub(crate) fn by_hand(of: &str) -> String {
        format!("{of}.contains('/{PEOPLE}/')")
    }

    /// Whether a Deployment waits for review under the terms `of`, as a policy asks.
    pub(crate) fn reviewed(of: &str) -> String {
        format!("!{of}.endsWith('/0')")
    }

    /// How many approvals a review takes under the terms `of`, as a policy asks.
    pub(crate) fn approvals(of: &str) -> String {
        format!("int({of}.split('/')[2])")
    }
}

impl JsonSchema for Terms {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Terms".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let tiers: Vec<&str> = Tier::ALL.iter().map(|tier| tier.as_str()).collect();
        let pattern = format!("^({})/({CONTROLLER}|{PEOPLE})/[0-9]{{1,3}}$", tiers.join("|"));
        json_schema!({
            "type": "string", "maxLength": 63, "pattern": pattern,
            "description": "What it asks: its tier, who does the work, and how many approvals a review takes; 0 where there is none.",
        })
    }
}
