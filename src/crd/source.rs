//! Where the content of a Release comes from: exactly one source.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{MANIFESTS_MAX, text};

/// Where the content comes from: exactly one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Kubernetes objects, as they are written to a file. `${NAME}` in them stands for a variable of the Deployment.
    Manifests(#[schemars(schema_with = "manifests")] Vec<Value>),
    /// Manifests in a git repository.
    Git(Git),
    /// Manifests in an OCI artifact.
    Oci(Oci),
    /// A Helm chart.
    Helm(Helm),
    /// A kustomization in a git repository.
    Kustomize(Kustomize),
    /// A Compose file.
    Compose(Compose),
    /// An archive to download.
    Upload(Upload),
}

/// Manifests in a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Git {
    /// Where the repository is: https or ssh.
    #[schemars(schema_with = "text::git_url")]
    pub url: String,
    /// A branch, a tag or a commit. It is resolved to a commit once.
    #[serde(rename = "ref")]
    #[schemars(schema_with = "text::git_ref")]
    pub reference: String,
    /// The folder or file within it. Left out: its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::relative_path")]
    pub path: Option<String>,
}

/// Manifests in an OCI artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Oci {
    /// The artifact, by tag or by digest: `oci://registry/name:tag`.
    #[schemars(schema_with = "text::oci_url")]
    pub url: String,
}

/// A Helm chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Helm {
    /// The repository the chart is in: https, or an OCI registry with `oci://`.
    #[schemars(schema_with = "chart_repository")]
    pub repository: String,
    /// The name of the chart.
    #[schemars(schema_with = "text::label")]
    pub chart: String,
    /// The version of the chart, exactly.
    #[schemars(schema_with = "text::version")]
    pub version: String,
    /// Values for the chart. No secrets: everyone who sees the object sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "values")]
    pub values: BTreeMap<String, Value>,
}

/// A kustomization in a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kustomize {
    /// Where the repository is: https or ssh.
    #[schemars(schema_with = "text::git_url")]
    pub url: String,
    /// A branch, a tag or a commit. It is resolved to a commit once.
    #[serde(rename = "ref")]
    #[schemars(schema_with = "text::git_ref")]
    pub reference: String,
    /// The folder of the kustomization. Left out: the root of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::relative_path")]
    pub path: Option<String>,
}

/// A Compose file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compose {
    /// The Compose file itself.
    #[schemars(length(min = 1, max = 262_144))]
    pub file: String,
    /// The images it needs, where hosts cannot pull them themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "text::images")]
    pub images: Vec<String>,
}

/// An archive to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upload {
    /// Where it is.
    #[schemars(schema_with = "text::https_url")]
    pub url: String,
    /// The SHA-256 of all its bytes, as 64 lower-case hex digits.
    #[schemars(schema_with = "text::sha256")]
    pub sha256: String,
}

/// Objects with everything they say kept. They are not marked as embedded resources: the API server would then judge
/// their labels, and refuse a `${NAME}` there.
fn manifests(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": MANIFESTS_MAX, "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "description": "One Kubernetes object.",
            "x-kubernetes-preserve-unknown-fields": true,
            "required": ["apiVersion", "kind", "metadata"],
            "properties": {
                "apiVersion": {
                    "type": "string", "minLength": 1, "maxLength": 300, "description": "Its API group and version.",
                },
                "kind": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Its kind."},
                "metadata": {
                    "type": "object",
                    "description": "Its name, labels and annotations. The Environment gives the namespace.",
                    "x-kubernetes-preserve-unknown-fields": true,
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "Its name."},
                    },
                },
            },
        },
    })
}

fn values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic"})
}

fn chart_repository(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 2000, "pattern": "^(https|oci)://[^\\s/?#-][^\\s]*$",
    })
}
