//! An Environment's queue is computed, never stored: the approved Deployments by time of approval, then uid.

use jiff::Timestamp;

use crate::deployment::Deployment;
use crate::name::Uid;

/// A Deployment that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub uid: Uid,
    /// Its name, for people.
    pub name: String,
    /// Since when.
    pub approved_at: Timestamp,
}

/// The first Deployment in `queue` that goes before `deployment`.
///
/// A Deployment that is not in the queue yet goes after all that are.
pub fn ahead<'q>(queue: &'q [Waiting], deployment: &Deployment) -> Option<&'q Waiting> {
    let own = deployment.status.approved_at.map(|at| (at, &deployment.id.uid));
    queue
        .iter()
        .filter(|waiting| waiting.uid != deployment.id.uid)
        .filter(|waiting| own.is_none_or(|own| (waiting.approved_at, &waiting.uid) < own))
        .min_by_key(|waiting| (waiting.approved_at, waiting.uid.clone()))
}
