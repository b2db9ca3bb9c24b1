//! What happens after a decision, so that nobody waits for the wrong thing.

use slipway_crd::Deployment;
use slipway_domain::phase::Phase;

use super::intent::Intent;
use super::seen;

/// What follows, in a sentence; `who` is `-n shop web-v1`, as commands take it.
pub(super) fn after(intent: Intent, object: &Deployment, who: &str) -> String {
    let status = object.status.as_ref();
    match intent {
        Intent::Confirm => confirmed(object, who),
        Intent::Approve => approved(object, who),
        Intent::Reject if seen::phase(object) != Phase::Rejected => {
            "the rollback is not made, and the release stays as it is".to_owned()
        }
        Intent::Reject => "it has ended as Rejected; to try again, create another Deployment".to_owned(),
        Intent::Start => format!("when the work is done: `kubectl slipway succeed {who}`, or `fail` with a note"),
        Intent::Succeed => "nothing more: it is on record".to_owned(),
        Intent::Fail => format!("`kubectl slipway rollback {who} -m WHY` records that it was undone"),
        Intent::Rollback => rolled_back(object, who),
        Intent::Abort if status.is_some_and(|status| status.started_at.is_some()) => format!(
            "the runtime is stopped, and it ends as Failed; nothing is rolled back by itself: \
             `kubectl slipway rollback {who} -m WHY`"
        ),
        Intent::Abort => "it has ended as Aborted, and nothing was changed".to_owned(),
        Intent::BreakGlass => format!(
            "it starts when its turn comes; someone else looks at it afterwards: `kubectl slipway after-review {who} -m WHAT`"
        ),
        Intent::AfterReview => "it leaves the inbox".to_owned(),
        Intent::OverrideFreeze => format!("the freeze does not hold it any more: `kubectl slipway watch {who}`"),
    }
}

fn confirmed(object: &Deployment, who: &str) -> String {
    if seen::phase(object) != Phase::PendingApproval {
        return starts(who);
    }
    let need = object.status.as_ref().and_then(|status| status.approval.as_ref()?.required).unwrap_or(1);
    let others = if need == 1 { "someone else".to_owned() } else { format!("{need} others") };
    format!("it waits for {others} to approve it: `kubectl slipway approve {who}`")
}

fn approved(object: &Deployment, who: &str) -> String {
    let status = object.status.as_ref();
    if seen::awaiting(object).is_some() {
        return format!("the rollback starts once enough people agree: `kubectl slipway watch {who}`");
    }
    if status.and_then(|status| status.rollback.as_ref()).is_some_and(|rollback| rollback.state.open()) {
        return comes_back(who);
    }
    let approval = status.and_then(|status| status.approval.as_ref());
    match approval.and_then(|approval| Some((approval.count?, approval.required?))) {
        Some((have, need)) if have < need => {
            format!(
                "it has {have} of {need} approvals, so someone else has to approve it too: `kubectl slipway approve {who}`"
            )
        }
        _ => starts(who),
    }
}

fn rolled_back(object: &Deployment, who: &str) -> String {
    let waits = seen::condition(object, "Ready").is_some_and(|(reason, _)| reason == "ReviewRequired");
    match seen::awaiting(object) {
        Some(rollback) if waits => format!(
            "someone else has to agree first: `kubectl slipway approve {who} --ref {}`; `kubectl slipway preview {who}` \
             shows what it would change",
            rollback.reference
        ),
        Some(_) => format!("it begins when its turn comes: `kubectl slipway watch {who}`"),
        None if seen::phase(object) == Phase::RolledBack => "nothing more: it is on record".to_owned(),
        None => comes_back(who),
    }
}

fn starts(who: &str) -> String {
    format!("it starts when its gates open and its turn comes: `kubectl slipway watch {who}`")
}

fn comes_back(who: &str) -> String {
    format!("the release before comes back: `kubectl slipway watch {who}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(intent: Intent, status: &Value) -> String {
        let mut object = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web"}}},
            },
            "status": status,
        });
        object["status"]["audit"] = json!({"seq": 1, "epoch": 1, "auditedSeq": 1});
        after(intent, &serde_json::from_value(object).unwrap(), "WHO")
    }

    fn rollback(state: &str, reason: &str) -> Value {
        json!({
            "phase": "Succeeded",
            "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
            "rollback": {
                "id": "r", "origin": "Manual", "actor": "eve", "state": state, "ref": "rollback-r-x",
                "requestedAt": "2026-01-01T00:00:00Z",
            },
        })
    }

    #[test]
    fn what_follows_depends_on_where_it_stands() {
        let review = |count: u32, required: u32| json!({"phase": "PendingApproval", "approval": {"count": count, "required": required}});
        for (intent, status, words) in [
            (Intent::Confirm, review(0, 1), "someone else to approve it"),
            (Intent::Confirm, review(0, 2), "2 others to approve it"),
            (Intent::Confirm, json!({"phase": "Approved"}), "its turn comes"),
            (Intent::Approve, review(1, 2), "1 of 2 approvals"),
            (Intent::Approve, json!({"phase": "Approved", "approval": {"count": 1, "required": 1}}), "its turn comes"),
            (Intent::Approve, rollback("Requested", "ReviewRequired"), "once enough people agree"),
            (Intent::Approve, rollback("Running", "RollingBack"), "the release before comes back"),
            (Intent::Reject, rollback("Rejected", "Succeeded"), "the rollback is not made"),
            (Intent::Reject, json!({"phase": "Rejected"}), "create another Deployment"),
            (Intent::Rollback, rollback("Requested", "ReviewRequired"), "approve WHO --ref rollback-r-x"),
            (Intent::Rollback, rollback("Requested", "Queued"), "when its turn comes"),
            (Intent::Rollback, rollback("Running", "RollingBack"), "the release before comes back"),
            (Intent::Rollback, json!({"phase": "RolledBack"}), "on record"),
            (Intent::Abort, json!({"phase": "Aborted"}), "nothing was changed"),
            (Intent::Abort, json!({"phase": "Applying", "startedAt": "2026-01-01T00:00:00Z"}), "ends as Failed"),
        ] {
            let said = said(intent, &status);
            assert!(said.contains(words), "{intent:?} {status}: {said}");
        }
    }
}
