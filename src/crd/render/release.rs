//! The status of a Release.

use jiff::Timestamp;
use slipway_domain::digest::Digest;

use super::conditions::{Conditions, State};
use crate::{Release, ReleaseStatus};

/// Renders the status of a Release whose content has this digest; `held` is who keeps it from being deleted.
pub fn release(digest: &Digest, wire: &Release, held: Option<&str>, now: Timestamp) -> ReleaseStatus {
    let generation = wire.metadata.generation;
    let before = wire.status.as_ref();
    let stood = before.map_or(&[][..], |before| &before.conditions);
    let mut conditions = Conditions::new(stood, generation, now);
    let conditions = match held {
        None => conditions.summary(State::Current, "Known", ""),
        Some(who) => conditions.summary(
            State::Current,
            "InUse",
            &format!("it is deleted once {who} neither waits for it, nor runs it, nor can go back to it"),
        ),
    };
    ReleaseStatus {
        digest: Some(digest.to_string()),
        revision: before.and_then(|before| before.revision.clone()),
        observed_generation: generation,
        conditions: conditions.list(),
    }
}
