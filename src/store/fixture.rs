//! One Deployment's valid life, for tests to begin from.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use slipway_domain::digest::Digest;
use slipway_domain::event::{Action, Detail, Event, ResourceType, Source};
use slipway_domain::name::Uid;
use slipway_domain::phase::Phase;

use crate::{Archive, AttemptRow, DeploymentRow, EnvironmentRow, Options, PreviewRow, Record, ReleaseRow, Row};

/// A folder that goes away, and the path of an archive in it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("archive.db"), folder }
    }

    pub(crate) fn open(&self) -> Archive {
        Archive::open(&self.path, Options::default()).unwrap()
    }
}

pub(crate) fn uid(text: &str) -> Uid {
    text.parse().unwrap()
}

pub(crate) fn at(second: u64) -> Timestamp {
    "2026-01-02T03:04:05.5Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second.cast_signed())
}

pub(crate) const LIFE: [(Action, Phase); 6] = [
    (Action::ReleaseCreated, Phase::Pending),
    (Action::ReleasePreviewed, Phase::Previewed),
    (Action::ReleasePendingApproval, Phase::PendingApproval),
    (Action::ReleaseApproved, Phase::Approved),
    (Action::ReleaseApplying, Phase::Applying),
    (Action::ReleaseApplied, Phase::Succeeded),
];

/// Event `seq` in the life of a Deployment.
pub(crate) fn event(resource: &str, seq: u64) -> Event {
    let (action, phase) = LIFE[usize::try_from(seq - 1).unwrap() % LIFE.len()];
    Event {
        event_id: Event::id(&uid(resource), seq),
        seq,
        epoch: 3,
        action,
        resource_type: ResourceType::Deployment,
        resource_id: uid(resource),
        resource_name: format!("shop/{resource}"),
        project_id: "shop".to_owned(),
        team_id: "web".to_owned(),
        environment_id: "production".to_owned(),
        actor_id: "alice@example.com".parse().unwrap(),
        source: Source::Kubectl,
        status: phase.status().to_owned(),
        occurred_at: at(seq),
        detail: Detail::from([("note".to_owned(), format!("\"{seq}\"\nline two"))]),
    }
}

/// The Deployment as it is after event `seq`.
pub(crate) fn deployment(resource: &str, seq: u64) -> DeploymentRow {
    let (_, phase) = LIFE[usize::try_from(seq - 1).unwrap() % LIFE.len()];
    DeploymentRow {
        uid: uid(resource),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        service: "web".to_owned(),
        environment: "production".to_owned(),
        release: "web-1".to_owned(),
        operation: "deploy".to_owned(),
        requester: "alice@example.com".to_owned(),
        submitted_by: "flux".to_owned(),
        phase,
        request_digest: Digest::of(b"request"),
        release_digest: Digest::of(b"release"),
        variables: "{}".to_owned(),
        resource_version: Some(seq.to_string()),
        status: format!("{{\"seq\":{seq}}}"),
        seq,
        created_at: at(1),
        updated_at: at(seq),
        finished_at: phase.ended().then(|| at(seq)),
    }
}

pub(crate) fn environment(operations: u64, seq: u64) -> EnvironmentRow {
    EnvironmentRow {
        uid: uid("env-1"),
        namespace: "shop".to_owned(),
        name: "production".to_owned(),
        project: "shop".to_owned(),
        team: "web".to_owned(),
        tier: "production".to_owned(),
        runtime: "k8s".to_owned(),
        phase: "Active".to_owned(),
        operations,
        spec: "{}".to_owned(),
        status: format!("{{\"operations\":{operations}}}"),
        seq,
        updated_at: at(operations),
    }
}

pub(crate) fn environment_event(seq: u64) -> Event {
    Event {
        event_id: Event::id(&uid("env-1"), seq),
        action: if seq == 1 { Action::EnvironmentCreated } else { Action::EnvironmentPolicyChanged },
        resource_type: ResourceType::Environment,
        resource_id: uid("env-1"),
        resource_name: "shop/production".to_owned(),
        status: "active".to_owned(),
        ..event("env-1", seq)
    }
}

pub(crate) fn release() -> ReleaseRow {
    ReleaseRow {
        uid: uid("rel-1"),
        namespace: "shop".to_owned(),
        name: "web-1".to_owned(),
        service: "web".to_owned(),
        version: "1".to_owned(),
        digest: Digest::of(b"release"),
        content: "{}".to_owned(),
        created_at: at(0),
    }
}

pub(crate) fn preview(deployment: &str) -> PreviewRow {
    PreviewRow {
        deployment: uid(deployment),
        preview_ref: "1-abc".to_owned(),
        digest: Digest::of(b"preview"),
        body: "{\"diff\":[]}".to_owned(),
        created_at: at(2),
    }
}

pub(crate) fn attempt(deployment: &str, state: &str) -> AttemptRow {
    AttemptRow {
        deployment: uid(deployment),
        id: "attempt-1".to_owned(),
        kind: "env_deploy".to_owned(),
        number: 1,
        state: state.to_owned(),
        started_at: at(5),
        finished_at: (state == "succeeded").then(|| at(6)),
        outcome: (state == "succeeded").then(|| "applied".to_owned()),
    }
}

/// Event `seq` and the row after it.
pub(crate) fn step(resource: &str, seq: u64) -> Record {
    Record {
        events: vec![event(resource, seq)],
        row: Some(Row::Deployment(deployment(resource, seq))),
        ..Record::default()
    }
}

/// A release, an Environment and two Deployments that went all the way, one after the other.
pub(crate) async fn history(archive: &Archive) {
    archive.record(Record { row: Some(Row::Release(release())), ..Record::default() }).await.unwrap();
    let created = Record {
        events: vec![environment_event(1)],
        row: Some(Row::Environment(environment(0, 1))),
        ..Record::default()
    };
    archive.record(created).await.unwrap();
    for (operations, resource) in [(1, "dep-1"), (2, "dep-2")] {
        for seq in 1..=6 {
            let preview = (seq == 2).then(|| preview(resource));
            let attempts = (seq > 4).then(|| attempt(resource, if seq == 5 { "running" } else { "succeeded" }));
            archive
                .record(Record { preview, attempts: attempts.into_iter().collect(), ..step(resource, seq) })
                .await
                .unwrap();
        }
        let row = Some(Row::Environment(environment(operations, 1)));
        archive.record(Record { row, ..Record::default() }).await.unwrap();
    }
}

/// Copies an archive that is closed.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}
