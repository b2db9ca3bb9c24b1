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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, deployment_in, uid};
    use crate::phase::Phase;

    fn waiting(who: &str, minutes: i64) -> Waiting {
        Waiting { uid: uid(who), name: who.to_owned(), approved_at: at(minutes) }
    }

    fn first(queue: &[Waiting], since: Option<i64>) -> Option<&str> {
        let mut deployment = deployment_in(Phase::Approved);
        deployment.status.approved_at = since.map(at);
        ahead(queue, &deployment).map(|waiting| waiting.name.as_str())
    }

    #[test]
    fn the_one_that_was_approved_first_goes_first() {
        let queue = [waiting("d5", 2), waiting("d4", 1), waiting("d2", 3)];
        assert_eq!(first(&queue, Some(3)), Some("d4"));
        assert_eq!(first(&queue, Some(0)), None);
    }

    #[test]
    fn of_two_approved_at_the_same_time_the_lower_uid_goes_first() {
        assert_eq!(first(&[waiting("d1", 3)], Some(3)), Some("d1"));
        assert_eq!(first(&[waiting("d3", 3)], Some(3)), None);
    }

    #[test]
    fn who_is_not_in_the_queue_yet_goes_last() {
        assert_eq!(first(&[waiting("d9", 99)], None), Some("d9"));
        assert_eq!(first(&[], None), None);
    }
}
