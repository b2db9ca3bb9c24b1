//! The words in which a runtime reports: what it would change, what it did, and why it could not.
//!
//! A runtime's failure always says whether anything was changed, because an Environment stays Active only after a
//! failure that provably changed nothing.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::digest::Digest;
use crate::name::NameError;

/// One object of a release, within the Environment's namespace.
///
/// Its text form is `apiVersion/Kind/name`: `apps/v1/Deployment/web`, `v1/ConfigMap/settings`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectRef {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `ConfigMap`, `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Group, kind and name: what stays the same when an object is served under another version.
    pub fn identity(&self) -> (&str, &str, &str) {
        (self.group(), &self.kind, &self.name)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.api_version, self.kind, self.name)
    }
}

impl From<ObjectRef> for String {
    fn from(object: ObjectRef) -> Self {
        object.to_string()
    }
}

impl TryFrom<String> for ObjectRef {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl FromStr for ObjectRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (api_version, kind, name) = match parts[..] {
            [version, kind, name] => (version.to_owned(), kind, name),
            [group, version, kind, name] => (format!("{group}/{version}"), kind, name),
            _ => {
                return Err(NameError {
                    what: "object",
                    problem: format!("must read apiVersion/Kind/name, this is {text:?}"),
                });
            }
        };
        Ok(Self { api_version, kind: kind.to_owned(), name: name.to_owned() })
    }
}

/// What a preview found that it would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Objects that do not exist yet.
    pub added: Vec<ObjectRef>,
    /// Objects that would differ.
    pub changed: Vec<ObjectRef>,
    /// Objects that would be pruned.
    pub removed: Vec<ObjectRef>,
    /// Objects that are as the release wants them.
    pub unchanged: Vec<ObjectRef>,
}

impl Changes {
    /// How a person reads it at a glance.
    pub fn summary(&self) -> String {
        format!(
            "{} to add, {} to change, {} to remove, {} unchanged",
            self.added.len(),
            self.changed.len(),
            self.removed.len(),
            self.unchanged.len()
        )
    }

    /// Nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// How much could go wrong with a change, judged from the change alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Risk {
    /// Nothing would be written.
    None,
    /// Only additions, or configuration.
    Low,
    /// Running workloads change.
    Medium,
    /// Something is removed, or data could be lost.
    High,
}

impl Risk {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// One thing a preview looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, in a few words.
    pub name: String,
    /// What was found.
    pub message: String,
}

/// What a runtime found that a release would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The objects by what would happen to them.
    pub changes: Changes,
    /// How much could go wrong.
    pub risk: Risk,
    /// What else was looked at.
    pub checks: Vec<Check>,
    /// The difference a person reads, secret values sealed. Kept in the archive, not on the resource.
    pub diff: String,
}

/// What an applied release consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The objects that were written because they differed.
    pub written: Vec<ObjectRef>,
    /// The objects that were pruned.
    pub pruned: Vec<ObjectRef>,
}

/// Why a runtime could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub code: Code,
    /// What, where, and what to do next.
    pub message: String,
    /// The part's own words, for instance a pod's message.
    pub detail: Option<String>,
    /// Doing the same again may go better.
    pub retryable: bool,
    /// Something may have been changed before it failed.
    pub changed: bool,
}

/// A check that must pass before a release counts as healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// How long one try may take.
    pub timeout: Duration,
    /// How many more tries after the first.
    pub retries: u32,
}

/// What a health check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// A GET of `url` answers with `expect_status`.
    Http {
        /// Absolute, http or https.
        url: String,
        /// 100 to 599.
        expect_status: u16,
    },
    /// A command that the runtime runs where the service runs.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// A release made ready for one Environment: placeholders resolved, scope checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Covers every byte that would be applied; secret values are sealed.
    pub digest: Digest,
    /// The objects it consists of, in the order in which they are applied.
    pub inventory: Vec<ObjectRef>,
}
