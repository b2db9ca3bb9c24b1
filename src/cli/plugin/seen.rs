//! A Deployment as it was read: what a person is shown, and what an entry is added to.

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;
use slipway_crd::Deployment;
use slipway_crd::deployment_status::{DeploymentStatus, Origin, Rollback};
use slipway_domain::phase::Phase;
use slipway_domain::rollback::RollbackState;

use super::access::Access;
use super::refusal;
use crate::Failure;

/// A Deployment, to the letter and as it is understood.
pub(super) struct Seen {
    /// All of it, with what this version does not know.
    pub(super) raw: Value,
    /// What this version knows.
    pub(super) object: Deployment,
}

/// What a reviewer would decide about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// The preview that stands.
    Preview(&'a slipway_crd::preview::Preview),
    /// A rollback that someone asked for.
    Rollback(&'a Rollback),
}

impl Subject<'_> {
    /// What a decision names.
    pub(super) fn reference(self) -> String {
        match self {
            Self::Preview(preview) => preview.reference.clone(),
            Self::Rollback(rollback) => rollback.reference.clone(),
        }
    }
}

impl Seen {
    /// Reads a Deployment.
    pub(super) async fn read(access: &Access, name: &str) -> Result<Self, Failure> {
        let doing = format!("reading {}/{name}", access.namespace);
        Self::of(refusal::asked(&doing, access.raw::<Deployment>().get(name)).await?)
    }

    /// What the API server answered.
    pub(super) fn of(object: DynamicObject) -> Result<Self, Failure> {
        let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        let unread = |error: serde_json::Error| {
            Failure::No(format!(
                "{name} is not what this version of Slipway knows: {error}\nnext: update kubectl-slipway"
            ))
        };
        let raw = serde_json::to_value(object).map_err(unread)?;
        let object = serde_json::from_value(raw.clone()).map_err(unread)?;
        Ok(Self { raw, object })
    }

    /// `shop/web-v1`.
    pub(super) fn name(&self) -> String {
        full_name(&self.object)
    }

    /// The status; that of a Deployment which nobody has looked at yet is empty.
    pub(super) fn status(&self) -> Option<&DeploymentStatus> {
        self.object.status.as_ref()
    }

    /// Where it is in its life.
    pub(super) fn phase(&self) -> Phase {
        phase(&self.object)
    }

    /// What a review would be about now.
    pub(super) fn subject(&self) -> Option<Subject<'_>> {
        let status = self.status()?;
        if let Some(rollback) = awaiting(&self.object) {
            return Some(Subject::Rollback(rollback));
        }
        status.preview.as_ref().map(Subject::Preview)
    }

    /// Whether what a person was shown of `self` is still so in `other`.
    pub(super) fn stands_in(&self, other: &Self) -> bool {
        let preview =
            |seen: &Self| seen.status().and_then(|status| status.preview.clone()).map(|preview| preview.reference);
        let rollback = |seen: &Self| {
            seen.status()
                .and_then(|status| status.rollback.clone())
                .map(|rollback| (rollback.reference, rollback.state))
        };
        self.object.uid() == other.object.uid() && preview(self) == preview(other) && rollback(self) == rollback(other)
    }
}

/// `shop/web-v1`.
pub(super) fn full_name(object: &Deployment) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// `-n shop web-v1`, as commands take it.
pub(super) fn who(object: &Deployment) -> String {
    let place = object.namespace().map(|namespace| format!("-n {namespace} ")).unwrap_or_default();
    format!("{place}{}", object.name_any())
}

/// Where a Deployment is in its life.
pub(super) fn phase(object: &Deployment) -> Phase {
    object.status.as_ref().map_or(Phase::Pending, |status| status.phase)
}

/// A rollback by hand that nobody has taken up yet: it waits for its review, or for its turn.
pub(super) fn awaiting(object: &Deployment) -> Option<&Rollback> {
    let rollback = object.status.as_ref()?.rollback.as_ref()?;
    let open = rollback.state == RollbackState::Requested && rollback.origin == Origin::Manual;
    (open && !rollback.reference.is_empty()).then_some(rollback)
}

/// Why someone asked for a rollback by hand.
pub(super) fn rollback_note<'a>(object: &'a Deployment, rollback: &Rollback) -> Option<&'a str> {
    let asked = object.spec.rollbacks.iter().find(|asked| asked.id == rollback.id)?;
    Some(&asked.note)
}

/// `from release web-v2 back to web-v1`.
pub(super) fn way_back(object: &Deployment, rollback: &Rollback) -> String {
    let to = rollback.to_release.as_ref().map_or("an earlier release", |to| &to.name);
    format!("from release {} back to {to}", release(object).unwrap_or("-"))
}

/// Why nothing goes on until someone does something: the reason and the message, if that is so. What was said before the
/// controller saw the newest entry is not counted.
pub(super) fn stalled(object: &Deployment) -> Option<(&str, &str)> {
    let status = object.status.as_ref()?;
    let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled")?;
    let is = stalled.status == "True" && status.observed_generation == object.metadata.generation;
    is.then_some((&*stalled.reason, &*stalled.message))
}

/// The reason and the message of a condition.
pub(super) fn condition<'a>(object: &'a Deployment, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = &object.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((&found.reason, &found.message))
}

/// The release or the version that a Deployment puts in place, where it names one.
pub(super) fn release(object: &Deployment) -> Option<&str> {
    use slipway_crd::operation::{Deploy, Operation};
    match &object.spec.operation {
        Operation::Deploy(Deploy::ReleaseRef(release)) => Some(&release.name),
        Operation::Deploy(Deploy::Version(version)) => Some(version),
        Operation::Rollback(rollback) => Some(&rollback.to_release_ref.name),
        Operation::Update(_) | Operation::Promote(_) | Operation::Restore(_) | Operation::Bootstrap(_) => None,
    }
}

/// What a Deployment does, in a word.
pub(super) fn operation(object: &Deployment) -> &'static str {
    use slipway_crd::operation::Operation;
    match &object.spec.operation {
        Operation::Deploy(_) => "deploy",
        Operation::Update(_) => "update",
        Operation::Promote(_) => "promote",
        Operation::Restore(_) => "restore",
        Operation::Rollback(_) => "rollback",
        Operation::Bootstrap(_) => "bootstrap",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(uid: &str, preview: &str, rollback: Option<&str>, note: &str) -> Seen {
        let mut raw = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": uid},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web"}}},
                "reviews": [{"reviewer": "dora", "decision": "Approve", "previewRef": "1-a", "note": note}],
            },
            "status": {
                "phase": "PendingApproval", "audit": {"seq": 1, "epoch": 1, "auditedSeq": 1},
                "preview": {
                    "ref": preview, "digest": "a", "at": "2026-01-01T00:00:00Z", "risk": "Low", "summary": "1 to add",
                    "changes": {"counts": {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}},
                },
            },
        });
        if let Some(state) = rollback {
            raw["status"]["rollback"] = json!({
                "id": "r", "origin": "Manual", "actor": "eve", "state": state, "ref": "rollback-r-x",
                "requestedAt": "2026-01-01T00:00:00Z",
            });
        }
        let object = serde_json::from_value(raw.clone()).unwrap();
        Seen { raw, object }
    }

    #[test]
    fn what_was_shown_stands_while_preview_and_rollback_do() {
        let shown = seen("u", "1-a", Some("Requested"), "first");
        assert!(shown.stands_in(&seen("u", "1-a", Some("Requested"), "another review came")));
        assert!(!shown.stands_in(&seen("u", "2-b", Some("Requested"), "first")), "previewed anew");
        assert!(!shown.stands_in(&seen("other", "1-a", Some("Requested"), "first")), "another object of this name");
        assert!(!shown.stands_in(&seen("u", "1-a", Some("Running"), "first")), "the rollback is under way");
        assert!(!shown.stands_in(&seen("u", "1-a", None, "first")));
    }

    #[test]
    fn a_rollback_that_waits_is_what_a_review_is_about() {
        let reference = |seen: &Seen| seen.subject().map(Subject::reference);
        assert_eq!(reference(&seen("u", "1-a", Some("Requested"), "")).as_deref(), Some("rollback-r-x"));
        assert_eq!(reference(&seen("u", "1-a", Some("Rejected"), "")).as_deref(), Some("1-a"));
        assert_eq!(reference(&seen("u", "1-a", None, "")).as_deref(), Some("1-a"));
    }
}
