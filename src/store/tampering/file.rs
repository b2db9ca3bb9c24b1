//! Edits of the file as a whole: what says that it is an archive, and of which schema.

use std::fs;

use rusqlite::Connection;
use slipway_domain::event::Source;

use super::{archive, found};
use crate::fixture::{self, Place, at};
use crate::{AdoptError, Adoption, Archive, Head, OpenError, Options, Proof, Target, VerifyError, adopt, verify};

/// A copy whose bytes are edited.
fn overwritten(place: &Place, edit: impl FnOnce(&mut Vec<u8>)) -> std::path::PathBuf {
    let path = place.folder.path().join("tampered.db");
    fixture::copy(&place.path, &path);
    let mut bytes = fs::read(&path).unwrap();
    edit(&mut bytes);
    fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn an_edit_of_what_says_that_it_is_an_archive_is_tampering() {
    let place = archive().await;
    for (pragma, to) in [("application_id", 0), ("application_id", 7), ("user_version", 0), ("user_version", -1)]
        .into_iter()
        .chain([("user_version", 2), ("user_version", 99)])
    {
        let path = place.folder.path().join("tampered.db");
        fixture::copy(&place.path, &path);
        Connection::open(&path).unwrap().pragma_update(None, pragma, to).unwrap();
        let found = found(&path);
        assert_eq!((found.table.as_str(), found.key), ("file", path.display().to_string()), "{pragma} {to}");
        assert!(found.what.contains(&format!("its {pragma} is {to}")), "{}", found.what);
        // A controller does not begin anew on it either.
        let error = Archive::open(&path, Options::default()).unwrap_err();
        assert!(matches!(error, OpenError::Altered { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_first_page_that_was_overwritten_is_tampering() {
    let place = archive().await;
    for (byte, length) in [(0, 16), (0, 4096), (0xa5, 100), (0xa5, 4096), (b'a', 4096)] {
        let path = overwritten(&place, |bytes| bytes[..length].fill(byte));
        let found = found(&path);
        assert_eq!(found.table, "file", "{byte} {length}: {found}");
        let error = Archive::open(&path, Options::default()).unwrap_err();
        assert!(matches!(error, OpenError::Altered { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_text_about_an_archive_is_none() {
    let place = archive().await;
    let path = overwritten(&place, |bytes| {
        *bytes = include_bytes!("../../../migrations/0001_archive.sql").repeat(9);
    });
    let error = verify(&path, &Proof::default()).unwrap_err();
    assert!(matches!(error, VerifyError::Open(OpenError::NotSqlite { .. })), "{error:?}");
}

#[tokio::test]
async fn a_file_that_was_emptied_is_no_older_archive() {
    let place = archive().await;
    let path = overwritten(&place, Vec::clear);
    let error = verify(&path, &Proof::default()).unwrap_err();
    assert!(matches!(error, VerifyError::Open(OpenError::Empty { .. })), "{error:?}");
    let lost: Head = format!("9:{}", "a".repeat(64)).parse().unwrap();
    let adoption = Adoption {
        target: Target::Archive { lost },
        actor: "bob".parse().unwrap(),
        note: "looked at it".parse().unwrap(),
        source: Source::Kubectl,
        at: at(9),
    };
    let error = adopt(&path, adoption).unwrap_err();
    assert!(matches!(error, AdoptError::Open(OpenError::Empty { .. })), "{error:?}");
}
