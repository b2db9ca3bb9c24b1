//! The status of a Release.

use jiff::Timestamp;
use slipway_domain::digest::Digest;

use super::conditions::{Conditions, State};
use crate::{Release, ReleaseStatus};

/// Renders the status of a Release whose content has this digest.
pub fn release(digest: &Digest, wire: &Release, now: Timestamp) -> ReleaseStatus {
    let generation = wire.metadata.generation;
    let before = wire.status.as_ref();
    let stood = before.map_or(&[][..], |before| &before.conditions);
    ReleaseStatus {
        digest: Some(digest.to_string()),
        revision: before.and_then(|before| before.revision.clone()),
        observed_generation: generation,
        conditions: Conditions::new(stood, generation, now).summary(State::Current, "Known", "").list(),
    }
}
