//! A person settles what object and archive disagree about, and the history says who and why.
//!
//! What: one event at the end of the chain, written by another process while the controller may be running.
//! Guarantees: it never overwrites anything; SQLite's write lock keeps it and the controller apart.
//! Assumptions: the archive's schema is this version's, and whoever calls has looked at both sides.
//! On a crash: the event is there or it is not.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use slipway_domain::event::{Action, Detail, Event, ResourceType, Source};
use slipway_domain::name::{Actor, Note, Uid};

use crate::chain::{Entry, Tail, last_seq};
use crate::connect::{self, OpenError};
use crate::hash;
use crate::head::Head;
use crate::identity::recognised;
use crate::meta;
use crate::query::{self, HeadStatus};
use crate::record::RecordError;

/// The object whose side is adopted, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedObject {
    /// Its uid.
    pub uid: Uid,
    /// A Deployment or an Environment.
    pub resource_type: ResourceType,
    /// Its namespace and name, joined by `/`.
    pub resource_name: String,
    /// The Environment's project.
    pub project_id: String,
    /// The Environment's team.
    pub team_id: String,
    /// The Environment's name.
    pub environment_id: String,
    /// The status it is in, in the archive's words.
    pub status: String,
    /// The number of the last event in its journal, or that it knows to be archived.
    pub seq: u64,
}

/// What is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One object and its history.
    Object(AdoptedObject),
    /// The archive itself, which is older than the head the cluster remembers, or another one.
    Archive {
        /// The head that is lost.
        lost: Head,
    },
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// About what.
    pub target: Target,
    /// By whom.
    pub actor: Actor,
    /// Why.
    pub note: Note,
    /// Through which tool.
    pub source: Source,
    /// When.
    pub at: Timestamp,
}

/// The decision, recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The event that was appended. Its `seq` is what the object continues from.
    pub event: Event,
    /// Where the history ends now.
    pub head: Head,
}

/// Why a decision was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The archive could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The event could not be stored.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The head is part of the history.
    #[error("nothing to adopt: {head} is part of this archive's history")]
    Contained {
        /// The head.
        head: Head,
    },
    /// It has been adopted before.
    #[error("nothing to adopt: row {row} of this archive already says that {head} is lost")]
    AlreadyAdopted {
        /// The head.
        head: Head,
        /// The row of the event.
        row: u64,
    },
    /// An archive is not an object.
    #[error("the archive is adopted by the head it has lost, not as an object")]
    NotAnObject,
}

impl From<rusqlite::Error> for AdoptError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Record(error.into())
    }
}

/// Appends the decision to the archive at `path`, which a controller may have open. Blocks on the disk.
pub fn adopt(path: &Path, adoption: Adoption) -> Result<Adopted, AdoptError> {
    let mut connection = connect::writer(path, false)?;
    connect::current(path, recognised(path, &connection)?)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let event = event(path, &transaction, adoption)?;
    let mut tail = Tail::read(&transaction)?;
    let entry = Entry::new(event)?;
    entry.append(&transaction, &mut tail)?;
    transaction.commit()?;
    Ok(Adopted { event: entry.event, head: Head { row: tail.row.cast_unsigned(), hash: hash::digest(&tail.hash) } })
}

fn event(path: &Path, connection: &Connection, adoption: Adoption) -> Result<Event, AdoptError> {
    let Adoption { target, actor, note, source, at } = adoption;
    let meta = meta::read(connection).map_err(|source| OpenError::Damaged { path: path.to_owned(), source })?;
    let mut detail = Detail::from([
        ("note".to_owned(), note.as_str().to_owned()),
        ("reason".to_owned(), "audit_diverged".to_owned()),
    ]);
    let (action, object) = match target {
        Target::Object(object) => {
            let action = match object.resource_type {
                ResourceType::Deployment => Action::ReleaseAdopted,
                ResourceType::Environment => Action::EnvironmentAdopted,
                ResourceType::Archive => return Err(AdoptError::NotAnObject),
            };
            detail.insert("objectSeq".to_owned(), object.seq.to_string());
            (action, object)
        }
        Target::Archive { lost } => {
            not_here(connection, &meta.installation, &lost)?;
            detail.insert("lostHead".to_owned(), lost.to_string());
            (Action::ArchiveAdopted, archive(meta.installation))
        }
    };
    let archived = last_seq(connection, object.uid.as_str())?;
    detail.insert("archiveSeq".to_owned(), archived.to_string());
    let newest = archived.max(object.seq);
    let too_large = RecordError::TooLarge { number: newest };
    let seq = newest.checked_add(1).filter(|seq| i64::try_from(*seq).is_ok()).ok_or(too_large)?;
    Ok(Event {
        event_id: Event::id(&object.uid, seq),
        seq,
        epoch: meta.epoch,
        action,
        resource_type: object.resource_type,
        resource_id: object.uid,
        resource_name: object.resource_name,
        project_id: object.project_id,
        team_id: object.team_id,
        environment_id: object.environment_id,
        actor_id: actor,
        source,
        status: object.status,
        occurred_at: at,
        detail,
    })
}

fn not_here(connection: &Connection, installation: &Uid, lost: &Head) -> Result<(), AdoptError> {
    match query::head_status(connection, installation, lost)? {
        HeadStatus::Contained => Err(AdoptError::Contained { head: lost.clone() }),
        HeadStatus::Adopted { row } => Err(AdoptError::AlreadyAdopted { head: lost.clone(), row }),
        HeadStatus::Lost { .. } => Ok(()),
    }
}

/// The archive as the resource of its own events.
fn archive(installation: Uid) -> AdoptedObject {
    AdoptedObject {
        uid: installation,
        resource_type: ResourceType::Archive,
        resource_name: "archive".to_owned(),
        project_id: String::new(),
        team_id: String::new(),
        environment_id: String::new(),
        status: "adopted".to_owned(),
        seq: 0,
    }
}

#[cfg(test)]
mod tests {
    use slipway_domain::digest::Digest;

    use super::*;
    use crate::fixture::{self, Place, deployment, event, step, uid};
    use crate::{Archive, DeploymentRow, Options, Proof, Record, Row, verify};

    fn object(seq: u64) -> Target {
        let event = event("dep-1", 1);
        Target::Object(AdoptedObject {
            uid: event.resource_id,
            resource_type: event.resource_type,
            resource_name: event.resource_name,
            project_id: event.project_id,
            team_id: event.team_id,
            environment_id: event.environment_id,
            status: "started".to_owned(),
            seq,
        })
    }

    fn adoption(target: Target) -> Adoption {
        Adoption {
            target,
            actor: "bob@example.com".parse().unwrap(),
            note: "etcd was restored".parse().unwrap(),
            source: Source::Kubectl,
            at: fixture::at(9),
        }
    }

    #[tokio::test]
    async fn an_adoption_is_an_event_after_both_sides_while_the_controller_runs() {
        for (object_seq, expected) in [(2, 5), (4, 5), (9, 10)] {
            let place = Place::new();
            let archive = Archive::open(&place.path, Options { exclusive: true, ..Options::default() }).unwrap();
            for seq in 1..=4 {
                archive.record(step("dep-1", seq)).await.unwrap();
            }
            let adopted = adopt(&place.path, adoption(object(object_seq))).unwrap();
            assert_eq!(adopted.event.seq, expected);
            assert_eq!(adopted.event.action, Action::ReleaseAdopted);
            let detail = |key: &str| adopted.event.detail.get(key).map(String::as_str);
            assert_eq!(detail("note"), Some("etcd was restored"));
            assert_eq!(detail("reason"), Some("audit_diverged"));
            assert_eq!((detail("objectSeq"), detail("archiveSeq")), (Some(&*object_seq.to_string()), Some("4")));
            assert_eq!(archive.last_event(&uid("dep-1")).await.unwrap().as_ref(), Some(&adopted.event));
            assert_eq!(archive.head().await.unwrap(), Some(adopted.head));
            // The controller's writer goes on from there, with the object as it stands.
            let row = DeploymentRow { seq: expected, ..deployment("dep-1", 5) };
            archive.record(Record { row: Some(Row::Deployment(row)), ..Record::default() }).await.unwrap();
            let mut next = event("dep-1", 6);
            next.seq = expected + 1;
            next.event_id = Event::id(&next.resource_id, next.seq);
            let row = DeploymentRow { seq: expected + 1, ..deployment("dep-1", 6) };
            let record = Record { events: vec![next], row: Some(Row::Deployment(row)), ..Record::default() };
            archive.record(record).await.unwrap();
            archive.close().await.unwrap();
            assert_eq!(verify(&place.path, &Proof::default()).unwrap().rows, 6);
        }
    }

    #[tokio::test]
    async fn an_object_that_the_archive_never_knew_can_be_adopted() {
        let place = Place::new();
        let archive = place.open();
        assert_eq!(adopt(&place.path, adoption(object(7))).unwrap().event.event_id, "dep-1/8");
        archive.close().await.unwrap();
        verify(&place.path, &Proof::default()).unwrap();
    }

    #[tokio::test]
    async fn an_archive_that_lost_its_head_is_adopted_once_and_says_so() {
        let place = Place::new();
        let archive = place.open();
        archive.record(step("dep-1", 1)).await.unwrap();
        let here = archive.head().await.unwrap().unwrap();
        let lost = Head { row: 40, hash: Digest::of(b"lost") };
        assert_eq!(archive.head_status(here.clone()).await.unwrap(), HeadStatus::Contained);
        assert_eq!(archive.head_status(lost.clone()).await.unwrap(), HeadStatus::Lost { here: Some(here.clone()) });
        let adopted = adopt(&place.path, adoption(Target::Archive { lost: lost.clone() })).unwrap();
        assert_eq!(adopted.event.resource_id, *archive.installation_id());
        assert_eq!(adopted.event.detail.get("lostHead"), Some(&lost.to_string()));
        assert_eq!(archive.head_status(lost.clone()).await.unwrap(), HeadStatus::Adopted { row: 2 });
        let again = adopt(&place.path, adoption(Target::Archive { lost: lost.clone() })).unwrap_err();
        assert!(matches!(again, AdoptError::AlreadyAdopted { row: 2, .. }), "{again:?}");
        let contained = adopt(&place.path, adoption(Target::Archive { lost: here })).unwrap_err();
        assert!(matches!(contained, AdoptError::Contained { .. }), "{contained:?}");
        let other = Head { row: 1, hash: Digest::of(b"other") };
        adopt(&place.path, adoption(Target::Archive { lost: other })).unwrap();
        archive.record(step("dep-1", 2)).await.unwrap();
        archive.close().await.unwrap();
        assert_eq!(verify(&place.path, &Proof::default()).unwrap().rows, 4);
        // Accepted is not proven: what the head covered is gone.
        assert!(verify(&place.path, &Proof { head: Some(lost), checkpoint_key: None }).is_err());
    }

    #[tokio::test]
    async fn a_number_after_which_none_can_follow_is_refused() {
        let place = Place::new();
        place.open().close().await.unwrap();
        for number in [u64::MAX, i64::MAX.cast_unsigned()] {
            let error = adopt(&place.path, adoption(object(number))).unwrap_err();
            let large = RecordError::TooLarge { number };
            assert!(matches!(&error, AdoptError::Record(error) if error.to_string() == large.to_string()), "{error:?}");
        }
        assert_eq!(verify(&place.path, &Proof::default()).unwrap().rows, 0);
    }

    #[test]
    fn there_is_nothing_to_adopt_where_there_is_no_archive() {
        let place = Place::new();
        let error = adopt(&place.path, adoption(object(1))).unwrap_err();
        assert!(matches!(error, AdoptError::Open(OpenError::Missing { .. })), "{error:?}");
        assert!(!place.path.exists());
    }
}
