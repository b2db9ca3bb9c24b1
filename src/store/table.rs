//! Each table of current rows is described once: the description writes its SQL, and verify reads every column of it.

use std::sync::OnceLock;

/// When a row may take the place of the one that is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// When this SQL condition over `excluded` (the new row) and the table holds.
    When(&'static str),
    /// Always.
    Always,
    /// Never: the first one stands.
    Never,
}

/// A table whose rows are vouched for by `state_changes`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// All columns but `digest`; the first `keys` of them are the primary key.
    pub(crate) columns: &'static [&'static str],
    pub(crate) keys: usize,
    pub(crate) rule: Rule,
    upsert: OnceLock<String>,
}

impl Table {
    const fn new(name: &'static str, keys: usize, rule: Rule, columns: &'static [&'static str]) -> Self {
        Self { name, columns, keys, rule, upsert: OnceLock::new() }
    }

    /// Writes the row unless the stored one is the same or must stay. Parameters: the columns, then the digest.
    pub(crate) fn upsert(&self) -> &str {
        self.upsert.get_or_init(|| {
            let all: Vec<&str> = self.columns.iter().copied().chain(["digest"]).collect();
            let marks: Vec<String> = (1..=all.len()).map(|number| format!("?{number}")).collect();
            let key = self.columns[..self.keys].join(", ");
            let sets: Vec<String> =
                all[self.keys..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
            let name = self.name;
            let conflict = match self.rule {
                Rule::When(condition) => format!(
                    "ON CONFLICT ({key}) DO UPDATE SET {} WHERE {condition} AND excluded.digest IS NOT {name}.digest",
                    sets.join(", ")
                ),
                Rule::Always => format!(
                    "ON CONFLICT ({key}) DO UPDATE SET {} WHERE excluded.digest IS NOT {name}.digest",
                    sets.join(", ")
                ),
                Rule::Never => String::new(),
            };
            format!("INSERT INTO {name} ({}) VALUES ({}) {conflict}", all.join(", "), marks.join(", "))
        })
    }

    /// Whether a row with this key is there. Parameters: the key.
    pub(crate) fn exists(&self) -> String {
        let condition: Vec<String> = self.columns[..self.keys]
            .iter()
            .enumerate()
            .map(|(at, column)| format!("{column} = ?{}", at + 1))
            .collect();
        format!("SELECT 1 FROM {} WHERE {}", self.name, condition.join(" AND "))
    }

    /// Every column of every row, the digest last.
    pub(crate) fn select_all(&self) -> String {
        format!("SELECT {}, digest FROM {} NOT INDEXED", self.columns.join(", "), self.name)
    }
}

pub(crate) static META: Table = Table::new("meta", 1, Rule::Always, &["key", "value"]);

pub(crate) static CHECKPOINTS: Table = Table::new(
    "checkpoints",
    1,
    Rule::Never,
    &["id", "row", "hash", "state_change", "state_hash", "at", "key_id", "signature"],
);

pub(crate) static ENVIRONMENTS: Table = Table::new(
    "environments",
    1,
    Rule::When("excluded.operations >= environments.operations AND excluded.seq >= environments.seq"),
    &[
        "uid",
        "namespace",
        "name",
        "project",
        "team",
        "tier",
        "runtime",
        "phase",
        "operations",
        "spec",
        "status",
        "seq",
        "updated_at",
    ],
);

pub(crate) static RELEASES: Table = Table::new(
    "releases",
    1,
    Rule::Never,
    &["uid", "namespace", "name", "service", "version", "release_digest", "content", "created_at"],
);

pub(crate) static DEPLOYMENTS: Table = Table::new(
    "deployments",
    1,
    Rule::When("excluded.seq >= deployments.seq"),
    &[
        "uid",
        "namespace",
        "name",
        "service",
        "environment",
        "release",
        "operation",
        "requester",
        "submitted_by",
        "phase",
        "request_digest",
        "release_digest",
        "variables",
        "resource_version",
        "status",
        "seq",
        "created_at",
        "updated_at",
        "finished_at",
    ],
);

pub(crate) static PREVIEWS: Table =
    Table::new("previews", 2, Rule::Never, &["deployment", "preview_ref", "preview_digest", "body", "created_at"]);

pub(crate) static ATTEMPTS: Table = Table::new(
    "attempts",
    2,
    Rule::Always,
    &["deployment", "id", "type", "number", "state", "started_at", "finished_at", "outcome"],
);

pub(crate) static ATTEMPT_LOGS: Table =
    Table::new("attempt_logs", 3, Rule::Never, &["deployment", "attempt", "line", "at", "text"]);

pub(crate) static BACKUPS: Table = Table::new(
    "backups",
    1,
    Rule::When("excluded.seq >= backups.seq"),
    &["uid", "namespace", "name", "environment", "phase", "spec", "status", "seq", "created_at", "updated_at"],
);

pub(crate) static DRIFT_CHECKS: Table = Table::new(
    "drift_checks",
    1,
    Rule::When("excluded.seq >= drift_checks.seq"),
    &["uid", "namespace", "name", "environment", "result", "spec", "status", "seq", "created_at", "updated_at"],
);

/// Every table whose rows `state_changes` vouches for.
pub(crate) static ALL: [&Table; 10] = [
    &META,
    &CHECKPOINTS,
    &ENVIRONMENTS,
    &RELEASES,
    &DEPLOYMENTS,
    &PREVIEWS,
    &ATTEMPTS,
    &ATTEMPT_LOGS,
    &BACKUPS,
    &DRIFT_CHECKS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::connect;

    #[test]
    fn every_column_of_every_table_is_described_or_is_part_of_a_chain() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connect::migrate(&mut connection).unwrap();
        let tables: BTreeSet<String> = connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let described = ALL.iter().map(|table| table.name).chain(["deployment_events", "state_changes"]);
        assert_eq!(tables, described.map(str::to_owned).collect());
        for table in ALL {
            let columns: Vec<(String, i64)> = connection
                .prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")
                .unwrap()
                .query_map([table.name], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names[..names.len() - 1], *table.columns, "{}", table.name);
            assert_eq!(names[names.len() - 1], "digest");
            assert_eq!(columns.iter().filter(|(_, pk)| *pk > 0).count(), table.keys, "{}", table.name);
            connection.prepare(table.upsert()).unwrap();
            connection.prepare(&table.exists()).unwrap();
            connection.prepare(&table.select_all()).unwrap();
        }
    }
}
