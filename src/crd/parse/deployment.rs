//! What was asked, and what people said about it since.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;
use slipway_domain::blank::is_blank;
use slipway_domain::deployment::{Act, Confirmation, Deployment, Finish, Intents, Operation, Report, Request};
use slipway_domain::digest::Digest;
use slipway_domain::event::Source;
use slipway_domain::name::{Actor, NOTE_MAX};
use slipway_domain::review::{Review, Verdict};
use slipway_domain::rollback::{AUTOMATIC_ID, RollbackRequest};

use super::{FieldError, Reader};
use crate::deployment::Strategy;
use crate::intent::{self, Outcome};
use crate::{DeploymentSpec, operation};

/// Reads a Deployment.
pub fn deployment(wire: &crate::Deployment) -> Result<Deployment, Vec<FieldError>> {
    let mut reader = Reader::default();
    let id = reader.id(&wire.metadata);
    let created_at = wire.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let created_at = reader.present("metadata.creationTimestamp", created_at);
    let request = reader.request(&wire.spec);
    let intents = reader.intents(&wire.spec);
    let status = match &wire.status {
        Some(status) => reader.deployment_status(status),
        None => Some(slipway_domain::deployment::Status::default()),
    };
    let read = || {
        Some(Deployment {
            id: id?,
            created_at: created_at?,
            source: source(&wire.metadata),
            request: request?,
            intents: intents?,
            deleting: wire.metadata.deletion_timestamp.is_some(),
            status: status?,
        })
    };
    let value = read();
    reader.finish(value)
}

/// Who is named where nobody can be.
const UNKNOWN: &str = "unknown";

/// A Deployment that is being deleted, without what is wrong with it: that must not keep it. What people said is left
/// out, and of its status what cannot be read; where it stands and what has happened stays.
pub fn last_words(wire: &crate::Deployment) -> Option<Deployment> {
    wire.metadata.deletion_timestamp.as_ref()?;
    let mut bare = wire.clone();
    let asked = DeploymentSpec {
        service: wire.spec.service.clone(),
        environment_ref: wire.spec.environment_ref.clone(),
        operation: wire.spec.operation.clone(),
        requester: Some(named(wire.spec.requester.as_ref())),
        submitted_by: Some(named(wire.spec.submitted_by.as_ref())),
        work_references: vec![UNKNOWN.to_owned()],
        rollback_plan: UNKNOWN.to_owned(),
        risk: None,
        variables: BTreeMap::new(),
        strategy: wire.spec.strategy,
        confirmations: Vec::new(),
        reviews: Vec::new(),
        manual: None,
        rollbacks: Vec::new(),
        break_glass: None,
        after_review: None,
        override_freeze: None,
        abort: None,
    };
    bare.spec = asked;
    if let Some(status) = &mut bare.status {
        let mut reader = Reader::default();
        let read = reader.deployment_status(status);
        if reader.finish(read).is_err() {
            (status.preview, status.approval, status.rollback, status.diagnostics) = (None, None, None, None);
        }
    }
    let mut deployment = deployment(&bare).ok()?;
    deployment.request.digest = request_digest(&wire.spec);
    deployment.request.variables.clone_from(&wire.spec.variables);
    Some(deployment)
}

fn named(actor: Option<&String>) -> String {
    let person = actor.filter(|actor| Actor::person(actor).is_ok());
    person.cloned().unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Which tool the object seems to have come through, by the field manager that wrote it first. A claim.
fn source(metadata: &ObjectMeta) -> Source {
    let entries = metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    let first = entries.min_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let manager = first.and_then(|entry| entry.manager.as_deref()).unwrap_or_default();
    match manager {
        "slipway-rest" => Source::Rest,
        "slipway-ui" => Source::Ui,
        "slipway-ai" => Source::Ai,
        "slipway" | "slipway-controller" => Source::Controller,
        "kustomize-controller" | "helm-controller" | "helm" | "flux" => Source::Gitops,
        other if other.starts_with("argocd") || other.starts_with("fleet") => Source::Gitops,
        _ => Source::Kubectl,
    }
}

impl Reader {
    fn request(&mut self, spec: &DeploymentSpec) -> Option<Request> {
        let service = self.name("spec.service", &spec.service);
        let environment = self.name("spec.environmentRef.name", &spec.environment_ref.name);
        let operation = self.operation(&spec.operation);
        let requester = self.stamp("spec.requester", spec.requester.as_ref());
        let submitted_by = self.stamp("spec.submittedBy", spec.submitted_by.as_ref());
        if spec.work_references.is_empty() {
            self.wrong("spec.workReferences", "must name at least one issue, ticket or request");
        }
        for (place, reference) in spec.work_references.iter().enumerate() {
            self.prose(&format!("spec.workReferences[{place}]"), reference);
        }
        self.prose("spec.rollbackPlan", &spec.rollback_plan);
        if let Some(risk) = &spec.risk {
            self.prose("spec.risk", risk);
        }
        for name in spec.variables.keys().filter(|name| !is_variable(name)) {
            self.wrong(
                format!("spec.variables[{name:?}]"),
                "must be letters, digits or '_', not starting with a digit",
            );
        }
        Some(Request {
            service: service?,
            environment: environment?,
            operation: operation?,
            requester: requester?,
            submitted_by: submitted_by?,
            work_references: spec.work_references.clone(),
            rollback_plan: spec.rollback_plan.clone(),
            risk: spec.risk.clone(),
            variables: spec.variables.clone(),
            digest: request_digest(spec),
        })
    }

    fn stamp(&mut self, field: &str, actor: Option<&String>) -> Option<Actor> {
        let Some(actor) = actor else {
            self.wrong(field, "is missing: the policy slipway-stamp-deployments fills it in, is it installed?");
            return None;
        };
        self.person(field, actor)
    }

    fn prose(&mut self, field: &str, text: &str) {
        if is_blank(text) {
            self.wrong(field, "must not be blank");
        } else if text.chars().count() > NOTE_MAX {
            self.wrong(field, format!("must be at most {NOTE_MAX} characters"));
        }
    }

    fn operation(&mut self, wire: &operation::Operation) -> Option<Operation> {
        match wire {
            operation::Operation::Deploy(operation::Deploy::ReleaseRef(release)) => {
                let release = self.name("spec.operation.deploy.releaseRef.name", &release.name)?;
                Some(Operation::Deploy { release })
            }
            operation::Operation::Deploy(operation::Deploy::Version(version)) => {
                Some(Operation::DeployVersion { version: version.clone() })
            }
            operation::Operation::Update(update) => Some(Operation::Update { scope: update.scope.to_string() }),
            operation::Operation::Promote(promote) => {
                let from =
                    self.name("spec.operation.promote.fromEnvironmentRef.name", &promote.from_environment_ref.name)?;
                Some(Operation::Promote { from })
            }
            operation::Operation::Restore(restore) => {
                Some(Operation::Restore { backup: restore.backup_ref.name.clone() })
            }
            operation::Operation::Rollback(rollback) => {
                let to = self.name("spec.operation.rollback.toReleaseRef.name", &rollback.to_release_ref.name)?;
                Some(Operation::Rollback { to })
            }
            operation::Operation::Bootstrap(bootstrap) => {
                Some(Operation::Bootstrap { bundle: bootstrap.bundle_ref.name.clone() })
            }
        }
    }

    fn intents(&mut self, spec: &DeploymentSpec) -> Option<Intents> {
        let confirmations = self.each("spec.confirmations", &spec.confirmations, |reader, field, wire| {
            let preview_ref = reader.name(&format!("{field}.previewRef"), &wire.preview_ref);
            let actor = reader.person(&format!("{field}.actor"), &wire.actor);
            let note = reader.option(&format!("{field}.note"), wire.note.as_ref());
            Some(Confirmation { preview_ref: preview_ref?, actor: actor?, note })
        });
        let reviews = self.each("spec.reviews", &spec.reviews, Self::review);
        let rollbacks = self.each("spec.rollbacks", &spec.rollbacks, |reader, field, wire| {
            let actor = reader.person(&format!("{field}.actor"), &wire.actor);
            let note = reader.name(&format!("{field}.note"), &wire.note);
            if wire.id == AUTOMATIC_ID {
                reader.wrong(
                    format!("{field}.id"),
                    "is the id of the rollback that health checks ask for: choose another",
                );
            }
            Some(RollbackRequest { id: wire.id.clone(), actor: actor?, note: note? })
        });
        let manual = spec.manual.clone().unwrap_or_default();
        let start = manual.start.and_then(|start| self.report("spec.manual.start", &start.actor, start.note.as_ref()));
        let finish = manual.finish.and_then(|finish| self.finished("spec.manual.finish", &finish));
        let break_glass = self.act("spec.breakGlass", spec.break_glass.as_ref());
        let after_review = self.act("spec.afterReview", spec.after_review.as_ref());
        let override_freeze = self.act("spec.overrideFreeze", spec.override_freeze.as_ref());
        let abort = self.act("spec.abort", spec.abort.as_ref());
        Some(Intents {
            confirmations: confirmations?,
            reviews: reviews?,
            start,
            finish,
            rollbacks: rollbacks?,
            break_glass,
            after_review,
            override_freeze,
            abort,
        })
    }

    fn review(&mut self, field: &str, wire: &intent::Review) -> Option<Review> {
        let reviewer = self.person(&format!("{field}.reviewer"), &wire.reviewer);
        let note = self.option(&format!("{field}.note"), wire.note.as_ref());
        if wire.decision == Verdict::Reject && wire.note.is_none() {
            self.wrong(format!("{field}.note"), "a rejection needs a note that says why");
        }
        Some(Review { reviewer: reviewer?, verdict: wire.decision, subject: wire.preview_ref.clone(), note })
    }

    fn act(&mut self, field: &str, wire: Option<&intent::Decision>) -> Option<Act> {
        let wire = wire?;
        let actor = self.person(&format!("{field}.actor"), &wire.actor);
        let note = self.name(&format!("{field}.note"), &wire.note);
        Some(Act { actor: actor?, note: note? })
    }

    fn report(&mut self, field: &str, actor: &str, note: Option<&String>) -> Option<Report> {
        let actor = self.person(&format!("{field}.actor"), actor);
        let note = self.option(&format!("{field}.note"), note);
        Some(Report { actor: actor?, note })
    }

    fn finished(&mut self, field: &str, wire: &intent::Finish) -> Option<Finish> {
        let report = self.report(field, &wire.actor, wire.note.as_ref());
        match wire.result {
            Outcome::Succeeded => report.map(Finish::Succeeded),
            Outcome::Failed => {
                if wire.note.is_none() {
                    self.wrong(format!("{field}.note"), "a failure needs a note that says why");
                }
                let Report { actor, note } = report?;
                Some(Finish::Failed(Act { actor, note: note? }))
            }
        }
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.len() <= 128 && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Covers what was asked, and neither stamps nor intents: a recreated object that asks the same has the same digest.
fn request_digest(spec: &DeploymentSpec) -> Digest {
    Digest::of_json(&json!({
        "service": spec.service,
        "environment": spec.environment_ref.name,
        "operation": spec.operation,
        "workReferences": spec.work_references,
        "rollbackPlan": spec.rollback_plan,
        "risk": spec.risk,
        "variables": spec.variables,
        "strategy": spec.strategy.unwrap_or(Strategy::Rolling),
    }))
}
