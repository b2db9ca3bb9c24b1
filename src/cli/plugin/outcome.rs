//! What the controller made of a decision: it was counted, it counts for nothing, or nobody knows yet.

use slipway_crd::Deployment;
use slipway_crd::deployment_status::{DeploymentStatus, Glass, Rollback};
use slipway_domain::code::Code;
use slipway_domain::phase::Phase;

use super::intent::{Entry, Intent};
use super::{end, hint, seen};
use crate::Failure;

/// How much has to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    /// The controller has taken note.
    Heard,
    /// The Deployment has moved on because of it.
    Moved,
}

/// A decision that the API server has accepted.
pub(super) struct Decision<'a> {
    pub(super) intent: Intent,
    pub(super) entry: Entry<'a>,
    /// The Deployment with the entry, before anybody looked at it.
    pub(super) accepted: &'a Deployment,
}

impl Decision<'_> {
    /// Where the Deployment is by the decision, or why it is not; None while that is not known.
    pub(super) fn outcome(&self, now: &Deployment, far: Far) -> Option<Result<String, Failure>> {
        let status = now.status.as_ref()?;
        if let Some(why) = self.void(now, status).or_else(|| self.not_rolled_back(now, status)) {
            return Some(Err(why));
        }
        let so = match far {
            Far::Heard => self.moved(status) || self.heard(now, status),
            Far::Moved => self.moved(status),
        };
        if so {
            return Some(Ok(self.standing(now, status)));
        }
        end::stalled(now).map(Err)
    }

    /// What was judged had changed or ended before it was counted.
    fn void(&self, now: &Deployment, status: &DeploymentStatus) -> Option<Failure> {
        let Entry { actor, subject, .. } = self.entry;
        if !self.intent.names_subject() {
            return None;
        }
        let name = now.metadata.name.as_deref().unwrap_or_default();
        let voided = format!("{actor}@{subject}");
        if status.approval.as_ref().is_some_and(|approval| approval.voided.contains(&voided)) {
            let own = now.spec.requester.as_deref() == Some(actor);
            let code = if own { Code::SelfApproval } else { Code::PreviewExpired };
            return Some(Failure::No(format!(
                "{name}: this review does not count [{code}]: its history says why\nnext: `kubectl slipway history {}`",
                seen::who(now)
            )));
        }
        let stands = status.preview.as_ref().is_none_or(|preview| preview.reference == subject);
        let anew = self.intent == Intent::Confirm && status.phase == Phase::Previewed && !stands;
        anew.then(|| {
            let code = Code::PreviewExpired;
            Failure::No(format!(
                "{name}: what would be applied has changed before this was counted [{code}]\nnext: {}",
                hint::about(code, now)
            ))
        })
    }

    /// A rollback that was asked for and will not be made.
    fn not_rolled_back(&self, now: &Deployment, status: &DeploymentStatus) -> Option<Failure> {
        if self.intent != Intent::Rollback || end::unheard(now) {
            return None;
        }
        let name = now.metadata.name.as_deref().unwrap_or_default();
        let Some(rollback) = self.fresh(status) else {
            // Where people do the work it is recorded at once, as a phase.
            let passed_over = status.phase == seen::phase(self.accepted);
            return passed_over.then(|| {
                Failure::No(format!(
                    "{name} is not rolled back: what was asked for was passed over\nnext: `kubectl slipway history {}`",
                    seen::who(now)
                ))
            });
        };
        let wrong = rollback.diagnostics.as_ref().filter(|_| !rollback.state.open())?;
        let next = hint::of(&wrong.code, now).map(|next| format!("\nnext: {next}")).unwrap_or_default();
        Some(Failure::No(format!("{name} is not rolled back [{}]: {}{next}", wrong.code, wrong.message)))
    }

    /// The newest rollback, if it was not there or elsewhere before.
    fn fresh<'s>(&self, status: &'s DeploymentStatus) -> Option<&'s Rollback> {
        let known =
            |status: &DeploymentStatus| status.rollback.as_ref().map(|rollback| (rollback.id.clone(), rollback.state));
        let before = self.accepted.status.as_ref().and_then(known);
        status.rollback.as_ref().filter(|_| known(status) != before)
    }

    fn moved(&self, status: &DeploymentStatus) -> bool {
        let elsewhere = status.phase != seen::phase(self.accepted);
        match self.intent {
            Intent::AfterReview => status.break_glass == Some(Glass::Reviewed),
            Intent::OverrideFreeze => status.freeze_overridden || elsewhere,
            Intent::Confirm
            | Intent::Approve
            | Intent::Reject
            | Intent::Start
            | Intent::Succeed
            | Intent::Fail
            | Intent::Rollback
            | Intent::Abort
            | Intent::BreakGlass => elsewhere || self.fresh(status).is_some(),
        }
    }

    fn heard(&self, now: &Deployment, status: &DeploymentStatus) -> bool {
        let Entry { actor, subject, .. } = self.entry;
        match self.intent {
            Intent::Approve | Intent::Reject => {
                let mut counted = status.approval.iter().flat_map(|approval| &approval.approvals);
                counted.any(|review| review.reviewer == actor && review.preview_ref == subject)
            }
            Intent::Rollback => !end::unheard(now),
            Intent::Abort => {
                let code = status.diagnostics.as_ref().map(|wrong| wrong.code.as_str());
                code == Some(Code::Aborted.as_str())
            }
            Intent::BreakGlass => status.break_glass.is_some(),
            Intent::Confirm
            | Intent::Start
            | Intent::Succeed
            | Intent::Fail
            | Intent::AfterReview
            | Intent::OverrideFreeze => false,
        }
    }

    fn standing(&self, now: &Deployment, status: &DeploymentStatus) -> String {
        let rollback = self
            .fresh(status)
            .map(|rollback| format!(", its rollback {}: {}", rollback.state.as_str(), seen::way_back(now, rollback)));
        let approval = status.approval.as_ref().filter(|_| status.phase == Phase::PendingApproval);
        let approvals = approval.and_then(|approval| Some((approval.count?, approval.required?)));
        let approvals = approvals.map(|(have, need)| format!(", with {have} of {need} approvals"));
        format!("{}{}{}", status.phase, rollback.unwrap_or_default(), approvals.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const BOB: Entry<'_> = Entry { actor: "bob", subject: "1-a", note: None };

    fn object(status: &Value) -> Deployment {
        let mut object = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "generation": 2},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web-v2"}}},
                "rollbacks": [{"id": "r", "actor": "bob", "note": "slow"}],
            },
            "status": status,
        });
        object["status"]["audit"] = json!({"seq": 1, "epoch": 1, "auditedSeq": 1});
        serde_json::from_value(object).unwrap()
    }

    fn told(intent: Intent, before: &Value, now: &Value, far: Far) -> Option<Result<String, String>> {
        let accepted = object(before);
        let decision = Decision { intent, entry: BOB, accepted: &accepted };
        decision.outcome(&object(now), far).map(|outcome| outcome.map_err(|failure| failure.to_string()))
    }

    fn rollback(state: &str, wrong: &Value) -> Value {
        json!({
            "phase": "Succeeded", "handledRollbacks": ["r"],
            "rollback": {
                "id": "r", "origin": "Manual", "actor": "bob", "state": state, "requestedAt": "2026-01-01T00:00:00Z",
                "toRelease": {
                    "name": "web-v1", "digest": "a", "deploymentUid": "u", "health": "healthy",
                    "since": "2026-01-01T00:00:00Z",
                },
                "diagnostics": wrong,
            },
        })
    }

    #[test]
    fn a_rollback_is_told_from_where_to_where_or_why_not() {
        let before = json!({"phase": "Succeeded"});
        assert_eq!(told(Intent::Rollback, &before, &before, Far::Heard), None, "nobody has looked at it");
        let wrong = json!({"code": "rollback_unavailable", "message": "nothing was there before"});
        let refused = told(Intent::Rollback, &before, &rollback("Rejected", &wrong), Far::Heard).unwrap().unwrap_err();
        assert!(refused.starts_with("web is not rolled back [rollback_unavailable]: nothing was there"), "{refused}");
        assert!(refused.contains("next: ") && refused.contains("--back-to"), "{refused}");
        let said = told(Intent::Rollback, &before, &rollback("Requested", &Value::Null), Far::Moved).unwrap().unwrap();
        assert_eq!(said, "Succeeded, its rollback Requested: from release web-v2 back to web-v1");
        let passed_over = json!({"phase": "Succeeded", "handledRollbacks": ["r"]});
        assert!(told(Intent::Rollback, &before, &passed_over, Far::Heard).unwrap().is_err());
    }

    #[test]
    fn the_first_of_two_approvals_is_heard_and_moves_nothing() {
        let review = |count: u32, approvals: Value| json!({"phase": "PendingApproval", "approval": {"required": 2, "count": count, "approvals": approvals}});
        let before = review(0, json!([]));
        let counted =
            json!([{"reviewer": "bob", "previewRef": "1-a", "decision": "Approve", "at": "2026-01-01T00:00:00Z"}]);
        let now = review(1, counted);
        let said = told(Intent::Approve, &before, &now, Far::Heard).unwrap().unwrap();
        assert_eq!(said, "PendingApproval, with 1 of 2 approvals");
        assert_eq!(told(Intent::Approve, &before, &now, Far::Moved), None);
        let mut void = before.clone();
        void["approval"]["voided"] = json!(["bob@1-a"]);
        assert!(told(Intent::Approve, &before, &void, Far::Heard).unwrap().unwrap_err().contains("does not count"));
    }

    #[test]
    fn what_stalls_is_an_answer_once_the_entry_was_seen() {
        let stalled = |generation: u32| {
            json!({
                "phase": "Previewed", "observedGeneration": generation,
                "conditions": [{
                    "type": "Stalled", "status": "True", "reason": "PoliciesNotInForce", "message": "one is missing",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            })
        };
        let before = json!({"phase": "Previewed"});
        assert_eq!(told(Intent::Confirm, &before, &stalled(1), Far::Heard), None);
        let said = told(Intent::Confirm, &before, &stalled(2), Far::Heard).unwrap().unwrap_err();
        assert!(said.contains("PoliciesNotInForce") && said.contains("next: "), "{said}");
    }
}
