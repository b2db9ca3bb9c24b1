//! `slipway audit export`: the history as lines that prove themselves.

use std::process::Stdio;

use slipway_store::{Archive, Options, Record};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::archive::{Place, event, on};
use super::binary::{command, say};

#[tokio::test]
async fn an_export_verifies_without_the_archive_and_an_edited_one_does_not() {
    let place = Place::new().await;
    let file = place.folder.path().join("events.jsonl");
    let said = say(&format!("{} --output {}", on("export", &place.path), file.display())).await.done();
    let head = say(&on("head", &place.path)).await.done();
    assert!(said.contains("5 events") && said.contains(head.trim()), "{said}");
    let lines = std::fs::read_to_string(&file).unwrap();
    assert_eq!(lines, say(&on("export", &place.path)).await.done());

    let verify = format!("audit verify --export {}", file.display());
    assert!(say(&verify).await.done().contains("tail not proven"));
    assert!(say(&format!("{verify} --head {head}")).await.done().contains("tail proven"));

    std::fs::write(&file, lines.replacen("looks right", "looks fine", 1)).unwrap();
    let said = say(&verify).await.no();
    assert!(said.contains("deployment_events 3 (event dep-1/3)"), "{said}");
    std::fs::write(&file, "not a line\n").unwrap();
    let said = say(&verify).await.no();
    assert!(said.contains("export line 1"), "{said}");
    std::fs::write(&file, [0xff, 0xfe, b'\n']).unwrap();
    let said = say(&verify).await.no();
    assert!(said.contains("not text"), "{said}");
    let cut: String = lines.split_inclusive('\n').take(3).collect();
    std::fs::write(&file, cut).unwrap();
    let said = say(&format!("{verify} --head {head}")).await.no();
    assert!(said.contains("its tail was cut off"), "{said}");
}

#[tokio::test]
async fn an_export_is_verified_from_a_pipe() {
    let place = Place::new().await;
    let lines = say(&on("export", &place.path)).await.done();
    let mut child = command();
    child.args(["audit", "verify", "--export", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.starts_with("stdin verifies: its 5 events are as they were written"),
        "{said}"
    );
    assert!(
        said.contains("checked each event against its hash, which covers the one before it\nevents  5\n"),
        "{said}"
    );
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten() {
    let place = Place::new().await;
    let before = std::fs::read(&place.path).unwrap();
    let said = say(&format!("{} --output {}", on("export", &place.path), place.path.display())).await.usage();
    assert!(said.contains("exists") && said.contains("name another file"), "{said}");
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
    // Nor is anything left behind where there was nothing to export.
    let output = place.folder.path().join("new.jsonl");
    say(&format!("audit export --database {}.not --output {}", place.path.display(), output.display())).await.usage();
    assert!(!output.exists());
}

#[tokio::test]
async fn a_reader_that_has_had_enough_is_no_failure() {
    let place = Place::empty().await;
    let archive = Archive::open(&place.path, Options::default()).unwrap();
    let events = (1..=500).map(|seq| event("dep-1", seq)).collect();
    archive.record(Record { events, ..Record::default() }).await.unwrap();
    archive.close().await.unwrap();
    for words in ["export", "log", "verify"] {
        let mut child = command();
        child.args(on(words, &place.path).split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut stdout = BufReader::with_capacity(64, child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        drop(stdout);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{words}");
    }
}
