//! Whoever can write the file edits it with SQLite of their own, and is found: every column of every table, every row.

use std::path::{Path, PathBuf};

use rstest::rstest;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use slipway_domain::event::Event;

use crate::chain::Tail;
use crate::fixture::{self, Place};
use crate::hash::{self, Hash, ZERO};
use crate::state::StateRow;
use crate::table::{ATTEMPT_LOGS, BACKUPS, DRIFT_CHECKS};
use crate::walk::{Tampered, Verified, VerifyError};
use crate::{Archive, CheckpointKey, Head, Options, Proof, verify};

mod file;

const KEY: [u8; 32] = [7; 32];

/// An archive with rows in every table, closed, so that it is one file.
async fn archive() -> Place {
    let place = Place::new();
    let options = Options { checkpoint_key: Some(CheckpointKey::new(KEY)), checkpoint_every: 5, ..Options::default() };
    let archive = Archive::open(&place.path, options).unwrap();
    fixture::history(&archive).await;
    archive.set_epoch(4).await.unwrap();
    archive.close().await.unwrap();
    let connection = Connection::open(&place.path).unwrap();
    let mut tail = Tail::read(&connection).unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let log = vec![text("dep-1"), text("attempt-1"), Value::Integer(1), text("now"), text("ok")];
    StateRow::new(&ATTEMPT_LOGS, log).put(&connection, &mut tail).unwrap();
    for table in [&BACKUPS, &DRIFT_CHECKS] {
        let values = table.columns.iter().map(|name| if *name == "seq" { Value::Integer(1) } else { text(name) });
        StateRow::new(table, values.collect()).put(&connection, &mut tail).unwrap();
    }
    drop(connection);
    // Opened and closed again, so that a signed checkpoint covers those rows too.
    let options = Options { checkpoint_key: Some(CheckpointKey::new(KEY)), ..Options::default() };
    Archive::open(&place.path, options).unwrap().close().await.unwrap();
    place
}

/// What the attacker does about the triggers that would stop them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Triggers {
    Dropped,
    Recreated,
}

/// Does `edit` on a copy, without triggers, constraints or foreign keys in the way.
fn tampered(place: &Place, triggers: Triggers, edit: impl FnOnce(&Connection)) -> PathBuf {
    let path = place.folder.path().join("tampered.db");
    fixture::copy(&place.path, &path);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
    let dropped: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (name, _) in &dropped {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    edit(&connection);
    if triggers == Triggers::Recreated {
        for (_, sql) in &dropped {
            connection.execute_batch(sql).unwrap();
        }
    }
    path
}

fn proof(head: Option<Head>) -> Proof {
    Proof { head, checkpoint_key: None }
}

fn found(path: &Path) -> Tampered {
    found_with(path, &Proof::default())
}

fn found_with(path: &Path, proof: &Proof) -> Tampered {
    match verify(path, proof) {
        Err(VerifyError::Tampered(tampered)) => tampered,
        other => panic!("{other:?}"),
    }
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn an_archive_that_nobody_touched_verifies() {
    let place = archive().await;
    let verified = verify(&place.path, &Proof::default()).unwrap();
    assert_eq!(verified.rows, 13);
    assert_eq!(verified.proven_row, None);
    assert_eq!(verified.signed_row, None);
    let proof = Proof { head: verified.head.clone(), checkpoint_key: Some(CheckpointKey::new(KEY)) };
    let proven = verify(&place.path, &proof).unwrap();
    assert_eq!(proven, Verified { proven_row: Some(13), signed_row: Some(13), ..verified });
    let other = Proof { head: None, checkpoint_key: Some(CheckpointKey::new([8; 32])) };
    assert_eq!(verify(&place.path, &other).unwrap().signed_row, None);
}

#[rstest]
#[case::triggers_dropped(Triggers::Dropped)]
#[case::triggers_recreated(Triggers::Recreated)]
#[tokio::test]
async fn an_edit_of_any_column_of_any_row_is_found_where_it_is(#[case] triggers: Triggers) {
    let place = archive().await;
    let connection = Connection::open(&place.path).unwrap();
    let mut edits = 0;
    for table in texts(&connection, "SELECT name FROM sqlite_master WHERE type = 'table'") {
        let rows: Vec<i64> = connection
            .prepare(&format!("SELECT rowid FROM {table}"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(!rows.is_empty(), "{table} has no rows to edit");
        for column in texts(&connection, &format!("SELECT name FROM pragma_table_info('{table}')")) {
            // The first row, the last one and one between.
            for rowid in [rows[0], rows[rows.len() / 2], rows[rows.len() - 1]] {
                let path = tampered(&place, triggers, |connection| {
                    let edit = format!(
                        "UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 1000 \
                         WHEN 'blob' THEN zeroblob(32) ELSE coalesce({column}, '') || 'x' END \
                         WHERE rowid = ?1 AND {column} IS NOT zeroblob(32)"
                    );
                    // The first hash of the chain is zero: it is edited to something else.
                    if connection.execute(&edit, [rowid]).unwrap() == 0 {
                        let edit = format!("UPDATE {table} SET {column} = randomblob(32) WHERE rowid = ?1");
                        assert_eq!(connection.execute(&edit, [rowid]).unwrap(), 1);
                    }
                });
                let found = found(&path);
                assert_eq!(found.table, table, "{table}.{column} of {rowid}: {found}");
                if table == "deployment_events" {
                    assert_eq!(found.row, Some(rowid.cast_unsigned()), "{column}: {found}");
                    assert_eq!(found.event_id.is_some(), column != "row", "{column}: {found}");
                }
                if table == "state_changes" {
                    assert_eq!(found.key, rowid.to_string(), "{column}: {found}");
                }
                edits += 1;
            }
        }
    }
    // 123 columns, three rows each.
    assert_eq!(edits, 369);
}

#[tokio::test]
async fn a_column_that_is_no_longer_its_own_type_is_found_where_it_is() {
    let place = archive().await;
    for column in ["body", "hash", "prev_hash", "state_digest"] {
        let path = tampered(&place, Triggers::Recreated, |connection| {
            let value = if column == "body" { "CAST(x'ff' AS TEXT)" } else { "x'00'" };
            connection.execute(&format!("UPDATE deployment_events SET {column} = {value} WHERE row = 5"), []).unwrap();
        });
        assert_eq!(found(&path).row, Some(5), "{column}");
    }
    let path = tampered(&place, Triggers::Recreated, |connection| {
        connection.execute("UPDATE checkpoints SET hash = x'00' WHERE id = 2", []).unwrap();
    });
    assert_eq!(found(&path).table, "checkpoints");
}

#[tokio::test]
async fn a_row_that_was_taken_out_of_any_table_is_found() {
    let place = archive().await;
    let connection = Connection::open(&place.path).unwrap();
    for table in texts(&connection, "SELECT name FROM sqlite_master WHERE type = 'table'") {
        let path = tampered(&place, Triggers::Recreated, |connection| {
            let delete = format!("DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})");
            assert_eq!(connection.execute(&delete, []).unwrap(), 1);
        });
        let found = found(&path);
        assert_eq!(found.table, table, "{found}");
        assert!(found.what.contains("missing"), "{found}");
    }
}

#[tokio::test]
async fn a_row_that_was_put_into_any_table_is_found() {
    let place = archive().await;
    let connection = Connection::open(&place.path).unwrap();
    for table in crate::table::ALL {
        let path = tampered(&place, Triggers::Recreated, |connection| {
            let forged = table.columns.iter().enumerate().map(|(at, column)| match at {
                0 if *column == "id" => "id + 500".to_owned(),
                0 => format!("{column} || '-forged'"),
                _ => (*column).to_owned(),
            });
            let forged: Vec<String> = forged.collect();
            let (name, columns) = (table.name, table.columns.join(", "));
            let insert = format!(
                "INSERT INTO {name} ({columns}, digest) SELECT {}, digest FROM {name} LIMIT 1",
                forged.join(", ")
            );
            assert_eq!(connection.execute(&insert, []).unwrap(), 1);
        });
        let found = found(&path);
        assert_eq!(found.table, table.name, "{found}");
        assert!(found.what.contains("nothing has recorded it"), "{found}");
    }
    drop(connection);
}

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

#[tokio::test]
async fn a_current_row_that_was_rewritten_with_its_line_is_found_at_the_event_that_covers_it() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        connection.execute("UPDATE deployments SET requester = 'mallory' WHERE uid = 'dep-1'", []).unwrap();
        let columns = crate::table::DEPLOYMENTS.columns.join(", ");
        let values: Vec<Value> = connection
            .query_row(&format!("SELECT {columns} FROM deployments WHERE uid = 'dep-1'"), [], |row| {
                (0..19).map(|at| row.get(at)).collect()
            })
            .unwrap();
        let digest = hash::row("deployments", values.iter().map(rusqlite::types::ValueRef::from));
        connection.execute("UPDATE deployments SET digest = ?1 WHERE uid = 'dep-1'", [digest]).unwrap();
        let last = "SELECT max(change) FROM state_changes WHERE table_name = 'deployments' AND row_key = 'dep-1'";
        connection
            .execute(&format!("UPDATE state_changes SET row_digest = ?1 WHERE change = ({last})"), [digest])
            .unwrap();
        let lines: Vec<(i64, String, String, Hash)> = connection
            .prepare("SELECT change, table_name, row_key, row_digest FROM state_changes ORDER BY change")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut previous = ZERO;
        for (change, table, key, digest) in lines {
            previous = hash::change(change, &previous, &table, &key, &digest);
            connection
                .execute("UPDATE state_changes SET hash = ?2 WHERE change = ?1", params![change, previous])
                .unwrap();
        }
    });
    let found = found(&path);
    // Row 7 is dep-1's last event, written together with that row.
    assert_eq!((found.table.as_str(), found.row), ("deployment_events", Some(7)), "{found}");
}

#[tokio::test]
async fn a_schema_that_was_changed_is_found() {
    let place = archive().await;
    let changes = [
        ("deployment_events_update", "DROP TRIGGER deployment_events_update"),
        ("deployments_twin", "DROP INDEX deployments_twin"),
        ("later", "CREATE TRIGGER later AFTER INSERT ON deployments BEGIN DELETE FROM attempts; END"),
        ("notes", "CREATE TABLE notes (text)"),
        ("deployments", "ALTER TABLE deployments ADD COLUMN more TEXT"),
        ("recent", "CREATE VIEW recent AS SELECT * FROM deployments"),
        (
            "previews_delete",
            "DROP TRIGGER previews_delete; CREATE TRIGGER previews_delete BEFORE DELETE ON previews BEGIN SELECT 1; END",
        ),
    ];
    for (name, change) in changes {
        let path = place.folder.path().join("tampered.db");
        fixture::copy(&place.path, &path);
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let found = found(&path);
        assert_eq!((found.table.as_str(), found.key.as_str()), ("sqlite_master", name), "{found}");
    }
}

#[tokio::test]
async fn litestreams_own_tables_are_not_tampering() {
    let place = archive().await;
    let tables = "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE _litestream_lock (id INTEGER)";
    Connection::open(&place.path).unwrap().execute_batch(tables).unwrap();
    verify(&place.path, &Proof::default()).unwrap();
}

#[tokio::test]
async fn an_index_that_disagrees_with_its_table_is_found() {
    let place = archive().await;
    let path = tampered(&place, Triggers::Recreated, |connection| {
        connection
            .execute_batch(
                "PRAGMA writable_schema = ON;
                 UPDATE sqlite_master SET sql = replace(sql, 'request_digest, release_digest', 'release_digest, request_digest') WHERE name = 'deployments_twin';",
            )
            .unwrap();
    });
    Connection::open(&path).unwrap().execute_batch("REINDEX deployments_twin").unwrap();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_master SET sql = replace(sql, 'release_digest, request_digest', 'request_digest, release_digest') WHERE name = 'deployments_twin';",
        )
        .unwrap();
    drop(connection);
    assert!(found(&path).what.contains("damaged"));
}

#[tokio::test]
async fn the_triggers_refuse_what_is_not_an_append() {
    let place = archive().await;
    let connection = Connection::open(&place.path).unwrap();
    let all = "row, event_id, seq, epoch, action, resource_type, resource_id, resource_name, project_id, team_id, \
               environment_id, actor_id, source, status, occurred_at, detail, body, state_digest, prev_hash, hash";
    let again = |row: &str, event_id: &str, verb: &str| {
        let columns = all.replacen("row, event_id, seq", &format!("{row}, {event_id}"), 1);
        format!("{verb} INTO deployment_events ({all}) SELECT {columns} FROM deployment_events WHERE row = 13")
    };
    let mut refused = vec![
        again("13", "event_id, seq", "INSERT OR REPLACE"),
        again("13", "event_id, seq", "INSERT OR IGNORE"),
        again("14", "event_id, seq", "INSERT OR REPLACE"),
        again("14", "event_id, seq", "INSERT OR IGNORE"),
        again("13", "'dep-2/99', 99", "INSERT OR REPLACE"),
        again("15", "'dep-2/99', 99", "INSERT"),
        again("NULL", "'dep-2/99', 99", "INSERT"),
        again("-1", "'dep-2/99', 99", "INSERT"),
        // An id that is not its resource and number.
        again("14", "'dep-9/1', 7", "INSERT"),
        "UPDATE OR REPLACE deployment_events SET row = 1 WHERE row = 2".to_owned(),
    ];
    for table in ["deployment_events", "state_changes", "checkpoints", "previews", "releases"] {
        refused.push(format!("DELETE FROM {table}"));
        refused.push(format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"));
        refused.push(format!("REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"));
        for column in texts(&connection, &format!("SELECT name FROM pragma_table_info('{table}')")) {
            refused.push(format!("UPDATE {table} SET {column} = {column}"));
        }
    }
    for statement in &refused {
        let error = connection.execute_batch(statement).unwrap_err().to_string();
        let reason = ["append-only", "immutable", "CHECK constraint failed"];
        assert!(reason.iter().any(|reason| error.contains(reason)), "{statement}: {error}");
    }
    let fine = again("14", "'dep-2/99', 99", "INSERT");
    connection.execute_batch(&fine).unwrap();
    assert_eq!(found(&place.path).row, Some(14));
}
