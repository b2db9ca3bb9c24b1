//! `-o`: the formats that kubectl has, with kubectl's meaning.

use serde_json::{Value, json};

use crate::{Failure, answer};

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Json,
    Yaml,
    Name,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ListOutput {
    Json,
    Yaml,
    Name,
    Wide,
}

impl ListOutput {
    /// The format that machines read, where it is one.
    pub(super) fn machine(self) -> Option<Output> {
        match self {
            Self::Json => Some(Output::Json),
            Self::Yaml => Some(Output::Yaml),
            Self::Name => Some(Output::Name),
            Self::Wide => None,
        }
    }
}

/// Prints `value`; `names` is what stands for it in the format `name`.
pub(super) fn print(output: Output, value: &Value, names: &[String]) -> Result<(), Failure> {
    answer(&text(output, value, names)?)
}

pub(super) fn text(output: Output, value: &Value, names: &[String]) -> Result<String, Failure> {
    let unwritable = |error: &dyn std::error::Error| Failure::No(format!("the answer cannot be written: {error}"));
    match output {
        Output::Json => serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| unwritable(&error)),
        Output::Yaml => serde_yaml::to_string(value).map_err(|error| unwritable(&error)),
        Output::Name => Ok(names.iter().flat_map(|name| [name.as_str(), "\n"]).collect()),
    }
}

/// An object as kubectl prints it: without the record of who manages which field.
pub(super) fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// Several things as one.
pub(super) fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// `deployment.slipway.dev/web-v1`.
pub(super) fn deployment(name: &str) -> String {
    format!("deployment.{}/{name}", slipway_crd::GROUP)
}

/// `environment.slipway.dev/production`.
pub(super) fn environment(name: &str) -> String {
    format!("environment.{}/{name}", slipway_crd::GROUP)
}
