//! Whether a Deployment has ended, and how; or whether it stands still until someone does something.

use slipway_crd::Deployment;
use slipway_domain::phase::Phase;

use super::table::plain;
use super::{hint, seen};
use crate::Failure;

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
    let newest = object.status.as_ref().and_then(|status| status.rollback.as_ref());
    newest.is_some_and(|newest| newest.state.open()) || unheard(object)
}

/// A rollback is asked for, and the controller has not taken note of it.
pub(super) fn unheard(object: &Deployment) -> bool {
    let status = object.status.as_ref();
    let newest = status.and_then(|status| status.rollback.as_ref());
    let handled = |id: &String| status.is_some_and(|status| status.handled_rollbacks.contains(id));
    let known = |id: &String| handled(id) || newest.is_some_and(|newest| newest.id == *id);
    object.spec.rollbacks.iter().any(|asked| !known(&asked.id))
}

/// Why it stands still, and what to do, where only a person or another object can help.
pub(super) fn stalled(object: &Deployment) -> Option<Failure> {
    if of(object).is_some() {
        return None;
    }
    let (reason, message) = seen::stalled(object)?;
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let wrong = object.status.as_ref().and_then(|status| status.diagnostics.as_ref());
    let code = wrong.map(|wrong| format!(" [{}]", wrong.code)).unwrap_or_default();
    let next = wrong.and_then(|wrong| hint::of(&wrong.code, object));
    let next = next.as_deref().unwrap_or("do what it says; it goes on by itself then");
    Some(Failure::No(format!(
        "{name} stands still, {reason}{code}: {}\nnext: {next}; where that is no use, `kubectl slipway abort {} -m WHY` \
         and create another Deployment",
        plain(message),
        seen::who(object)
    )))
}

/// Who has to do what before anything goes on, where that is so: what was said before the controller saw the newest entry is
/// not counted, and nor is a review that has been given and not yet followed.
pub(super) fn waits_for_people(object: &Deployment) -> Option<Failure> {
    let status = object.status.as_ref()?;
    if status.observed_generation != object.metadata.generation {
        return None;
    }
    let (reason, message) = seen::condition(object, "Ready")?;
    let who = seen::who(object);
    let approval = status.approval.as_ref();
    let short = || approval.is_none_or(|approval| approval.count.unwrap_or(0) < approval.required.unwrap_or(1));
    let judged = |reference: &str| {
        approval.is_some_and(|approval| approval.approvals.iter().any(|review| review.preview_ref == reference))
    };
    let next = match (status.phase, reason) {
        (Phase::Previewed, "ConfirmationRequired") => {
            format!("whoever may deploy there: `kubectl slipway confirm {who}`")
        }
        (Phase::PendingApproval, "ReviewRequired") if short() => {
            format!("someone else who may approve there: `kubectl slipway approve {who}`, or `reject` with a note")
        }
        // Where people do the work, this is the wait for its beginning.
        (Phase::Approved, "InProgress") => format!("whoever does the work: `kubectl slipway start {who}`"),
        (_, "ReviewRequired") if seen::awaiting(object).is_some_and(|rollback| !judged(&rollback.reference)) => {
            format!("someone else who may approve there: `kubectl slipway approve {who}` agrees to the rollback")
        }
        _ => return None,
    };
    let name = seen::full_name(object);
    let message = plain(message);
    Some(Failure::No(format!(
        "{name} is {}, and goes on only when somebody acts: {message}\nnext: {next}; then `kubectl slipway watch {who}` again",
        status.phase
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn waits(status: &Value) -> Option<String> {
        let mut object = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "generation": 2},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web"}}},
            },
            "status": status,
        });
        object["status"]["audit"] = json!({"seq": 1, "epoch": 1, "auditedSeq": 1});
        waits_for_people(&serde_json::from_value(object).unwrap()).map(|failure| failure.to_string())
    }

    #[test]
    fn who_has_to_act_is_told_once_the_newest_entry_was_seen() {
        let at = |phase: &str, reason: &str, seen: u32| {
            json!({
                "phase": phase, "observedGeneration": seen,
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": reason, "message": "waits",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            })
        };
        for (phase, reason, word) in [
            ("Previewed", "ConfirmationRequired", "confirm"),
            ("PendingApproval", "ReviewRequired", "approve"),
            ("Approved", "InProgress", "start"),
        ] {
            let said = waits(&at(phase, reason, 2)).unwrap();
            assert!(said.contains(&format!("`kubectl slipway {word} -n shop web`")), "{said}");
            assert_eq!(waits(&at(phase, reason, 1)), None, "{phase}: somebody has said something since");
        }
        for (phase, reason) in [("Previewed", "Queued"), ("Applying", "InProgress"), ("Approved", "Frozen")] {
            assert_eq!(waits(&at(phase, reason, 2)), None, "{phase} {reason}");
        }
        let mut enough = at("PendingApproval", "ReviewRequired", 2);
        enough["approval"] = json!({"required": 1, "count": 1});
        assert_eq!(waits(&enough), None, "it goes on in a moment");
    }

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
