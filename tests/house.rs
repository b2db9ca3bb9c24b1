//! The agreements that no compiler checks: which crate may know which, that every rule has its test, that what is written
//! down is what the code says, and that files stay small enough to be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken agreement ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use slipway_domain::code::{Code, contract};

/// What each crate may depend on. What depends on everything else is not listed.
const MAY_KNOW: [(&str, &[&str]); 8] = [
    ("slipway-domain", &[]),
    ("slipway-crd", &["slipway-domain"]),
    ("slipway-store", &["slipway-domain"]),
    ("slipway-k8s", &["slipway-domain"]),
    ("slipway-ssh", &["slipway-domain"]),
    ("slipway-controller", &["slipway-domain", "slipway-crd", "slipway-store", "slipway-k8s", "slipway-ssh"]),
    ("slipway-rest", &["slipway-domain", "slipway-crd", "slipway-store", "slipway-k8s", "slipway-ssh"]),
    (
        "slipway-cli",
        &[
            "slipway-domain",
            "slipway-crd",
            "slipway-store",
            "slipway-k8s",
            "slipway-ssh",
            "slipway-controller",
            "slipway-rest",
        ],
    ),
];

/// Crates that only the named ones may use outside their tests; `slipway-tests` and `slipway-benches` use what they like.
const KNOWS_ALONE: [(&str, &[&str]); 2] =
    [("rusqlite", &["slipway-store"]), ("rusqlite_migration", &["slipway-store"])];

/// All that the domain needs. Nothing in it waits, stores, serves, or asks what time it is.
const DOMAIN_NEEDS: [&str; 6] = ["hex", "jiff", "serde", "serde_json", "sha2", "thiserror"];

/// How long a source file may be.
const LONGEST: usize = 400;

/// Files that may be longer, each with its reason. A file that has become shorter leaves this list.
const LONGER: [(&str, &str); 0] = [];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn workspace() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

#[test]
fn dependencies_between_crates_point_one_way() {
    let rules: BTreeMap<_, _> = MAY_KNOW.into_iter().collect();
    let mut wrong = Vec::new();
    for package in workspace().packages {
        let name = package.name.to_string();
        let ours = package.dependencies.iter().filter(|dependency| dependency.name.starts_with("slipway-"));
        for dependency in ours {
            let allowed = match name.as_str() {
                "slipway-benches" => true,
                "slipway-tests" => dependency.name != "slipway-benches",
                other => rules.get(other).is_some_and(|may| may.contains(&dependency.name.as_str())),
            };
            if !allowed {
                wrong.push(format!("{name} -> {}", dependency.name));
            }
        }
    }
    assert_eq!(wrong, [""; 0], "edges that docs/ARCHITECTURE.md does not have");
}

#[test]
fn every_crate_has_its_place_in_the_order() {
    let known: BTreeSet<_> =
        MAY_KNOW.into_iter().map(|(name, _)| name).chain(["slipway-tests", "slipway-benches"]).collect();
    for package in workspace().packages {
        assert!(known.contains(package.name.as_str()), "{} has no rule in tests/house.rs", package.name);
    }
}

#[test]
fn the_domain_needs_nothing_that_waits_stores_or_serves() {
    let metadata = workspace();
    let domain = metadata.packages.iter().find(|package| package.name.as_str() == "slipway-domain").unwrap();
    let needs = domain.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    let needs: Vec<_> = needs.map(|dependency| dependency.name.as_str()).collect();
    assert_eq!(needs, DOMAIN_NEEDS);
}

#[test]
fn what_one_crate_alone_knows_no_other_crate_uses() {
    for package in workspace().packages {
        let name = package.name.as_str();
        if matches!(name, "slipway-tests" | "slipway-benches") {
            continue;
        }
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal) {
            let rule = KNOWS_ALONE.iter().find(|(crate_name, _)| *crate_name == dependency.name);
            assert!(rule.is_none_or(|(_, alone)| alone.contains(&name)), "{name} -> {}", dependency.name);
        }
    }
}

#[test]
fn the_contract_of_codes_is_the_one_that_the_code_says() {
    let path = root().join("contracts/error-codes.json");
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == contract(), "{} differs: run `make generate`", path.display());
}

#[test]
fn every_code_is_explained_once_among_the_rules() {
    let rules = Rules::read();
    let explained: Vec<_> = rules.codes.iter().map(|row| row.cells[0].trim_matches('`').to_owned()).collect();
    let known: Vec<_> = Code::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(explained, known, "the table of codes in docs/RULES.md");
    for row in rules.codes {
        let produced = !row.names(1).is_empty() && !row.cells[1].starts_with("not produced yet: ");
        let proven = !row.names(2).is_empty();
        assert_eq!(produced, proven, "{}", row.line);
        assert!(produced || row.cells[1].starts_with("not produced yet: "), "{}", row.line);
    }
}

#[test]
fn every_rule_has_a_function_and_a_test_that_are_there() {
    let rules = Rules::read();
    assert!(rules.rules.len() > 50, "the tables of docs/RULES.md were not found");
    for row in &rules.rules {
        assert!(!row.names(1).is_empty() && !row.names(2).is_empty(), "{}", row.line);
    }
    let missing: BTreeSet<_> = rules
        .rules
        .iter()
        .chain(&rules.codes)
        .flat_map(|row| [row.names(1), row.names(2)].concat())
        .filter(|(path, name)| !defines(path, name))
        .map(|(path, name)| format!("{path}::{name}"))
        .collect();
    assert_eq!(missing, BTreeSet::new(), "named in docs/RULES.md and not in the sources");
}

#[test]
fn every_rule_names_codes_that_there_are() {
    for row in Rules::read().rules {
        for code in row.cells[3].split(", ").filter(|code| !code.is_empty()) {
            assert!(code.trim_matches('`').parse::<Code>().is_ok(), "{code}: {}", row.line);
        }
    }
}

#[test]
fn files_can_be_held_in_a_persons_head() {
    let mut long = BTreeMap::new();
    for path in sources(&root().join("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > LONGEST {
            let name = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().into_owned();
            long.insert(name, lines);
        }
    }
    let excused: BTreeSet<_> = LONGER.into_iter().map(|(path, _)| path.to_owned()).collect();
    let found: BTreeSet<_> = long.keys().cloned().collect();
    assert_eq!(found, excused, "over {LONGEST} lines, and excused in tests/house.rs: {long:?}");
}

/// The tables of docs/RULES.md.
struct Rules {
    rules: Vec<Row>,
    codes: Vec<Row>,
}

struct Row {
    line: String,
    cells: Vec<String>,
}

impl Rules {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("docs/RULES.md")).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| ")).map(Row::read);
        let rows = rows.filter(|row| !matches!(row.cells[0].as_str(), "rule" | "code"));
        let (rules, codes) = rows.partition(|row| row.cells.len() == 4);
        Self { rules, codes }
    }
}

impl Row {
    fn read(line: &str) -> Self {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        Self { line: line.to_owned(), cells: inner.split('|').map(|cell| cell.trim().to_owned()).collect() }
    }

    /// Everything in a cell that is named as `path::name`.
    fn names(&self, cell: usize) -> Vec<(String, String)> {
        let quoted = self.cells[cell].split('`').skip(1).step_by(2);
        quoted.filter_map(|name| name.rsplit_once("::")).map(|(path, name)| (path.into(), name.into())).collect()
    }
}

/// Whether a file under `src`, or one of the tests, has a function of that name.
fn defines(path: &str, name: &str) -> bool {
    let folder = if path.starts_with("tests/") { root() } else { root().join("src") };
    let text = fs::read_to_string(folder.join(path)).unwrap_or_default();
    text.lines().any(|line| begins(line.trim_start(), name))
}

/// Whether a line begins a function of that name. A comment that names it, or a text, does not.
fn begins(line: &str, name: &str) -> bool {
    let Some((before, rest)) = line.split_once("fn ") else { return false };
    let qualifier = |word: &str| matches!(word, "pub" | "const" | "async" | "unsafe") || word.starts_with("pub(");
    before.split_whitespace().all(qualifier) && rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '<']))
}

#[test]
fn only_a_definition_counts_as_one() {
    assert!(begins("pub(super) async fn sight<K>(", "sight") && begins("fn sight(&self)", "sight"));
    for line in ["// fn sight(", "/// See fn sight(", "let text = \"fn sight(\";", "fn sighted(", "fn sight_of("] {
        assert!(!begins(line, "sight"), "{line}");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
