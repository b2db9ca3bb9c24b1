//! From the wire to the domain: either everything is as the domain wants it, or every field that is not is named.
//!
//! The schemas refuse most of this at the API server already. It is asked again here, because an object may be older
//! than its schema, or come from a store without one.

mod deployment;
mod deployment_status;
mod environment;
mod environment_status;
mod period;

use std::fmt::Display;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;
use slipway_domain::audit::Audit;
use slipway_domain::digest::Digest;
use slipway_domain::environment::RunningRelease;
use slipway_domain::name::{Actor, NameError, ResourceId};

use crate::{Release, running};

pub use deployment::{deployment, last_words};
pub use environment::environment;
pub(crate) use environment::{CHECK_RETRIES, CHECK_STATUS, CHECK_TIMEOUT};

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// Its path: `spec.workReferences[0]`.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// The digest of what a Release is: service, version and source, to the byte.
pub fn release_digest(release: &Release) -> Digest {
    let spec = &release.spec;
    Digest::of_json(&json!({"service": spec.service, "version": spec.version, "source": spec.source}))
}

/// Reads field by field and keeps every error, so that they can all be told at once.
#[derive(Debug, Default)]
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn wrong(&mut self, field: impl Into<String>, problem: impl Display) {
        self.errors.push(FieldError { field: field.into(), problem: problem.to_string() });
    }

    /// A name of the domain's, by its own rule.
    fn name<T: FromStr<Err = NameError>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error: NameError| self.wrong(field, error.problem)).ok()
    }

    /// Who asks or decides.
    fn person(&mut self, field: &str, text: &str) -> Option<Actor> {
        Actor::person(text).map_err(|error| self.wrong(field, error.problem)).ok()
    }

    /// A name that may be left out. What is wrong with it is kept, so that nothing is made of its absence.
    fn option<T: FromStr<Err = NameError>>(&mut self, field: &str, text: Option<&String>) -> Option<T> {
        text.and_then(|text| self.name(field, text))
    }

    /// A word of one of the domain's vocabularies.
    fn word<T: FromStr>(&mut self, field: &str, text: &str) -> Option<T>
    where
        T::Err: Display,
    {
        text.parse().map_err(|error| self.wrong(field, error)).ok()
    }

    /// Every entry, with its place in the list.
    fn each<W, T>(
        &mut self,
        field: &str,
        entries: &[W],
        read: impl Fn(&mut Self, &str, &W) -> Option<T>,
    ) -> Option<Vec<T>> {
        let read: Vec<Option<T>> =
            entries.iter().enumerate().map(|(place, entry)| read(self, &format!("{field}[{place}]"), entry)).collect();
        read.into_iter().collect()
    }

    fn id(&mut self, metadata: &ObjectMeta) -> Option<ResourceId> {
        let namespace = self.present("metadata.namespace", metadata.namespace.clone());
        let name = self.present("metadata.name", metadata.name.clone());
        let uid = self.present("metadata.uid", metadata.uid.clone()).and_then(|uid| self.name("metadata.uid", &uid));
        Some(ResourceId { namespace: namespace?, name: name?, uid: uid? })
    }

    /// What the API server always sets.
    fn present<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(field, "is missing");
        }
        value
    }

    fn running(&mut self, field: &str, wire: Option<&running::RunningRelease>) -> Option<RunningRelease> {
        let wire = wire?;
        let name = self.name(&format!("{field}.name"), &wire.name);
        let digest = self.name(&format!("{field}.digest"), &wire.digest);
        let deployment = self.name(&format!("{field}.deploymentUid"), &wire.deployment_uid);
        Some(RunningRelease {
            name: name?,
            digest: digest?,
            deployment: deployment?,
            health: wire.health,
            since: wire.since,
            variables: wire.variables.clone(),
        })
    }

    /// `value`, unless anything was wrong, be it with what may be left out.
    fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }
}

fn audit(wire: &crate::Audit) -> Audit {
    Audit { seq: wire.seq, epoch: wire.epoch, audited_seq: wire.audited_seq, journal: wire.journal.clone() }
}
