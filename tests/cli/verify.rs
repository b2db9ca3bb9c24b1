//! `slipway audit verify` and `head`: what nobody touched verifies, and what somebody did is named.

use slipway_store::{Archive, CheckpointKey, Options, Record};

use super::archive::{Place, on, step};
use super::binary::say;

#[tokio::test]
async fn a_history_that_nobody_touched_verifies_and_says_what_is_not_proven() {
    let place = Place::new().await;
    let said = say(&on("verify", &place.path)).await.done();
    let head = say(&on("head", &place.path)).await.done();
    for words in [
        "archive.db verifies: its 5 events are as they were written, none changed, moved or taken out\n",
        "checked each event against its hash",
        "events  5\n",
        head.trim(),
        "tail not proven",
        "kubectl get lease",
        "keep the head above elsewhere",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let proven = say(&format!("{} --head {head}", on("verify", &place.path))).await.done();
    assert!(proven.contains("tail proven up to row 5: ") && !proven.contains("not proven"), "{proven}");
}

#[tokio::test]
async fn what_is_newer_than_the_head_that_was_given_is_not_proven() {
    let place = Place::with(&[1, 2]).await;
    let head = say(&on("head", &place.path)).await.done();
    for (seq, words) in [(3, "\n1 newer event is not proven"), (4, "\n2 newer events are not proven")] {
        place.append(Options::default(), &[seq]).await;
        let said = say(&format!("{} --head {head}", on("verify", &place.path))).await.done();
        assert!(said.contains("tail proven up to row 2: ") && said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_single_write_without_an_event_is_counted_as_one() {
    let place = Place::with(&[1, 2]).await;
    let archive = Archive::open(&place.path, Options::default()).unwrap();
    let record = step("dep-1", 2);
    archive.record(Record { events: Vec::new(), ..record }).await.unwrap();
    archive.close().await.unwrap();
    let said = say(&on("verify", &place.path)).await.done();
    assert!(said.contains("since   1 write of current rows"), "{said}");
}

#[tokio::test]
async fn everything_reads_while_a_controller_writes_and_from_a_copy() {
    let place = Place::new().await;
    let copy = place.copy("copy.db");
    let options = Options { exclusive: true, ..Options::default() };
    let archive = Archive::open(&place.path, options).unwrap();
    for path in [&place.path, &copy] {
        for command in ["verify", "head", "log", "export"] {
            say(&on(command, path)).await.done();
        }
    }
    archive.close().await.unwrap();
}

#[tokio::test]
async fn an_edited_row_is_found_and_its_place_named() {
    let place = Place::new().await;
    for (sql, words) in [
        (
            "UPDATE deployment_events SET actor_id = 'mallory' WHERE row = 3",
            "deployment_events 3 (event dep-1/3): column actor_id",
        ),
        (
            "UPDATE deployment_events SET body = replace(body, 'alice', 'mally') WHERE row = 1",
            "deployment_events 1 (event dep-1/1)",
        ),
        ("DELETE FROM deployment_events WHERE row = 2", "deployment_events 2: is missing"),
        ("UPDATE deployments SET requester = 'mallory'", "deployments dep-1: its columns are not what was recorded"),
        ("DROP TRIGGER deployment_events_update", "sqlite_master"),
    ] {
        // A trigger that is to be gone is dropped after the others are back.
        let path = if sql.starts_with("DROP") { place.copy("tampered.db") } else { place.tampered(sql) };
        if sql.starts_with("DROP") {
            rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        }
        let said = say(&on("verify", &path)).await.no();
        assert!(said.contains("does not verify") && said.contains(words), "{sql}: {said}");
    }
}

#[tokio::test]
async fn a_tail_that_was_cut_off_shows_by_a_head_from_elsewhere() {
    let place = Place::with(&[1, 2, 3]).await;
    let cut = place.copy("cut.db");
    place.append(Options::default(), &[4, 5]).await;
    let head = say(&on("head", &place.path)).await.done();
    let unproven = say(&on("verify", &cut)).await.done();
    assert!(unproven.contains("tail not proven"), "{unproven}");
    let said = say(&format!("{} --head {head}", on("verify", &cut))).await.no();
    assert!(said.contains("deployment_events 4: is missing") && said.contains("its tail was cut off"), "{said}");
}

#[tokio::test]
async fn signatures_prove_nothing_with_another_key() {
    let place = Place::with(&[]).await;
    let options = Options { checkpoint_key: Some(CheckpointKey::new([7; 32])), ..Options::default() };
    place.append(options, &[1, 2]).await;
    let key = place.folder.path().join("key");
    let verify = format!("{} --checkpoint-key {}", on("verify", &place.path), key.display());
    std::fs::write(&key, [7; 32]).unwrap();
    let said = say(&verify).await.done();
    assert!(said.contains("signed  up to row 2"), "{said}");
    std::fs::write(&key, [8; 32]).unwrap();
    let said = say(&verify).await.no();
    assert!(said.contains("no checkpoint in it is signed with this key"), "{said}");
}

#[tokio::test]
async fn an_archive_without_events_verifies_and_has_no_head() {
    let place = Place::empty().await;
    let said = say(&on("verify", &place.path)).await.done();
    assert!(
        said.contains("verifies: it holds no events yet\n") && said.contains("events  0\nhead    none yet"),
        "{said}"
    );
    assert!(!said.contains("keep the head"), "{said}");
    for command in ["head", "log"] {
        say(&on(command, &place.path)).await.no();
    }
    assert_eq!(say(&on("export", &place.path)).await.done(), "");
}

#[tokio::test]
async fn a_file_that_no_longer_says_that_it_is_an_archive_is_not_verified_either() {
    let place = Place::new().await;
    let path = place.copy("edited.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "application_id", 0).unwrap();
    let said = say(&on("verify", &path)).await.no();
    assert!(said.contains(&format!("does not verify: file {}: its application_id is 0", path.display())), "{said}");
    for command in ["log", "head", "export"] {
        let said = say(&on(command, &path)).await.no();
        assert!(said.contains("is an archive that was edited"), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_is_not_verified() {
    let place = Place::new().await;
    let path = place.copy("damaged.db");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0xa5;
    }
    std::fs::write(&path, bytes).unwrap();
    let said = say(&on("verify", &path)).await.no();
    assert!(said.contains("does not verify"), "{said}");
    let said = say(&on("log", &path)).await.no();
    assert!(said.contains("audit verify"), "{said}");
}
