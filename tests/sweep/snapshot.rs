//! What a case has come to, in a form in which two runs of one scenario are equal.
//!
//! Left out is what differs between any two runs: uids, times, digests, epochs, resource versions. Left out on purpose,
//! because a crash may change it and nothing follows from it: how much of its journal an object still carries and knows
//! to be archived, how many objects the last execution of an attempt itself had to write, and the words of a diagnosis.
//! Everything else is compared; that histories are whole, equal in both stores and verified is checked here.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};
use slipway_domain::event::Event;
use slipway_store::{Proof, verify};

use super::error::{SweepError, Verdict};
use super::objects;
use super::site::{Site, until};

/// Texts of events that a crash may change.
const WORDS: [&str; 4] = ["message", "detail", "written", "pruned"];

/// The events of the archive, oldest first.
pub fn archived(database: &Path) -> Result<Vec<Event>, SweepError> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT body FROM deployment_events ORDER BY row")?;
    let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
    bodies.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
}

/// An archive that verifies and in which no history has a gap or an event twice. Returns its events.
pub fn whole(database: &Path) -> Result<Vec<Event>, SweepError> {
    // The histories first: where both are wrong, they say what is missing.
    let events = archived(database)?;
    histories(&events)?;
    verify(database, &Proof::default())?;
    Ok(events)
}

/// Why a run did not come to its end may be that something is lost or doubled: then that is what is said.
pub fn judged(database: &Path, error: SweepError) -> SweepError {
    if error.verdict() != Verdict::Unjudged || !database.exists() {
        return error;
    }
    match whole(database).map_err(|found| (found.verdict(), found)) {
        Err((Verdict::Lost, found)) => SweepError::Lost(format!("{found}; {error}")),
        Err((Verdict::Doubled, found)) => SweepError::Doubled(format!("{found}; {error}")),
        Err((Verdict::Unjudged, _)) | Ok(_) => error,
    }
}

/// Everything about a namespace and its archive, once nothing moves any more. Fails if a history is not whole.
pub async fn take(site: &Site, namespace: &str, database: &Path) -> Result<Value, SweepError> {
    let events = whole(database)?;
    let histories = histories(&events)?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for event in &events {
        names.insert(event.resource_id.to_string(), event.resource_name.replace(&format!("{namespace}/"), ""));
    }
    let mut all = Map::new();
    for kind in ["Deployment", "Environment", "Release"] {
        let mut found = Map::new();
        for object in site.list(kind, namespace).await? {
            if kind != "Release" {
                journal_is_archived(&object, &histories)?;
            }
            found.insert(text(&object, "/metadata/name").to_owned(), status(&object));
        }
        all.insert(kind.to_owned(), found.into());
    }
    all.insert("objects".to_owned(), released(site, namespace).await?);
    all.insert("changes".to_owned(), json!(site.writes.counts(namespace)));
    let told: Map<String, Value> =
        histories.iter().map(|(uid, events)| (uid.clone(), events.iter().map(|event| told(event)).collect())).collect();
    all.insert("events".to_owned(), told.into());
    all.insert("rows".to_owned(), rows(database)?);
    Ok(normal(all.into(), namespace, &names))
}

/// The events of each resource: numbered from 1 without gaps, none twice.
pub fn histories(events: &[Event]) -> Result<BTreeMap<String, Vec<&Event>>, SweepError> {
    let mut histories: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in events {
        let history = histories.entry(event.resource_id.to_string()).or_default();
        let expected = history.len() as u64 + 1;
        if event.seq != expected {
            let text = format!("{}: event {expected} should follow, and {} does", event.resource_name, event.seq);
            return Err(if event.seq > expected { SweepError::Lost(text) } else { SweepError::Doubled(text) });
        }
        history.push(event);
    }
    Ok(histories)
}

/// What an object carries of its history is what the archive has, to the byte, and ends where the archive's ends.
pub fn journal_is_archived(object: &Value, histories: &BTreeMap<String, Vec<&Event>>) -> Result<(), SweepError> {
    let (name, uid) = (text(object, "/metadata/name"), text(object, "/metadata/uid"));
    let none = Vec::new();
    let history = histories.get(uid).unwrap_or(&none);
    let seq = object.pointer("/status/audit/seq").and_then(Value::as_u64).unwrap_or_default();
    if seq != history.len() as u64 {
        let text = format!("{name} is at event {seq} and the archive has {} of it", history.len());
        return Err(SweepError::Lost(text));
    }
    for entry in object.pointer("/status/audit/journal").and_then(Value::as_array).into_iter().flatten() {
        let entry: Event = serde_json::from_value(entry.clone())?;
        let same = usize::try_from(entry.seq).ok().and_then(|seq| history.get(seq - 1));
        if same.is_none_or(|same| same.canonical() != entry.canonical()) {
            return Err(SweepError::Lost(format!("{name}: event {} is not the same in the archive", entry.event_id)));
        }
    }
    Ok(())
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn status(object: &Value) -> Value {
    let mut status = object.get("status").cloned().unwrap_or_default();
    if let Some(audit) = status.get_mut("audit").and_then(Value::as_object_mut) {
        audit.retain(|field, _| field == "seq");
    }
    if let Some(diagnostics) = status.get_mut("diagnostics").and_then(Value::as_object_mut) {
        diagnostics.retain(|field, _| field == "code");
    }
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.retain(|field, _| matches!(field.as_str(), "type" | "status" | "reason"));
        }
    }
    let deleting = object.pointer("/metadata/deletionTimestamp").is_some();
    json!({"status": status, "deleting": deleting, "finalizers": object.pointer("/metadata/finalizers")})
}

fn told(event: &Event) -> Value {
    let mut detail = event.detail.clone();
    for word in WORDS {
        if let Some(text) = detail.get_mut(word) {
            text.clear();
        }
    }
    json!({
        "seq": event.seq, "action": event.action, "type": event.resource_type, "name": event.resource_name,
        "project": event.project_id, "team": event.team_id, "environment": event.environment_id,
        "actor": event.actor_id, "source": event.source, "status": event.status, "detail": detail,
    })
}

/// The objects of releases, when the eye on the writes has seen them all as they are.
async fn released(site: &Site, namespace: &str) -> Result<Value, SweepError> {
    let mut found = Map::new();
    for kind in objects::RELEASED {
        for mut object in site.list(kind, namespace).await? {
            if object.pointer("/metadata/labels/slipway.dev~1service").is_none() {
                continue;
            }
            let name = format!("{}/{}", objects::resource(kind).kind, text(&object, "/metadata/name"));
            let version = text(&object, "/metadata/resourceVersion").to_owned();
            // A status may go on changing: what is seen must only not be older than what was read.
            until(20, &format!("version {version} of {name}"), async || {
                let seen = site.writes.version(namespace, &name).unwrap_or_default();
                let old = seen.parse::<u64>().unwrap_or(0) < version.parse::<u64>().unwrap_or(0);
                Ok(if old { Err(seen) } else { Ok(()) })
            })
            .await?;
            if let Some(all) = object.as_object_mut() {
                all.remove("status");
            }
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|field, _| matches!(field.as_str(), "labels" | "annotations" | "generation"));
            }
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                spec.retain(|field, _| !field.starts_with("clusterIP"));
            }
            found.insert(name, object);
        }
    }
    Ok(found.into())
}

/// The current rows of the archive.
fn rows(database: &Path) -> Result<Value, SweepError> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let tables = [
        ("deployments", "uid, name, service, environment, release, operation, requester, phase, seq"),
        ("environments", "uid, name, tier, runtime, phase, operations, seq"),
        ("attempts", "deployment, id, type, number, state, outcome"),
        ("previews", "deployment, preview_ref"),
    ];
    let mut all = Map::new();
    for (table, columns) in tables {
        let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table} ORDER BY 1, 2"))?;
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        let mut found = Map::new();
        while let Some(row) = rows.next()? {
            let mut one = Map::new();
            for (at, name) in names.iter().enumerate() {
                let value = match row.get_ref(at)? {
                    ValueRef::Integer(number) => json!(number),
                    ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                    ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
                };
                one.insert(name.clone(), value);
            }
            let key = one.values().take(2).map(ToString::to_string).collect::<Vec<_>>().join(" ");
            found.insert(key, one.into());
        }
        all.insert(table.to_owned(), found.into());
    }
    Ok(all.into())
}

/// Puts names in the place of what differs between any two runs.
fn normal(value: Value, namespace: &str, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => normal_text(&text, namespace, names).into(),
        Value::Array(items) => items.into_iter().map(|item| normal(item, namespace, names)).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(field, _)| field != "epoch" && field != "resourceVersion");
            kept.map(|(field, value)| (normal_text(&field, namespace, names), normal(value, namespace, names)))
                .collect::<Map<_, _>>()
                .into()
        }
        other => other,
    }
}

fn normal_text(text: &str, namespace: &str, names: &BTreeMap<String, String>) -> String {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return "<time>".to_owned();
    }
    let mut text = text.replace(namespace, "<namespace>");
    for (uid, name) in names {
        text = text.replace(uid, &format!("<{name}>"));
    }
    let mut normal = String::new();
    let mut hex = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_hexdigit() && !letter.is_ascii_uppercase() {
            hex.push(letter);
            continue;
        }
        normal.push_str(if hex.len() == 64 { "<digest>" } else { &hex });
        hex.clear();
        if letter != '\0' {
            normal.push(letter);
        }
    }
    normal
}

/// Where two snapshots differ, a line each.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", expected, found, &mut lines);
    lines
}

fn compare(at: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            let fields: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for field in fields {
                let of = |map: &Map<String, Value>| map.get(field).cloned().unwrap_or_default();
                compare(&format!("{at}/{field}"), &of(left), &of(right), lines);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                let of = |items: &[Value]| items.get(index).cloned().unwrap_or_default();
                compare(&format!("{at}/{index}"), &of(left), &of(right), lines);
            }
        }
        _ if expected != found => lines.push(format!("{at}: expected {expected}, found {found}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_any_two_runs_is_named() {
        let names = BTreeMap::from([("0a1b".to_owned(), "web-v1".to_owned())]);
        let value = json!({
            "epoch": 3, "owner": "s-7/dev/web", "attempt": "0a1b-1", "at": "2026-01-02T03:04:05Z",
            "ref": format!("1-sha256:{}", "ab".repeat(32)),
        });
        let expected = json!({
            "owner": "<namespace>/dev/web", "attempt": "<web-v1>-1", "at": "<time>", "ref": "1-sha256:<digest>",
        });
        assert_eq!(normal(value, "s-7", &names), expected);
    }

    #[test]
    fn a_difference_is_named_by_where_it_is() {
        let (expected, found) = (json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 3}, 4]}));
        assert_eq!(differences(&expected, &found), ["/a/1/b: expected 2, found 3", "/a/2: expected null, found 4"]);
    }
}
