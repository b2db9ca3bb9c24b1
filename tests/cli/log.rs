//! `slipway audit log`: who did what, when, for people.

use slipway_store::{Archive, Options, Record};

use super::archive::{Place, event, on, step};
use super::binary::say;

#[tokio::test]
async fn the_history_of_one_deployment_is_a_table_that_a_person_reads() {
    let place = Place::new().await;
    let by_name = say(&format!("{} --resource shop/dep-1", on("log", &place.path))).await.done();
    let expected = "\
SEQ  WHEN                  WHO                ACTION             STATUS     NOTE
1    2026-01-02T03:04:06Z  alice@example.com  release.created    pending    note the first
2    2026-01-02T03:04:07Z  controller         release.previewed  previewed
3    2026-01-02T03:04:08Z  alice@example.com  release.confirmed  approved   looks right
4    2026-01-02T03:04:09Z  controller         release.applying   started
5    2026-01-02T03:04:10Z  controller         release.applied    succeeded
";
    assert_eq!(by_name, expected);
    assert_eq!(say(&format!("{} --resource dep-1", on("log", &place.path))).await.done(), expected);
}

#[tokio::test]
async fn all_resources_are_told_apart_and_the_newest_are_kept() {
    let place = Place::with(&[1, 2]).await;
    let archive = Archive::open(&place.path, Options::default()).unwrap();
    archive.record(step("dep-2", 1)).await.unwrap();
    archive.close().await.unwrap();
    let said = say(&format!("{} --limit 2", on("log", &place.path))).await.done();
    let cells: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().take(4).collect()).collect();
    assert_eq!(cells[1][2..], ["deployment", "shop/dep-1"]);
    assert_eq!(cells[2][2..], ["deployment", "shop/dep-2"]);
    assert_eq!((cells.len(), cells[1][0]), (3, "2"));
}

#[tokio::test]
async fn what_nobody_recorded_is_said() {
    let place = Place::new().await;
    let said = say(&format!("{} --resource shop/other", on("log", &place.path))).await.no();
    assert!(said.contains("events of shop/other"), "{said}");
}

#[tokio::test]
async fn a_note_cannot_command_the_terminal() {
    let place = Place::empty().await;
    let mut hostile = event("dep-1", 1);
    hostile.detail.insert("note".to_owned(), "a\u{1b}[2Jb\r\n9  forged  line\u{202e}c".to_owned());
    let archive = Archive::open(&place.path, Options::default()).unwrap();
    archive.record(Record { events: vec![hostile], ..Record::default() }).await.unwrap();
    archive.close().await.unwrap();
    let said = say(&on("log", &place.path)).await.done();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.ends_with("a [2Jb 9 forged line c\n"), "{said:?}");
}
