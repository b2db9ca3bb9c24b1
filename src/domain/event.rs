//! An event is one immutable line of history: exactly one for each accepted action and each transition.
//!
//! Its bytes are the same wherever it is kept (an object's journal, the archive, an export), because every field is a
//! text, a number or a sorted map of texts. The archive's chain hashes [`Event::canonical`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{Actor, Uid};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one, in the order they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in events, the archive and the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(UnknownWord { kind: stringify!($name), word: other.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use words;

/// A word that is not in its vocabulary, for instance written by a newer Slipway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a known {kind}")]
pub struct UnknownWord {
    /// The vocabulary.
    pub kind: &'static str,
    /// What stood there.
    pub word: String,
}

words! {
    /// What happened.
    Action {
        /// A Deployment was accepted.
        ReleaseCreated = "release.created",
        /// A preview was computed, or computed anew.
        ReleasePreviewed = "release.previewed",
        /// Someone, or the policy, confirmed the preview.
        ReleaseConfirmed = "release.confirmed",
        /// The ticket for review was opened.
        ReleasePendingApproval = "release.pending_approval",
        /// A reviewer approved.
        ReleaseApproved = "release.approved",
        /// A reviewer rejected.
        ReleaseRejected = "release.rejected",
        /// A runtime began.
        ReleaseApplying = "release.applying",
        /// The release runs and is healthy.
        ReleaseApplied = "release.applied",
        /// The release could not be applied, or is unhealthy.
        ReleaseFailed = "release.failed",
        /// Someone, or the health gate, asked for the release before this one.
        ReleaseRollbackRequested = "release.rollback_requested",
        /// A rollback that was asked for cannot be made.
        ReleaseRollbackRefused = "release.rollback_refused",
        /// The release before this one runs again.
        ReleaseRollbackCompleted = "release.rollback_completed",
        /// The release before this one could not be brought back.
        ReleaseRollbackFailed = "release.rollback_failed",
        /// Someone stopped it.
        ReleaseAborted = "release.aborted",
        /// The object was deleted after its end.
        ReleaseDeleted = "release.deleted",
        /// A review came after what it judged had changed or ended.
        ReleaseReviewVoid = "release.review_void",
        /// A recreated object took the outcome recorded for its twin, or a person settled a divergence.
        ReleaseAdopted = "release.adopted",
        /// Someone skipped the review.
        ReleaseBreakGlass = "release.break_glass",
        /// A reviewer looked at what had skipped review.
        ReleaseBreakGlassReviewed = "release.break_glass_reviewed",
        /// Someone went ahead during a freeze.
        ReleaseFreezeOverridden = "release.freeze_overridden",
        /// An Environment was accepted.
        EnvironmentCreated = "environment.created",
        /// Its policy, runtime or checks changed.
        EnvironmentPolicyChanged = "environment.policy_changed",
        /// It was deleted.
        EnvironmentDeleted = "environment.deleted",
        /// Someone freed it after a failure.
        EnvironmentReset = "environment.reset",
        /// A reset named what had not failed, or nobody can tell whose it is.
        EnvironmentResetVoid = "environment.reset_void",
        /// A person settled a divergence between object and archive.
        EnvironmentAdopted = "environment.adopted",
        /// The holder of its claim vanished and the outcome is not known.
        EnvironmentOutcomeUnknown = "environment.outcome_unknown",
        /// A person accepted an archive that is older than the head that was last seen.
        ArchiveAdopted = "archive.adopted",
    }
}

words! {
    /// What kind of resource an event is about.
    ResourceType {
        /// A Deployment.
        Deployment = "deployment",
        /// An Environment.
        Environment = "environment",
        /// The archive itself.
        Archive = "archive",
    }
}

words! {
    /// Which tool the request seems to have come through. A claim, taken from the field manager.
    Source {
        /// kubectl.
        Kubectl = "kubectl",
        /// Flux, Argo CD and their like.
        Gitops = "gitops",
        /// Slipway's REST API.
        Rest = "rest",
        /// The browser.
        Ui = "ui",
        /// An assistant.
        Ai = "ai",
        /// The controller.
        Controller = "controller",
    }
}

/// What else is worth knowing about an event. Texts only, so that the bytes never depend on how a number is written.
pub type Detail = BTreeMap<String, String>;

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// The resource's uid and `seq`, joined by `/`.
    pub event_id: String,
    /// The number of this event in the history of its resource, from 1, without gaps.
    pub seq: u64,
    /// The term of the controller that wrote it.
    pub epoch: u64,
    /// What happened.
    pub action: Action,
    /// What it happened to.
    pub resource_type: ResourceType,
    /// The uid of that resource.
    pub resource_id: Uid,
    /// Its namespace and name, joined by `/`, as a person would look for it.
    pub resource_name: String,
    /// The Environment's project; empty while no Environment is known.
    pub project_id: String,
    /// The Environment's team; empty while no Environment is known.
    pub team_id: String,
    /// The name of the Environment.
    pub environment_id: String,
    /// Who did it.
    pub actor_id: Actor,
    /// Through which tool, as far as that is known.
    pub source: Source,
    /// The status of the resource after it, in the archive's words.
    pub status: String,
    /// When.
    pub occurred_at: Timestamp,
    /// What else is worth knowing.
    #[serde(default)]
    pub detail: Detail,
}

impl Event {
    /// The id of event number `seq` of `resource`.
    pub fn id(resource: &Uid, seq: u64) -> String {
        format!("{resource}/{seq}")
    }

    /// The bytes that are hashed, stored and exported: compact JSON with the fields in the order of this struct.
    pub fn canonical(&self) -> String {
        // A struct of texts, numbers and a map with text keys cannot fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_own_bytes() {
        let event = Event {
            event_id: "u-1/1".into(),
            seq: 1,
            epoch: 3,
            action: Action::ReleaseCreated,
            resource_type: ResourceType::Deployment,
            resource_id: "u-1".parse().unwrap(),
            resource_name: "shop/web-v1".into(),
            project_id: "shop".into(),
            team_id: "web".into(),
            environment_id: "production".into(),
            actor_id: "alice@example.com".parse().unwrap(),
            source: Source::Kubectl,
            status: "pending".into(),
            occurred_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            detail: Detail::from([("note".into(), "line one\nline two \u{2028}".into())]),
        };
        let bytes = event.canonical();
        let back: Event = serde_json::from_str(&bytes).unwrap();
        assert_eq!(back, event);
        assert_eq!(back.canonical(), bytes);
    }

    #[test]
    fn every_word_reads_back() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse::<Action>().unwrap(), *action);
        }
    }
}
