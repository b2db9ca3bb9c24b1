//! A Release on the wire: an immutable version of one service.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::condition::{self, Condition};
use crate::rule::{fixed, label_name, status_stays};
use crate::source::Source;
use crate::text;

/// An immutable version of one service. To change anything, create another Release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "slipway.dev",
    version = "v1alpha1",
    kind = "Release",
    plural = "releases",
    shortname = "slipr",
    category = "slipway",
    namespaced,
    status = "ReleaseStatus",
    derive = "PartialEq",
    doc = "An immutable version of one service.",
    validation = status_stays(),
    validation = label_name(),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = fixed("Release", "service"),
    validation = fixed("Release", "version"),
    validation = fixed("Release", "source"),
)]
pub struct ReleaseSpec {
    /// The service it is a version of.
    #[schemars(schema_with = "text::label")]
    pub service: String,
    /// The version, as its authors write it.
    #[schemars(schema_with = "text::version")]
    pub version: String,
    /// Where its content comes from: exactly one source.
    pub source: Source,
}

/// What is known of it. Written by Slipway alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// The digest of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::sha256")]
    pub digest: Option<String>,
    /// What its source was at the time: a commit, an image digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::words")]
    pub revision: Option<String>,
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// What is so, what is not: `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list")]
    pub conditions: Vec<Condition>,
}
