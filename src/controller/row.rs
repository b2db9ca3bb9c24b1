//! The archive's current rows, from the objects as they were written.

use jiff::Timestamp;
use serde_json::Value;
use slipway_crd::source::Source;
use slipway_crd::{Deployment as WireDeployment, Environment as WireEnvironment, Release};
use slipway_domain::attempt::Attempt;
use slipway_domain::deployment::{Deployment, Operation, Status};
use slipway_domain::digest::{Digest, SecretKey};
use slipway_domain::environment::EnvironmentStatus;
use slipway_domain::event::{Action, Event};
use slipway_domain::name::Uid;
use slipway_domain::phase::Phase;
use slipway_domain::preview::Plan;
use slipway_k8s::render::kept;
use slipway_store::{AttemptRow, DeploymentRow, EnvironmentRow, PreviewRow, ReleaseRow};

/// The row of a Deployment; `release_digest` is that of its Release.
pub fn deployment(
    wire: &WireDeployment,
    deployment: &Deployment,
    status: &Status,
    release_digest: Digest,
) -> DeploymentRow {
    let request = &deployment.request;
    DeploymentRow {
        uid: deployment.id.uid.clone(),
        namespace: deployment.id.namespace.clone(),
        name: deployment.id.name.clone(),
        service: request.service.to_string(),
        environment: request.environment.to_string(),
        release: match &request.operation {
            Operation::DeployVersion { version } => version.clone(),
            operation => operation.release().map(ToString::to_string).unwrap_or_default(),
        },
        operation: request.operation.as_str().to_owned(),
        requester: request.requester.to_string(),
        submitted_by: request.submitted_by.to_string(),
        phase: status.phase,
        request_digest: request.digest.clone(),
        release_digest,
        variables: json(&request.variables),
        resource_version: wire.metadata.resource_version.clone(),
        status: json(&wire.status),
        seq: status.audit.seq,
        created_at: deployment.created_at,
        updated_at: status.audit.last().map_or(deployment.created_at, |event| event.occurred_at),
        finished_at: status.finished_at,
    }
}

/// The row of a Release: what it consists of, without the values of its Secrets.
pub fn release(wire: &Release, digest: Digest, key: &SecretKey) -> Option<ReleaseRow> {
    let metadata = &wire.metadata;
    Some(ReleaseRow {
        uid: metadata.uid.as_ref()?.parse().ok()?,
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
        service: wire.spec.service.clone(),
        version: wire.spec.version.clone(),
        digest,
        content: json(&content(&wire.spec.source, key)),
        created_at: metadata.creation_timestamp.as_ref()?.0,
    })
}

/// The source as it may be kept. Where nobody says which values are secret, all are sealed.
fn content(source: &Source, key: &SecretKey) -> Value {
    let mut content = serde_json::to_value(source).unwrap_or_default();
    let sealed = |value: &Value| Value::String(key.seal(value.to_string().as_bytes()));
    match source {
        Source::Manifests(objects) => content["manifests"] = kept(objects, key).into(),
        Source::Helm(helm) => {
            for (name, value) in &helm.values {
                content["helm"]["values"][name] = sealed(value);
            }
        }
        Source::Compose(_) => content["compose"]["file"] = sealed(&content["compose"]["file"]),
        Source::Git(_) | Source::Oci(_) | Source::Kustomize(_) | Source::Upload(_) => {}
    }
    content
}

/// The digest that the archive knows a plan's release by; a bare version is part of the request and needs none.
pub fn release_digest(plan: &Plan) -> Digest {
    plan.release.as_ref().map_or_else(no_release, |(_, digest)| digest.clone())
}

/// What stands for the release where there is none.
pub fn no_release() -> Digest {
    Digest::of(b"")
}

/// The row of an Environment.
pub fn environment(wire: &WireEnvironment, status: &EnvironmentStatus, uid: &Uid) -> EnvironmentRow {
    EnvironmentRow {
        uid: uid.clone(),
        namespace: wire.metadata.namespace.clone().unwrap_or_default(),
        name: wire.metadata.name.clone().unwrap_or_default(),
        project: wire.spec.project.clone(),
        team: wire.spec.team.clone(),
        tier: wire.spec.tier.to_string(),
        runtime: match &wire.spec.runtime {
            slipway_crd::target::Runtime::K8s(_) => "k8s",
            slipway_crd::target::Runtime::Ssh(_) => "ssh",
            slipway_crd::target::Runtime::Manual(_) => "manual",
        }
        .to_owned(),
        phase: status.phase.to_string(),
        operations: status.operations,
        spec: json(&wire.spec),
        status: json(&wire.status),
        seq: status.audit.seq,
        updated_at: status.audit.last().map_or(Timestamp::UNIX_EPOCH, |event| event.occurred_at),
    }
}

/// The preview that was just made, with its whole difference.
pub fn preview(deployment: &Deployment, status: &Status, fresh: &[Event]) -> Option<PreviewRow> {
    let made = fresh.iter().any(|event| event.action == Action::ReleasePreviewed);
    let preview = status.preview.as_ref().filter(|_| made)?;
    Some(PreviewRow {
        deployment: deployment.id.uid.clone(),
        preview_ref: preview.reference.to_string(),
        digest: preview.reference.digest.clone(),
        body: json(&preview.forecast),
        created_at: preview.at,
    })
}

/// What the archive calls an attempt that has not ended.
const RUNNING: &str = "running";

/// The attempt that the status names, as it stands.
pub fn attempt(deployment: &Deployment, status: &Status, attempt: &Attempt) -> AttemptRow {
    let (state, outcome) = match status.phase {
        Phase::Succeeded | Phase::RolledBack => ("succeeded", None),
        Phase::Failed if status.finished_at.is_some() => {
            ("failed", status.diagnostics.as_ref().map(|diagnostics| diagnostics.code.to_string()))
        }
        Phase::Pending
        | Phase::Previewed
        | Phase::PendingApproval
        | Phase::Approved
        | Phase::Applying
        | Phase::Failed
        | Phase::Rejected
        | Phase::Aborted => (RUNNING, None),
    };
    AttemptRow {
        deployment: deployment.id.uid.clone(),
        id: attempt.id.clone(),
        kind: attempt.kind.to_string(),
        number: attempt.number,
        state: state.to_owned(),
        started_at: attempt.started_at,
        finished_at: status.finished_at.filter(|_| state != RUNNING),
        outcome,
    }
}

/// An attempt that `next` has taken the place of, with its end; None where it had ended. Nothing takes the place of one
/// that was well but a rollback by hand, and that one had ended.
pub fn superseded(before: AttemptRow, next: &Attempt, status: &Status) -> Option<AttemptRow> {
    if before.id == next.id || before.state != RUNNING {
        return None;
    }
    let blamed = status.diagnostics.as_ref().map(|diagnostics| diagnostics.code.to_string());
    Some(AttemptRow { state: "failed".to_owned(), finished_at: Some(next.started_at), outcome: blamed, ..before })
}

fn json(value: &impl serde::Serialize) -> String {
    // Everything here is a struct of texts, numbers and maps with text keys, which cannot fail to serialise.
    serde_json::to_string(value).unwrap_or_default()
}
