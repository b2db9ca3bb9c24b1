//! A policy is complete before anyone asks it: the tier gives every default, the Environment overrides single fields.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::environment::RuntimeKind;
use crate::event::UnknownWord;
use crate::event::words;
use std::fmt;
use std::str::FromStr;

words! {
    /// How much harm a mistake could do.
    Tier {
        /// One's own.
        Development = "development",
        /// Shared, but not with customers.
        Staging = "staging",
        /// With customers.
        Production = "production",
    }
}

/// Who confirms a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Confirm {
    /// The controller, at once.
    Auto,
    /// A person.
    Manual,
}

/// What happens to a release that turned out unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnFailure {
    /// The release before it is brought back.
    Rollback,
    /// It is kept as it is, for a person to look at.
    Hold,
}

/// When and how often a change needs a second pair of eyes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Whether review is needed at all.
    pub required: bool,
    /// How many approvals; 0 when none is required.
    pub count: u32,
    /// How long a ticket is good for, from its opening to the claim.
    pub expires_after: Option<Duration>,
}

/// A time in which nothing starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FreezeWindow {
    /// From this moment on.
    pub start: Timestamp,
    /// Until just before this moment.
    pub end: Timestamp,
    /// Why.
    pub reason: String,
}

/// What an Environment asks of every Deployment to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Review.
    pub approval: Approval,
    /// Confirmation.
    pub confirm: Confirm,
    /// How soon a ticket should be answered.
    pub sla: Option<Duration>,
    /// What happens to an unhealthy release.
    pub on_failure: OnFailure,
    /// When nothing starts.
    pub freeze_windows: Vec<FreezeWindow>,
}

/// What an Environment says itself; everything else comes from its tier.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// `policy.approval.required`
    pub required: Option<bool>,
    /// `policy.approval.count`
    pub count: Option<u32>,
    /// `policy.approval.expiresAfter`
    pub expires_after: Option<Duration>,
    /// `policy.confirm`
    pub confirm: Option<Confirm>,
    /// `policy.sla`
    pub sla: Option<Duration>,
    /// `policy.onFailure`
    pub on_failure: Option<OnFailure>,
    /// `policy.freezeWindows`
    pub freeze_windows: Vec<FreezeWindow>,
}

const HALF_AN_HOUR: Duration = Duration::from_mins(30);
const TWO_HOURS: Duration = Duration::from_hours(2);

impl Policy {
    /// Whether anything waits for a person's word.
    pub fn asks_people(&self) -> bool {
        self.approval.required || self.confirm == Confirm::Manual
    }

    /// The policy of a tier and a runtime, before anything is overridden.
    pub fn default_for(tier: Tier, runtime: RuntimeKind) -> Self {
        let (required, expires_after, confirm, sla) = match tier {
            Tier::Development => (false, None, Confirm::Auto, None),
            Tier::Staging => (false, None, Confirm::Auto, Some(TWO_HOURS)),
            Tier::Production => (true, Some(HALF_AN_HOUR), Confirm::Manual, Some(HALF_AN_HOUR)),
        };
        // Records of what people do by hand are reviewed in every tier, and wait as long as people need.
        let (required, expires_after, confirm) = match runtime {
            RuntimeKind::Manual => (true, None, Confirm::Auto),
            RuntimeKind::Kubernetes | RuntimeKind::Ssh => (required, expires_after, confirm),
        };
        Self {
            approval: Approval { required, count: u32::from(required), expires_after },
            confirm,
            sla,
            on_failure: OnFailure::Rollback,
            freeze_windows: Vec::new(),
        }
    }

    /// The policy in force: the tier's, with what the Environment says itself in its place.
    pub fn effective(tier: Tier, runtime: RuntimeKind, overrides: Overrides) -> Self {
        let default = Self::default_for(tier, runtime);
        let required = overrides.required.unwrap_or(default.approval.required);
        let count = match (required, overrides.count) {
            (false, _) => 0,
            (true, Some(count)) => count.max(1),
            (true, None) => default.approval.count.max(1),
        };
        Self {
            approval: Approval {
                required,
                count,
                expires_after: overrides.expires_after.or(default.approval.expires_after),
            },
            confirm: overrides.confirm.unwrap_or(default.confirm),
            sla: overrides.sla.or(default.sla),
            on_failure: overrides.on_failure.unwrap_or(default.on_failure),
            freeze_windows: overrides.freeze_windows,
        }
    }

    /// The freeze window that is open at `now`; of several the one that ends last.
    pub fn frozen(&self, now: Timestamp) -> Option<&FreezeWindow> {
        self.freeze_windows
            .iter()
            .filter(|window| window.start <= now && now < window.end)
            .max_by_key(|window| window.end)
    }
}

/// How often an attempt is repeated after a failure that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// How many attempts in all, at least 1.
    pub max_attempts: u32,
    /// How long to wait before each further attempt; the last one repeats.
    pub backoff: Vec<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 3, backoff: vec![Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15)] }
    }
}

impl Retry {
    /// How long to wait before attempt `number` (2 is the first repetition); None when there are no more.
    pub fn before(&self, number: u32) -> Option<Duration> {
        if number > self.max_attempts {
            return None;
        }
        let index = usize::try_from(number.saturating_sub(2)).unwrap_or(usize::MAX);
        Some(self.backoff.get(index).or(self.backoff.last()).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_ask_for_what_the_table_says() {
        let policy = |tier| Policy::default_for(tier, RuntimeKind::Kubernetes);
        assert_eq!(policy(Tier::Development).approval.count, 0);
        assert_eq!(policy(Tier::Development).sla, None);
        assert_eq!(policy(Tier::Staging).confirm, Confirm::Auto);
        assert_eq!(policy(Tier::Staging).sla, Some(TWO_HOURS));
        let production = policy(Tier::Production);
        assert_eq!((production.approval.required, production.approval.count), (true, 1));
        assert_eq!(production.approval.expires_after, Some(HALF_AN_HOUR));
        assert_eq!(production.confirm, Confirm::Manual);
    }

    #[test]
    fn a_manual_environment_is_reviewed_in_every_tier_and_never_expires() {
        for tier in Tier::ALL {
            let policy = Policy::default_for(*tier, RuntimeKind::Manual);
            assert_eq!(policy.approval.count, 1, "{tier}");
            assert_eq!(policy.approval.expires_after, None, "{tier}");
            assert_eq!(policy.confirm, Confirm::Auto, "{tier}");
        }
    }

    #[test]
    fn approval_that_is_required_is_at_least_one() {
        let overrides = Overrides { required: Some(true), count: Some(0), ..Overrides::default() };
        assert_eq!(Policy::effective(Tier::Development, RuntimeKind::Kubernetes, overrides).approval.count, 1);
        let overrides = Overrides { required: Some(false), count: Some(3), ..Overrides::default() };
        assert_eq!(Policy::effective(Tier::Production, RuntimeKind::Kubernetes, overrides).approval.count, 0);
    }

    #[test]
    fn back_off_is_one_five_and_fifteen_minutes() {
        let retry = Retry { max_attempts: 5, ..Retry::default() };
        let waits: Vec<_> = (2..=6).map(|number| retry.before(number).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(60), Some(300), Some(900), Some(900), None]);
    }

    #[test]
    fn every_tier_and_runtime_has_the_defaults_of_the_table() {
        let head = "tier         runtime     approvals  expires  confirm  sla   on failure";
        let mut lines = vec![head.to_owned()];
        let time = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{}m", time.as_secs() / 60));
        for tier in Tier::ALL {
            for runtime in [RuntimeKind::Kubernetes, RuntimeKind::Ssh, RuntimeKind::Manual] {
                let policy = Policy::default_for(*tier, runtime);
                lines.push(format!(
                    "{:<12} {:<11} {:<10} {:<8} {:<8} {:<5} {:?}",
                    tier.as_str(),
                    format!("{runtime:?}"),
                    policy.approval.count,
                    time(policy.approval.expires_after),
                    format!("{:?}", policy.confirm),
                    time(policy.sla),
                    policy.on_failure,
                ));
            }
        }
        crate::fixture::golden("policies.txt", &lines);
    }

    #[test]
    fn of_two_open_freeze_windows_the_longer_one_counts() {
        let window = |start, end| FreezeWindow {
            start: crate::fixture::at(start),
            end: crate::fixture::at(end),
            reason: format!("{start}-{end}"),
        };
        let mut policy = Policy::default_for(Tier::Production, RuntimeKind::Kubernetes);
        policy.freeze_windows = vec![window(0, 30), window(10, 60), window(70, 80)];
        let open = |minute| policy.frozen(crate::fixture::at(minute)).map(|window| window.reason.clone());
        assert_eq!(open(-1), None);
        assert_eq!(open(0).as_deref(), Some("0-30"));
        assert_eq!(open(10).as_deref(), Some("10-60"));
        assert_eq!(open(60), None);
        assert_eq!(open(70).as_deref(), Some("70-80"));
    }
}
