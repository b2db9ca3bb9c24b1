//! What was answered is there, what was refused is not, and neither can be told otherwise by asking again.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use rusqlite::Connection;
use slipway_domain::digest::Digest;
use slipway_domain::event::{Action, Event};
use slipway_domain::phase::Phase;

use crate::fixture::{self, Place, deployment, environment, event, step, uid};
use crate::{Archive, CheckpointKey, DeploymentRow, Options, Proof, ReadError, Record, RecordError, Row, verify};

fn only(row: Row) -> Record {
    Record { row: Some(row), ..Record::default() }
}

#[tokio::test]
async fn what_was_recorded_is_read_back() {
    let place = Place::new();
    let archive = place.open();
    assert_eq!(archive.head().await.unwrap(), None);
    fixture::history(&archive).await;
    assert_eq!(archive.last_event(&uid("dep-1")).await.unwrap(), Some(event("dep-1", 6)));
    assert_eq!(archive.last_event(&uid("nobody")).await.unwrap(), None);
    let page = archive.events_of(&uid("dep-1"), 2, 3).await.unwrap();
    assert_eq!(page, [event("dep-1", 3), event("dep-1", 4), event("dep-1", 5)]);
    assert_eq!(archive.deployment(&uid("dep-2")).await.unwrap(), Some(deployment("dep-2", 6)));
    assert_eq!(archive.environment(&uid("env-1")).await.unwrap(), Some(environment(2, 1)));
    assert_eq!(archive.release(&uid("rel-1")).await.unwrap(), Some(fixture::release()));
    assert_eq!(archive.preview(&uid("dep-1"), "1-abc").await.unwrap(), Some(fixture::preview("dep-1")));
    assert_eq!(archive.attempts(&uid("dep-1")).await.unwrap(), [fixture::attempt("dep-1", "succeeded")]);
    let first = archive.events_page(0, 5).await.unwrap();
    let next = archive.events_page(5, 100).await.unwrap();
    let rows: Vec<u64> = first.iter().chain(&next).map(|line| line.row).collect();
    assert_eq!(rows, (1..=13).collect::<Vec<_>>());
    let head = archive.head().await.unwrap().unwrap();
    assert_eq!((head.row, Some(&head.hash)), (13, next.last().map(|line| &line.hash)));
    assert_eq!(archive.head_row(13).await.unwrap(), Some(head.hash));
    assert_eq!(archive.head_row(14).await.unwrap(), None);
}

#[tokio::test]
async fn an_archive_that_is_opened_again_is_the_same() {
    let place = Place::new();
    let archive = place.open();
    fixture::history(&archive).await;
    let sealed = archive.secret_key().seal(b"value");
    let installation = archive.installation_id().clone();
    let head = archive.head().await.unwrap();
    assert_eq!(archive.set_epoch(4).await.unwrap(), 4);
    assert_eq!(archive.set_epoch(2).await.unwrap(), 4);
    archive.close().await.unwrap();
    let archive = place.open();
    assert_eq!(archive.secret_key().seal(b"value"), sealed);
    assert_eq!(archive.installation_id(), &installation);
    assert_eq!(archive.head().await.unwrap(), head);
    assert_eq!(archive.epoch().await.unwrap(), 4);
    let other = Place::new();
    assert_ne!(other.open().secret_key().seal(b"value"), sealed);
}

#[tokio::test]
async fn recording_the_same_again_changes_nothing() {
    let place = Place::new();
    let archive = place.open();
    fixture::history(&archive).await;
    let head = archive.head().await.unwrap();
    archive.close().await.unwrap();
    let before = verify(&place.path, &Proof::default()).unwrap();
    let archive = place.open();
    let all = (1..=6).map(|seq| event("dep-1", seq)).collect();
    let again = Record {
        events: all,
        preview: Some(fixture::preview("dep-1")),
        attempts: vec![fixture::attempt("dep-1", "succeeded")],
        row: Some(Row::Deployment(deployment("dep-1", 6))),
    };
    archive.record(again).await.unwrap();
    assert_eq!(archive.head().await.unwrap(), head);
    archive.close().await.unwrap();
    assert_eq!(verify(&place.path, &Proof::default()).unwrap(), before);
}

#[tokio::test]
async fn another_event_under_the_same_key_is_refused_and_nothing_of_its_record_is_stored() {
    let place = Place::new();
    let archive = place.open();
    archive.record(step("dep-1", 1)).await.unwrap();
    let mut forged = event("dep-1", 1);
    forged.actor_id = "mallory".parse().unwrap();
    let record = Record {
        events: vec![event("dep-2", 1), forged.clone()],
        row: Some(Row::Deployment(deployment("dep-2", 1))),
        preview: Some(fixture::preview("dep-2")),
        attempts: vec![fixture::attempt("dep-2", "running")],
    };
    let error = archive.record(record).await.unwrap_err();
    let RecordError::Diverged { event_id, stored, offered } = &error else { panic!("{error:?}") };
    assert_eq!(event_id, "dep-1/1");
    assert_eq!((stored, offered), (&event("dep-1", 1).canonical(), &forged.canonical()));
    assert_eq!((error.code(), error.retryable()), (Some("audit_diverged"), false));
    assert_eq!(archive.head().await.unwrap().unwrap().row, 1);
    assert_eq!(archive.deployment(&uid("dep-2")).await.unwrap(), None);
    assert_eq!(archive.preview(&uid("dep-2"), "1-abc").await.unwrap(), None);
    assert!(archive.attempts(&uid("dep-2")).await.unwrap().is_empty());
    archive.close().await.unwrap();
    verify(&place.path, &Proof::default()).unwrap();
}

#[tokio::test]
async fn a_gap_in_a_resources_numbers_is_refused() {
    let place = Place::new();
    let archive = place.open();
    for (last, offered) in [(0, 2), (0, 6)] {
        let error = archive.record(step("dep-1", offered)).await.unwrap_err();
        assert!(
            matches!(&error, RecordError::Gap { last: l, offered: o, .. } if (*l, *o) == (last, offered)),
            "{error:?}"
        );
        assert_eq!(error.code(), Some("audit_diverged"));
    }
    archive.record(step("dep-1", 1)).await.unwrap();
    let mut adopted = event("dep-1", 5);
    adopted.action = Action::ReleaseAdopted;
    archive.record(Record { events: vec![adopted], ..Record::default() }).await.unwrap();
    archive.record(step("dep-1", 6)).await.unwrap();
    let skipped = archive.record(Record { events: vec![event("dep-1", 3)], ..Record::default() }).await.unwrap_err();
    assert!(matches!(skipped, RecordError::Gap { last: 6, offered: 3, .. }), "{skipped:?}");
    archive.close().await.unwrap();
    verify(&place.path, &Proof::default()).unwrap();
}

#[tokio::test]
async fn an_event_whose_id_is_not_its_key_is_refused() {
    let place = Place::new();
    let archive = place.open();
    let mut misnamed = event("dep-1", 1);
    misnamed.event_id = "dep-1/2".to_owned();
    let error = archive.record(Record { events: vec![misnamed], ..Record::default() }).await.unwrap_err();
    assert!(matches!(error, RecordError::Misnamed { .. }), "{error:?}");
    let mut huge = event("dep-1", 1);
    huge.epoch = u64::MAX;
    let error = archive.record(Record { events: vec![huge], ..Record::default() }).await.unwrap_err();
    assert!(matches!(error, RecordError::TooLarge { number: u64::MAX }), "{error:?}");
}

#[tokio::test]
async fn a_row_never_moves_backwards() {
    let place = Place::new();
    let archive = place.open();
    fixture::history(&archive).await;
    archive.record(only(Row::Deployment(deployment("dep-1", 3)))).await.unwrap();
    assert_eq!(archive.deployment(&uid("dep-1")).await.unwrap(), Some(deployment("dep-1", 6)));
    archive.record(only(Row::Environment(environment(1, 1)))).await.unwrap();
    assert_eq!(archive.environment(&uid("env-1")).await.unwrap(), Some(environment(2, 1)));
    let release = crate::ReleaseRow { version: "2".to_owned(), ..fixture::release() };
    archive.record(only(Row::Release(release))).await.unwrap();
    assert_eq!(archive.release(&uid("rel-1")).await.unwrap(), Some(fixture::release()));
    let preview = crate::PreviewRow { body: "{}".to_owned(), ..fixture::preview("dep-1") };
    archive.record(Record { preview: Some(preview), ..Record::default() }).await.unwrap();
    assert_eq!(archive.preview(&uid("dep-1"), "1-abc").await.unwrap(), Some(fixture::preview("dep-1")));
    // The same number may say more: status moves without an event too.
    let more = DeploymentRow { status: "{\"more\":1}".to_owned(), ..deployment("dep-1", 6) };
    archive.record(only(Row::Deployment(more.clone()))).await.unwrap();
    assert_eq!(archive.deployment(&uid("dep-1")).await.unwrap(), Some(more));
}

#[tokio::test]
async fn a_row_that_the_history_does_not_support_is_refused() {
    let place = Place::new();
    let archive = place.open();
    archive.record(step("dep-1", 1)).await.unwrap();
    let ahead = archive.record(only(Row::Deployment(deployment("dep-1", 2)))).await.unwrap_err();
    assert!(matches!(ahead, RecordError::Ahead { seq: 2, last: 1, .. }), "{ahead:?}");
    let ahead = archive.record(only(Row::Environment(environment(0, 1)))).await.unwrap_err();
    assert!(matches!(ahead, RecordError::Ahead { seq: 1, last: 0, .. }), "{ahead:?}");
    let wrong = DeploymentRow { phase: Phase::Approved, ..deployment("dep-1", 1) };
    let wrong = archive.record(only(Row::Deployment(wrong))).await.unwrap_err();
    assert!(matches!(wrong, RecordError::Disagrees { row: "approved", .. }), "{wrong:?}");
    assert_eq!(wrong.code(), Some("audit_diverged"));
    assert_eq!(archive.deployment(&uid("dep-1")).await.unwrap(), Some(deployment("dep-1", 1)));
}

#[tokio::test]
async fn a_twin_is_the_latest_other_deployment_that_was_decided() {
    let place = Place::new();
    let archive = place.open();
    let (request, release) = (Digest::of(b"request"), Digest::of(b"release"));
    let twin = async |uid: &str| {
        let found = archive.finished_twin(&fixture::uid(uid), "shop", "web", &request, Some(&release)).await.unwrap();
        found.map(|row| row.uid.to_string())
    };
    for seq in 1..=5 {
        archive.record(step("dep-1", seq)).await.unwrap();
    }
    assert_eq!(twin("dep-9").await, None);
    archive.record(step("dep-1", 6)).await.unwrap();
    assert_eq!(twin("dep-9").await.as_deref(), Some("dep-1"));
    assert_eq!(twin("dep-1").await, None);
    for seq in 1..=6 {
        let mut later = step("dep-2", seq);
        // A fraction of a second later, which has fewer digits when written.
        let row = DeploymentRow {
            updated_at: fixture::at(seq) + jiff::SignedDuration::from_millis(500),
            ..deployment("dep-2", seq)
        };
        later.row = Some(Row::Deployment(row));
        archive.record(later).await.unwrap();
    }
    assert_eq!(twin("dep-9").await.as_deref(), Some("dep-2"));
    assert_eq!(twin("dep-2").await.as_deref(), Some("dep-1"));
    let other = archive.finished_twin(&fixture::uid("dep-9"), "shop", "web", &release, Some(&release)).await.unwrap();
    assert_eq!(other, None);
}

#[tokio::test]
async fn a_closed_archive_is_one_file_and_refuses_what_comes_later() {
    let place = Place::new();
    let archive = place.open();
    fixture::history(&archive).await;
    let clone = archive.clone();
    archive.close().await.unwrap();
    let wal = std::fs::metadata(place.folder.path().join("archive.db-wal"));
    assert!(wal.map_or(0, |wal| wal.len()) == 0);
    assert!(matches!(clone.record(step("dep-3", 1)).await, Err(RecordError::Closed)));
    assert!(matches!(clone.head().await, Err(ReadError::Closed)));
    assert!(matches!(clone.close().await, Err(RecordError::Closed)));
}

#[tokio::test]
async fn only_its_owner_may_read_the_file() {
    let place = Place::new();
    let archive = Archive::open(&place.path, Options { exclusive: true, ..Options::default() }).unwrap();
    archive.record(step("dep-1", 1)).await.unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = place.folder.path().join(format!("archive.db{suffix}"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}

#[test]
fn a_checkpoint_is_written_at_open_and_close_and_each_time_enough_was_recorded() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows = || -> Vec<i64> {
        let connection = Connection::open(&place.path).unwrap();
        let mut statement = connection.prepare("SELECT row FROM checkpoints ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let options = Options { checkpoint_every: 3, ..Options::default() };
    let archive = Archive::open(&place.path, options.clone()).unwrap();
    assert_eq!(rows(), [0]);
    runtime.block_on(async {
        for seq in 1..=6 {
            archive.record(step("dep-1", seq)).await.unwrap();
        }
        archive.record(step("dep-2", 1)).await.unwrap();
        archive.close().await.unwrap();
    });
    assert_eq!(rows(), [0, 3, 6, 7]);
    // Nothing happened since, so there is nothing to say; unless there is a key to say it with now.
    Archive::open(&place.path, options).unwrap();
    assert_eq!(rows(), [0, 3, 6, 7]);
    let key = Some(CheckpointKey::new([1; 32]));
    Archive::open(&place.path, Options { checkpoint_key: key.clone(), ..Options::default() }).unwrap();
    assert_eq!(rows(), [0, 3, 6, 7, 7]);
    let proof = Proof { head: None, checkpoint_key: key };
    assert_eq!(verify(&place.path, &proof).unwrap().signed_row, Some(7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_recorded_in_whatever_order_the_archive_verifies(offers in prop::collection::vec((0_u8..3, 1_u64..7), 1..40)) {
        let place = Place::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let archive = place.open();
        let mut last = [0_u64; 3];
        runtime.block_on(async {
            for (resource, seq) in offers {
                let outcome = archive.record(step(&format!("dep-{resource}"), seq)).await;
                let last = &mut last[usize::from(resource)];
                if seq <= *last + 1 {
                    outcome.unwrap();
                    *last = (*last).max(seq);
                } else {
                    assert!(matches!(outcome, Err(RecordError::Gap { .. })));
                }
            }
            for (resource, last) in last.iter().enumerate() {
                let stored = archive.events_of(&uid(&format!("dep-{resource}")), 0, 100).await.unwrap();
                let expected: Vec<Event> = (1..=*last).map(|seq| event(&format!("dep-{resource}"), seq)).collect();
                assert_eq!(stored, expected);
            }
            archive.close().await.unwrap();
        });
        prop_assert_eq!(verify(&place.path, &Proof::default()).unwrap().rows, last.iter().sum::<u64>());
    }
}
