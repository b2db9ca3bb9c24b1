//! Events that were moved, removed, replaced or rewritten, from careless to careful: with the hashes, with the whole chain.

use super::*;

/// Every column of `deployment_events` but `row`.
const EVENT: &str = "event_id, seq, epoch, action, resource_type, resource_id, resource_name, project_id, team_id, \
                     environment_id, actor_id, source, status, occurred_at, detail, body, state_digest, prev_hash, hash";

fn renumber(connection: &Connection, from: i64, to: i64) {
    connection.execute("UPDATE deployment_events SET row = ?2 WHERE row = ?1", [from, to]).unwrap();
}

#[tokio::test]
async fn two_rows_that_changed_places_are_found_at_the_first() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        renumber(connection, 4, -1);
        renumber(connection, 9, 4);
        renumber(connection, -1, 9);
    });
    assert_eq!(found(&path).row, Some(4));
    // Neighbours, with the links mended as far as they can be without computing a hash.
    let path = tampered(&place, Triggers::Recreated, |connection| {
        renumber(connection, 4, -1);
        renumber(connection, 5, 4);
        renumber(connection, -1, 5);
        let hash = |row: i64| -> Vec<u8> {
            let sql = "SELECT hash FROM deployment_events WHERE row = ?1";
            connection.query_row(sql, [row], |row| row.get(0)).unwrap()
        };
        for row in [4, 5, 6] {
            let previous = hash(row - 1);
            let mend = "UPDATE deployment_events SET prev_hash = ?2 WHERE row = ?1";
            connection.execute(mend, params![row, previous]).unwrap();
        }
    });
    assert_eq!(found(&path).row, Some(4));
}

#[tokio::test]
async fn a_row_that_was_taken_out_and_closed_up_behind_is_found_where_it_was() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        connection.execute("DELETE FROM deployment_events WHERE row = 5", []).unwrap();
        for row in 6..=13 {
            renumber(connection, row, row - 1);
        }
    });
    assert_eq!(found(&path).row, Some(5));
}

#[tokio::test]
async fn a_row_that_was_put_in_is_found_where_it_is() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        for row in (5..=13).rev() {
            renumber(connection, row, row + 1);
        }
        let forge = format!(
            "INSERT INTO deployment_events (row, {EVENT}) SELECT 5, {EVENT} FROM deployment_events WHERE row = 4"
        );
        let forge = forge.replacen("SELECT 5, event_id, seq", "SELECT 5, 'dep-1/99', 99", 1);
        connection.execute(&forge, []).unwrap();
    });
    assert_eq!(found(&path).row, Some(5));
}

/// Rewrites `row` as if `edit` had happened then: bytes, columns and hash agree with each other.
fn forge(connection: &Connection, row: i64, edit: impl FnOnce(&mut Event)) {
    let sql = "SELECT body FROM deployment_events WHERE row = ?1";
    let body: String = connection.query_row(sql, [row], |row| row.get(0)).unwrap();
    let mut event: Event = serde_json::from_str(&body).unwrap();
    edit(&mut event);
    let entry = crate::chain::Entry::new(event).unwrap();
    for (column, value) in crate::chain::COPIES.iter().zip(&entry.copies) {
        let sql = format!("UPDATE deployment_events SET {column} = ?2 WHERE row = ?1");
        connection.execute(&sql, params![row, value]).unwrap();
    }
    connection.execute("UPDATE deployment_events SET body = ?2 WHERE row = ?1", params![row, entry.body]).unwrap();
    rehash(connection, row);
}

fn rehash(connection: &Connection, row: i64) {
    let sql = "SELECT body, state_digest FROM deployment_events WHERE row = ?1";
    let (body, state): (String, Hash) = connection.query_row(sql, [row], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let sql = "SELECT coalesce((SELECT hash FROM deployment_events WHERE row = ?1 - 1), zeroblob(32))";
    let previous: Hash = connection.query_row(sql, [row], |row| row.get(0)).unwrap();
    let hash = hash::event(row, &previous, &body, &state);
    let sql = "UPDATE deployment_events SET prev_hash = ?2, hash = ?3 WHERE row = ?1";
    connection.execute(sql, params![row, previous, hash]).unwrap();
}

/// Computes everything anew that can be computed without a key.
fn rechain(connection: &Connection) {
    let rows: i64 = connection.query_row("SELECT max(row) FROM deployment_events", [], |row| row.get(0)).unwrap();
    for row in 1..=rows {
        rehash(connection, row);
    }
    let checkpoints = "UPDATE checkpoints SET hash = coalesce((SELECT e.hash FROM deployment_events e WHERE e.row = checkpoints.row), hash)";
    connection.execute(checkpoints, []).unwrap();
    for id in texts(connection, "SELECT CAST(id AS TEXT) FROM checkpoints ORDER BY id") {
        let columns = crate::table::CHECKPOINTS.columns.join(", ");
        let values: Vec<Value> = connection
            .query_row(&format!("SELECT {columns} FROM checkpoints WHERE id = {id}"), [], |row| {
                (0..8).map(|at| row.get(at)).collect()
            })
            .unwrap();
        let digest = hash::row("checkpoints", values.iter().map(rusqlite::types::ValueRef::from));
        connection.execute("UPDATE checkpoints SET digest = ?2 WHERE id = ?1", params![id, digest]).unwrap();
        let sql = "UPDATE state_changes SET row_digest = ?2 WHERE table_name = 'checkpoints' AND row_key = ?1";
        connection.execute(sql, params![id, digest]).unwrap();
        restate(connection, &id);
    }
}

/// The changes from checkpoint `id` on, and what refers to them.
fn restate(connection: &Connection, id: &str) {
    let from: i64 = connection
        .query_row("SELECT change FROM state_changes WHERE table_name = 'checkpoints' AND row_key = ?1", [id], |row| {
            row.get(0)
        })
        .unwrap();
    let lines: Vec<(i64, String, String, Hash, Hash)> = connection
        .prepare("SELECT change, table_name, row_key, row_digest, hash FROM state_changes WHERE change >= ?1 ORDER BY change")
        .unwrap()
        .query_map([from], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut previous: Hash = connection
        .query_row(
            "SELECT coalesce((SELECT hash FROM state_changes WHERE change = ?1 - 1), zeroblob(32))",
            [from],
            |row| row.get(0),
        )
        .unwrap();
    for (change, table, key, digest, old) in lines {
        let hash = hash::change(change, &previous, &table, &key, &digest);
        connection.execute("UPDATE state_changes SET hash = ?2 WHERE change = ?1", params![change, hash]).unwrap();
        connection
            .execute("UPDATE deployment_events SET state_digest = ?2 WHERE state_digest = ?1", params![old, hash])
            .unwrap();
        connection.execute("UPDATE checkpoints SET state_hash = ?2 WHERE state_hash = ?1", params![old, hash]).unwrap();
        previous = hash;
    }
    let rows: i64 = connection.query_row("SELECT max(row) FROM deployment_events", [], |row| row.get(0)).unwrap();
    for row in 1..=rows {
        rehash(connection, row);
    }
    connection
        .execute("UPDATE checkpoints SET hash = coalesce((SELECT e.hash FROM deployment_events e WHERE e.row = checkpoints.row), hash)", [])
        .unwrap();
}

#[tokio::test]
async fn a_row_that_was_replaced_by_one_that_agrees_with_itself_is_found_at_the_next() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        forge(connection, 5, |event| event.actor_id = "mallory".parse().unwrap());
    });
    let found = found(&path);
    assert_eq!(found.row, Some(6), "{found}");
    assert!(found.what.contains("row before"), "{found}");
}

#[tokio::test]
async fn a_last_row_that_was_replaced_is_found_by_the_checkpoint_at_close() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        forge(connection, 13, |event| event.actor_id = "mallory".parse().unwrap());
    });
    let found = found(&path);
    assert_eq!(found.row, Some(13), "{found}");
    assert!(found.what.contains("checkpoint"), "{found}");
}

#[tokio::test]
async fn a_history_that_was_rewritten_whole_is_found_by_a_head_or_by_a_key_and_by_nothing_else() {
    let place = archive().await;
    let head = verify(&place.path, &Proof::default()).unwrap().head;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        forge(connection, 5, |event| event.actor_id = "mallory".parse().unwrap());
        rechain(connection);
    });
    let verified = verify(&path, &Proof::default()).unwrap();
    assert_eq!(verified.proven_row, None);
    assert_eq!(verified.rows, 13);
    assert_eq!(found_with(&path, &proof(head)).row, Some(13));
    let keyed = Proof { head: None, checkpoint_key: Some(CheckpointKey::new(KEY)) };
    assert_eq!(found_with(&path, &keyed).table, "checkpoints");
}

#[tokio::test]
async fn an_event_that_was_taken_out_of_a_rewritten_history_is_a_gap_in_its_resource() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        connection.execute("DELETE FROM deployment_events WHERE row = 5", []).unwrap();
        for row in 6..=13 {
            renumber(connection, row, row - 1);
        }
        connection.execute("UPDATE checkpoints SET row = row - 1 WHERE row >= 5", []).unwrap();
        rechain(connection);
    });
    let found = found(&path);
    assert_eq!(found.row, Some(5), "{found}");
    assert!(found.what.contains("was expected"), "{found}");
}

#[tokio::test]
async fn a_tail_that_was_cut_is_found_by_the_head_and_otherwise_not_proven() {
    let place = Place::new();
    let archive = place.open();
    for seq in 1..=3 {
        archive.record(fixture::step("dep-1", seq)).await.unwrap();
    }
    archive.close().await.unwrap();
    // The careful attacker: an older copy in the place of the file.
    let old = place.folder.path().join("old.db");
    fixture::copy(&place.path, &old);
    let archive = place.open();
    archive.record(fixture::step("dep-1", 4)).await.unwrap();
    let head = archive.head().await.unwrap();
    archive.close().await.unwrap();
    assert_eq!(verify(&place.path, &proof(head.clone())).unwrap().proven_row, Some(4));
    let shorter = verify(&old, &Proof::default()).unwrap();
    assert_eq!(shorter.proven_row, None);
    let found = found_with(&old, &proof(head));
    assert_eq!(found.row, Some(4), "{found}");
    assert!(found.what.contains("cut off"), "{found}");
    // The head of the shorter history is part of the longer one, and proves no more than the shorter one.
    assert_eq!(verify(&place.path, &proof(shorter.head)).unwrap().proven_row, Some(3));
}

#[tokio::test]
async fn a_tail_that_was_cut_carelessly_is_found_by_the_checkpoint() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        connection.execute("DELETE FROM deployment_events WHERE row > 11", []).unwrap();
    });
    let found = found(&path);
    assert_eq!(found.row, Some(12), "{found}");
    assert!(found.what.contains("cut off"), "{found}");
}
