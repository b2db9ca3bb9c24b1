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
mod history;

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
