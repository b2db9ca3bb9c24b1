//! An archive with a short history, as a controller leaves it.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use slipway_domain::digest::Digest;
use slipway_domain::event::{Action, Detail, Event, ResourceType, Source};
use slipway_domain::phase::Phase;
use slipway_store::{Archive, DeploymentRow, Options, Record, Row};
use tempfile::TempDir;

pub const LIFE: [(Action, Phase, &str, &str); 5] = [
    (Action::ReleaseCreated, Phase::Pending, "alice@example.com", "note the first"),
    (Action::ReleasePreviewed, Phase::Previewed, "controller", ""),
    (Action::ReleaseConfirmed, Phase::Approved, "alice@example.com", "looks right"),
    (Action::ReleaseApplying, Phase::Applying, "controller", ""),
    (Action::ReleaseApplied, Phase::Succeeded, "controller", ""),
];

/// A folder that goes away, with an archive in it.
pub struct Place {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Place {
    /// An empty archive.
    pub async fn empty() -> Self {
        Self::with(&[]).await
    }

    /// One Deployment that went all the way: five events.
    pub async fn new() -> Self {
        Self::with(&[1, 2, 3, 4, 5]).await
    }

    pub async fn with(seqs: &[u64]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { path: folder.path().join("archive.db"), folder };
        place.append(Options::default(), seqs).await;
        place
    }

    /// Goes on as a controller would: opens, records, closes.
    pub async fn append(&self, options: Options, seqs: &[u64]) {
        let archive = Archive::open(&self.path, options).unwrap();
        for seq in seqs {
            archive.record(step("dep-1", *seq)).await.unwrap();
        }
        archive.close().await.unwrap();
    }

    /// A copy of the file as it is now.
    pub fn copy(&self, name: &str) -> PathBuf {
        let copy = self.folder.path().join(name);
        std::fs::copy(&self.path, &copy).unwrap();
        copy
    }

    /// A copy that someone edits who can write the file.
    pub fn tampered(&self, sql: &str) -> PathBuf {
        let copy = self.copy("tampered.db");
        let connection = rusqlite::Connection::open(&copy).unwrap();
        let triggers: Vec<(String, String)> = connection
            .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for (name, _) in &triggers {
            connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        connection.execute_batch(sql).unwrap();
        for (_, trigger) in &triggers {
            connection.execute_batch(trigger).unwrap();
        }
        copy
    }
}

/// `command` on a file, as a line of arguments.
pub fn on(command: &str, path: &Path) -> String {
    format!("audit {command} --database {}", path.display())
}

pub fn event(resource: &str, seq: u64) -> Event {
    let (action, phase, actor, note) = LIFE[usize::try_from(seq - 1).unwrap() % LIFE.len()];
    let uid = resource.parse().unwrap();
    let began: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
    Event {
        event_id: Event::id(&uid, seq),
        seq,
        epoch: 1,
        action,
        resource_type: ResourceType::Deployment,
        resource_name: format!("shop/{resource}"),
        resource_id: uid,
        project_id: "shop".to_owned(),
        team_id: "payments".to_owned(),
        environment_id: "production".to_owned(),
        actor_id: actor.parse().unwrap(),
        source: Source::Kubectl,
        status: phase.status().to_owned(),
        occurred_at: began + SignedDuration::from_secs(seq.cast_signed()),
        detail: Detail::from([("note".to_owned(), note.to_owned())]),
    }
}

/// An event with the row as it is after it.
pub fn step(resource: &str, seq: u64) -> Record {
    let event = event(resource, seq);
    let (_, phase, ..) = LIFE[usize::try_from(seq - 1).unwrap() % LIFE.len()];
    let row = DeploymentRow {
        uid: event.resource_id.clone(),
        namespace: "shop".to_owned(),
        name: resource.to_owned(),
        service: "payments".to_owned(),
        environment: "production".to_owned(),
        release: "payments-v1".to_owned(),
        operation: "deploy".to_owned(),
        requester: "alice@example.com".to_owned(),
        submitted_by: "alice@example.com".to_owned(),
        phase,
        request_digest: Digest::of(b"request"),
        release_digest: Digest::of(b"release"),
        variables: "{}".to_owned(),
        resource_version: None,
        status: "{}".to_owned(),
        seq,
        created_at: event.occurred_at,
        updated_at: event.occurred_at,
        finished_at: None,
    };
    Record { events: vec![event], row: Some(Row::Deployment(row)), ..Record::default() }
}
