//! Conditions as kstatus reads them: `Reconciling` says that it is being worked on, `Stalled` that a person is needed,
//! `Ready` that what was asked is so.
//!
//! The time of a condition moves only when its status does.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::clip;
use crate::condition::Condition;

/// What a condition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// It is so.
    True,
    /// It is not.
    False,
    /// Nobody can tell.
    Unknown,
}

impl From<bool> for Is {
    fn from(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }
}

impl Is {
    fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A list of conditions being made, beside the one that stands.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    before: &'a [Condition],
    generation: Option<i64>,
    now: Time,
    list: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(before: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        // Kubernetes writes these times in whole seconds; what is read back must be what was written.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self { before, generation, now: Time(now), list: Vec::new() }
    }

    pub(super) fn set(&mut self, kind: &str, is: impl Into<Is>, reason: &str, message: &str) -> &mut Self {
        let status = is.into().as_str();
        let since = self
            .before
            .iter()
            .find(|before| before.type_ == kind && before.status == status)
            .map_or_else(|| self.now.clone(), |before| before.last_transition_time.clone());
        self.list.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: clip(message),
            last_transition_time: since,
            observed_generation: self.generation,
        });
        self
    }

    /// The three that every tool looks at. Of `Reconciling` and `Stalled` at most one is true.
    pub(super) fn summary(&mut self, state: State, reason: &str, message: &str) -> &mut Self {
        self.set("Ready", state == State::Current, reason, message)
            .set("Reconciling", state == State::InProgress, reason, message)
            .set("Stalled", state == State::Failed, reason, message)
    }

    pub(super) fn list(&mut self) -> Vec<Condition> {
        std::mem::take(&mut self.list)
    }
}

/// What kstatus makes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// What was asked is so.
    Current,
    /// It is being worked on.
    InProgress,
    /// It will not be so unless someone does something.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_moves_only_with_the_status() {
        let first = Conditions::new(&[], Some(1), at(10)).set("Ready", false, "Queued", "second in line").list();
        let second = Conditions::new(&first, Some(2), at(20)).set("Ready", false, "Queued", "next in line").list();
        let third = Conditions::new(&second, Some(2), at(30)).set("Ready", true, "Succeeded", "").list();
        assert_eq!(second[0].last_transition_time.0, at(10));
        assert_eq!((second[0].observed_generation, second[0].message.as_str()), (Some(2), "next in line"));
        assert_eq!(third[0].last_transition_time.0, at(30));
    }
}
