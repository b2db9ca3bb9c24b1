//! How a Deployment stands when somebody says something about it.

use serde_json::{Value, json};
use slipway_domain::phase::Phase;

use super::people::{ALICE, BOB, CI, OLGA};
use super::place::Place;

const DIGEST: &str = "3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a";
const THEN: &str = "2026-01-02T03:04:05Z";

/// The preview that stands.
pub fn preview() -> String {
    format!("2-{DIGEST}")
}

/// The one before it.
pub fn old_preview() -> String {
    format!("1-{DIGEST}")
}

/// What a review of the rollback names.
pub fn rollback() -> String {
    format!("rollback-r1-{DIGEST}")
}

/// A phase, and what has been said before.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub name: &'static str,
    pub phase: Phase,
    said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Unseen,
    Approved,
    Rejected,
    BrokenGlass,
    Aborted,
    RollbackAsked,
    RollbackWaits,
    RollbackApproved,
    RollbackRuns,
    RollbackDone,
}

const fn situation(name: &'static str, phase: Phase, said: Said) -> Situation {
    Situation { name, phase, said }
}

pub const SITUATIONS: [Situation; 22] = [
    situation("not seen yet", Phase::Pending, Said::Unseen),
    situation("pending", Phase::Pending, Said::Nothing),
    situation("previewed", Phase::Previewed, Said::Nothing),
    situation("pending approval", Phase::PendingApproval, Said::Nothing),
    situation("… approved by bob", Phase::PendingApproval, Said::Approved),
    situation("… rejected by bob", Phase::PendingApproval, Said::Rejected),
    situation("approved", Phase::Approved, Said::Approved),
    situation("… by broken glass", Phase::Approved, Said::BrokenGlass),
    situation("… and aborted", Phase::Approved, Said::Aborted),
    situation("applying", Phase::Applying, Said::Nothing),
    situation("… rolling back", Phase::Applying, Said::RollbackRuns),
    situation("succeeded", Phase::Succeeded, Said::Nothing),
    situation("… by broken glass", Phase::Succeeded, Said::BrokenGlass),
    situation("… rollback asked", Phase::Succeeded, Said::RollbackAsked),
    situation("… rollback waits", Phase::Succeeded, Said::RollbackWaits),
    situation("… rollback approved", Phase::Succeeded, Said::RollbackApproved),
    situation("failed", Phase::Failed, Said::Nothing),
    situation("… rollback tried", Phase::Failed, Said::RollbackDone),
    situation("rolled back", Phase::RolledBack, Said::RollbackDone),
    situation("rejected", Phase::Rejected, Said::Rejected),
    situation("aborted", Phase::Aborted, Said::Aborted),
    situation("… by its abort", Phase::Failed, Said::Aborted),
];

/// A request: alice asked for it, and ci created it for her.
pub fn request(place: Place, namespace: &str, name: &str) -> Value {
    let deploy = if place.by_hand { json!({"version": "1.2.3"}) } else { json!({"releaseRef": {"name": "web-v1"}}) };
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "service": "web", "environmentRef": {"name": place.name}, "operation": {"deploy": deploy},
            "requester": ALICE, "workReferences": ["https://git.example.com/shop/issues/12"],
            "rollbackPlan": "Re-apply web-v0", "risk": "None known",
        },
    })
}

impl Situation {
    /// What has been said.
    pub fn intents(&self) -> Vec<(&'static str, Value)> {
        let review = |decision: &str, of: String| json!([{"reviewer": BOB, "decision": decision, "previewRef": of, "note": "read it"}]);
        let act = |who: &str| json!({"actor": who, "note": "had to"});
        let asked = || ("rollbacks", json!([{"id": "r1", "actor": OLGA, "note": "errors rise"}]));
        match self.said {
            Said::Nothing | Said::Unseen => vec![],
            Said::Approved => vec![("reviews", review("Approve", preview()))],
            Said::Rejected => vec![("reviews", review("Reject", preview()))],
            Said::BrokenGlass => vec![("breakGlass", act(OLGA))],
            Said::Aborted => vec![("abort", act(ALICE))],
            Said::RollbackAsked | Said::RollbackWaits | Said::RollbackRuns | Said::RollbackDone => vec![asked()],
            Said::RollbackApproved => vec![asked(), ("reviews", review("Approve", rollback()))],
        }
    }

    /// What the controller has written; nothing where it has not looked yet.
    pub fn status(&self, place: Place) -> Option<Value> {
        if self.said == Said::Unseen {
            return None;
        }
        let mut status = json!({"phase": self.phase.as_str(), "audit": {"seq": 9, "epoch": 1, "auditedSeq": 9}});
        if self.phase != Phase::Pending {
            status["preview"] = json!({
                "ref": preview(), "digest": DIGEST, "at": THEN, "risk": "Low", "summary": "1 object added",
                "changes": {"counts": {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}},
            });
        }
        if self.phase == Phase::PendingApproval {
            let required = place.approvals().max(1);
            status["approval"] = json!({"ticket": "t-1", "required": required, "count": 0, "openedAt": THEN});
        }
        if let Some(state) = self.rollback() {
            status["rollback"] = json!({
                "id": "r1", "origin": "Manual", "actor": OLGA, "state": state, "ref": rollback(), "requestedAt": THEN,
            });
            status["handledRollbacks"] = json!(["r1"]);
        }
        Some(status)
    }

    fn rollback(&self) -> Option<&'static str> {
        match self.said {
            Said::RollbackWaits | Said::RollbackApproved => Some("Requested"),
            Said::RollbackRuns => Some("Running"),
            Said::RollbackDone => Some("Failed"),
            _ => None,
        }
    }

    /// The whole object, as the API server would show it.
    pub fn deployment(&self, place: Place, namespace: &str) -> Value {
        let mut object = request(place, namespace, "it");
        object["metadata"]["uid"] = "6f3c1c9e-0000-4000-8000-000000000001".into();
        object["metadata"]["creationTimestamp"] = THEN.into();
        object["spec"]["submittedBy"] = CI.into();
        for (field, value) in self.intents() {
            object["spec"][field] = value;
        }
        if let Some(status) = self.status(place) {
            object["status"] = status;
        }
        object
    }
}
