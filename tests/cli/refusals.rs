//! What is wrong in the surroundings of a command is said once, in a line that names it, and nothing is tried for ever.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use slipway_tests::plane::Plane;
use slipway_tests::stage::Stage;

use super::binary::{command, ended, say};

/// A folder with everything that is not what it should be.
fn surroundings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("text.db"), "this is not a database, it is a sentence").unwrap();
    std::fs::write(path("empty.db"), "").unwrap();
    let foreign = rusqlite::Connection::open(path("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE visitors (name TEXT)").unwrap();
    std::fs::write(path("there.jsonl"), "").unwrap();
    std::fs::write(path("short.key"), "abc").unwrap();
    std::fs::write(path("not.yaml"), "clusters: [\n  {{").unwrap();
    std::fs::write(path("empty.yaml"), "").unwrap();
    std::fs::write(path("closed.yaml"), closed()).unwrap();
    folder
}

/// A kubeconfig of a server that nobody runs.
fn closed() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!(
        "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}'}}}}],
           users: [{{name: u, user: {{token: t}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
    )
}

/// A folder that nobody may write to, not even root.
const SEALED: &str = "/sys";

#[tokio::test]
async fn a_file_that_is_not_what_it_should_be_is_named_in_one_line() {
    let folder = surroundings();
    let adopt = "--resource u --object-seq 1 --actor bob --note why";
    for (line, words) in [
        ("audit verify --database @/missing.db", "there is no archive at @/missing.db"),
        ("audit verify --database @/folder", "@/folder is a folder"),
        ("audit verify --database @/text.db", "@/text.db is not an SQLite database"),
        ("audit verify --database @/empty.db", "@/empty.db is empty: it holds no archive; restore a backup"),
        ("audit verify --database @/foreign.db", "@/foreign.db is an SQLite database but not a Slipway archive"),
        ("audit verify --database @/text.db/x", "@/text.db/x"),
        ("audit verify --database @/foreign.db --checkpoint-key @/missing.key", "@/missing.key: No such file"),
        ("audit verify --database @/foreign.db --checkpoint-key @/short.key", "must hold 32 random bytes"),
        ("audit verify --database @/foreign.db --checkpoint-key @/folder", "@/folder"),
        ("audit verify --export @/missing.jsonl", "@/missing.jsonl cannot be read: No such file"),
        ("audit verify --export @/folder", "@/folder is a folder"),
        ("audit export --database @/missing.db", "there is no archive"),
        (
            "audit export --database @/foreign.db --output @/no/such.jsonl",
            "@/no/such.jsonl cannot be written: No such file",
        ),
        ("audit export --database @/foreign.db --output @/there.jsonl", "exists"),
        ("audit export --database @/foreign.db --output @/folder", "exists"),
        ("audit export --database @/foreign.db --output /sys/events.jsonl", "/sys/events.jsonl cannot be written"),
        ("audit head --database @/missing.db", "there is no archive"),
        ("audit head --database @/text.db", "not an SQLite database"),
        ("audit log --database @/missing.db", "there is no archive"),
        ("audit log --database @/folder", "is a folder"),
        (&format!("audit adopt --database @/missing.db {adopt}"), "there is no archive"),
        (&format!("audit adopt --database @/foreign.db {adopt}"), "not a Slipway archive"),
        ("generate --root @/missing", "@/missing"),
    ] {
        let here = folder.path().display().to_string();
        let said = say(&line.replace('@', &here)).await.usage();
        assert!(said.contains(&words.replace('@', &here)), "{line}: {said}");
    }
    assert!(!folder.path().join("missing.db").exists());
}

#[tokio::test]
async fn a_cluster_that_cannot_be_used_is_said_once_and_not_asked_for_ever() {
    let folder = surroundings();
    for (flags, words) in [
        ("", "no cluster is configured: name one with --kubeconfig"),
        ("--kubeconfig @/missing.yaml", "kubeconfig @/missing.yaml cannot be used"),
        ("--kubeconfig @/folder", "kubeconfig @/folder cannot be used"),
        ("--kubeconfig @/not.yaml", "kubeconfig @/not.yaml cannot be used"),
        ("--kubeconfig @/empty.yaml", "kubeconfig @/empty.yaml cannot be used"),
        ("--kubeconfig @/closed.yaml --context other", "kubeconfig @/closed.yaml cannot be used"),
        ("--kubeconfig @/closed.yaml", "Connection refused"),
        ("--kubeconfig @/closed.yaml --checkpoint-key @/missing.key", "@/missing.key: No such file"),
        ("--kubeconfig @/closed.yaml --checkpoint-key @/short.key", "must hold 32 random bytes"),
    ] {
        let here = folder.path().display().to_string();
        let said = say(&format!("controller --database @/new.db {flags}").replace('@', &here)).await.usage();
        assert!(said.contains(&words.replace('@', &here)), "{flags}: {said}");
    }
    assert!(!folder.path().join("new.db").exists(), "an archive was made for a cluster that is not there");
}

#[tokio::test]
async fn a_filter_for_the_log_that_is_none_is_not_passed_over() {
    let mut controller = command();
    controller.args(["controller", "--database", "archive.db"]).env("SLIPWAY_LOG", "info,slipway=loud");
    let said = ended(controller).await.usage();
    assert!(said.contains("SLIPWAY_LOG is \"info,slipway=loud\", which is no filter: "), "{said}");
}

#[tokio::test]
async fn a_controller_that_cannot_have_its_file_or_its_port_does_not_start() {
    let mut stage = Stage::dark().await;
    let kubeconfig = stage.kubeconfig().to_owned();
    let folder = surroundings();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    stage.start().await;
    for (database, flags, words) in [
        ("@/folder", "", "@/folder is a folder".to_owned()),
        ("@/text.db", "", "@/text.db is not an SQLite database".to_owned()),
        ("@/foreign.db", "", "not a Slipway archive".to_owned()),
        ("@/no/archive.db", "", "the folder @/no does not exist".to_owned()),
        (&format!("{SEALED}/archive.db"), "", "it cannot be created: ".to_owned()),
        (&stage.database().display().to_string(), "", "in use by another controller".to_owned()),
        ("@/new.db", &format!("--listen {port}"), format!("cannot listen on {port}")),
        (
            "@/new.db",
            "--lease-namespace nowhere",
            "namespace nowhere, which holds the lease, does not exist".to_owned(),
        ),
    ] {
        let here = folder.path().display().to_string();
        let listen = if flags.contains("--listen") { "" } else { "--listen 127.0.0.1:0" };
        let lease = format!("--namespace {0} --lease-name {0}-other", stage.namespace);
        let line =
            format!("controller --kubeconfig {} --database {database} {flags} {listen} {lease}", kubeconfig.display());
        let said = say(&line.replace('@', &here)).await.usage();
        assert!(said.contains(&words.replace('@', &here)), "{line}: {said}");
    }
    // The one that runs does not mind.
    assert_eq!(stage.controller().fetch("/readyz").await.0, 200);
    assert!(stage.stop().await.status.success());
}

#[tokio::test]
async fn a_cluster_without_the_resources_is_told_what_to_apply() {
    let plane = Plane::start().unwrap();
    if plane.audit_log().is_none() {
        // A cluster that was there before may have them.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("archive.db");
    let line = format!("controller --kubeconfig {} --database {}", plane.kubeconfig().display(), database.display());
    let said = say(&line).await.usage();
    assert!(said.contains("slipway manifests | kubectl apply --server-side -f -"), "{said}");
}

#[tokio::test]
async fn the_files_that_come_from_code_are_written_where_asked_and_manifests_to_stdout() {
    let manifests = say("manifests").await.done();
    assert!(manifests.contains("kind: CustomResourceDefinition"));
    // A reader that stops after the first line.
    let mut child = command();
    child.arg("manifests").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    drop(child.stdout.take());
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let said = say(&format!("generate --root {}", Path::new("/nonexistent").display())).await.usage();
    assert!(said.contains("values.yaml: cannot be read"), "{said}");
}
