//! A check that must pass before a release counts as healthy: exactly one question, asked with patience.
//!
//! Nothing within a list has a default in the schema: a list is owned as a whole, and what the server filled in would
//! make the same manifest a conflict for the next field manager.

use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// What no Kubernetes runtime runs is refused where it is written. For the spec of an Environment.
pub(crate) fn runnable() -> Rule {
    Rule::new("!has(self.runtime.k8s) || !has(self.healthChecks) || self.healthChecks.all(check, !has(check.exec))")
        .message("exec is for hosts: the Kubernetes runtime runs no commands, use http")
        .field_path(".healthChecks")
}

/// A check that must pass: exactly one of `http`, `exec`, `database`, `wpCli`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// What is asked.
    #[serde(flatten)]
    pub probe: Probe,
    /// How long one try may take. Left out: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::period")]
    pub timeout: Option<String>,
    /// How many more tries after the first. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<u32>,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// A GET answers as expected.
    Http(Http),
    /// A command ends well where the service runs.
    Exec(Exec),
    /// The database of the site answers.
    Database(Database),
    /// A command of WP-CLI ends well.
    WpCli(WpCli),
}

/// A GET.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// What is fetched: an absolute http or https address.
    #[schemars(schema_with = "text::http_url")]
    pub url: String,
    /// The status that is a good answer. Left out: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub expect_status: Option<u16>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exec {
    /// Program and arguments. There is no shell.
    #[schemars(schema_with = "text::command")]
    pub command: Vec<String>,
}

/// A ping of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Database {}

/// A command of WP-CLI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WpCli {
    /// The arguments for `wp`.
    #[schemars(schema_with = "text::command")]
    pub arguments: Vec<String>,
}
