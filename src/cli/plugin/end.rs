//! Whether a Deployment has ended, and how.

use slipway_crd::Deployment;
use slipway_domain::phase::Phase;

use super::seen;

/// How a Deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// What was asked is so.
    Well,
    /// It is not.
    Badly,
}

/// How it ended, once nothing more is under way or asked for.
pub(super) fn of(object: &Deployment) -> Option<End> {
    let phase = seen::phase(object);
    let end = match phase {
        Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved | Phase::Applying => return None,
        Phase::Succeeded => End::Well,
        Phase::Failed | Phase::RolledBack | Phase::Rejected | Phase::Aborted => End::Badly,
    };
    (phase.terminal() || !rolling_back(object)).then_some(end)
}

/// A rollback is asked for or under way.
fn rolling_back(object: &Deployment) -> bool {
    let Some(status) = &object.status else { return false };
    let newest = status.rollback.as_ref();
    let known = |id: &String| status.handled_rollbacks.contains(id) || newest.is_some_and(|newest| newest.id == *id);
    newest.is_some_and(|newest| newest.state.open()) || object.spec.rollbacks.iter().any(|asked| !known(&asked.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(phase: &str, asked: &Value, rollback: &Value, handled: &Value) -> Option<End> {
        let mut object = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"},
                "operation": {"deploy": {"releaseRef": {"name": "web"}}},
                "workReferences": ["1"], "rollbackPlan": "none", "rollbacks": asked,
            },
            "status": {
                "phase": phase, "handledRollbacks": handled, "audit": {"seq": 1, "epoch": 1, "auditedSeq": 1},
            },
        });
        if !rollback.is_null() {
            object["status"]["rollback"] = rollback.clone();
        }
        of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn an_end_is_one_when_no_rollback_follows() {
        let none = &json!([]);
        let asked = &json!([{"id": "a", "actor": "eve", "note": "slow"}]);
        let rollback = |id: &str, state: &str| json!({"id": id, "origin": "Manual", "state": state, "requestedAt": "2026-01-01T00:00:00Z"});
        for phase in ["Pending", "Previewed", "PendingApproval", "Approved", "Applying"] {
            assert_eq!(read(phase, none, &json!(null), none), None, "{phase}");
        }
        assert_eq!(read("Succeeded", none, &json!(null), none), Some(End::Well));
        assert_eq!(read("Failed", none, &rollback("automatic", "Running"), none), None);
        assert_eq!(read("Failed", none, &rollback("automatic", "Failed"), none), Some(End::Badly));
        assert_eq!(read("Succeeded", asked, &json!(null), none), None, "nobody has looked at the rollback yet");
        assert_eq!(read("Succeeded", asked, &rollback("a", "Requested"), none), None);
        assert_eq!(read("Succeeded", asked, &rollback("a", "Rejected"), &json!(["a"])), Some(End::Well));
        assert_eq!(read("RolledBack", asked, &rollback("a", "Completed"), none), Some(End::Badly));
    }
}
