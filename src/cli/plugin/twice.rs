//! What was said once and is said again: the API server keeps the first. It refuses the second in its schema's words, or
//! takes it for nothing new where it is the same to the letter.

use jiff::Timestamp;
use slipway_crd::Deployment;
use slipway_crd::intent::Outcome;
use slipway_domain::code::Code;
use slipway_domain::event::Action;
use slipway_domain::review::Verdict;

use super::intent::{Entry, Intent};
use super::{card, clock, next, seen, table};
use crate::Failure;

/// What stands where an entry was to be added.
struct Standing<'a> {
    by: &'a str,
    /// What they did, after "has already".
    did: &'static str,
    /// The event that tells when.
    action: Action,
}

/// Who has said it before, when, and what is next; None where nobody has.
pub(super) fn told(intent: Intent, object: &Deployment, entry: Entry<'_>) -> Option<Failure> {
    let who = &seen::who(object);
    let Standing { by, did, action } = standing(intent, object, entry)?;
    let person = if by == entry.actor { "you have".to_owned() } else { format!("{} has", table::plain(by)) };
    let what = if intent.names_subject() { card::short(entry.subject) } else { "this Deployment".to_owned() };
    let when = when(object, by, action, entry).map(|at| format!(" at {at:.0} ({})", clock::relative(at, clock::now())));
    let next = match intent {
        // Another word than the one that stands leads nowhere.
        Intent::Reject => format!("`kubectl slipway status {who}` shows where it stands"),
        _ => next::after(intent, object, who),
    };
    Some(Failure::No(format!(
        "{person} already {did} {what}{}: what was said once stays [{}]\nnext: {next}",
        when.unwrap_or_default(),
        Code::Conflict
    )))
}

fn standing<'a>(intent: Intent, object: &'a Deployment, entry: Entry<'_>) -> Option<Standing<'a>> {
    let spec = &object.spec;
    let act = |act: &'a Option<slipway_crd::intent::Decision>, did, action| {
        act.as_ref().map(|act| Standing { by: &act.actor, did, action })
    };
    match intent {
        Intent::Confirm => {
            let said = spec.confirmations.iter().find(|said| said.preview_ref == entry.subject)?;
            Some(Standing { by: &said.actor, did: "confirmed", action: Action::ReleaseConfirmed })
        }
        Intent::Approve | Intent::Reject => {
            let own =
                |said: &&slipway_crd::intent::Review| said.reviewer == entry.actor && said.preview_ref == entry.subject;
            let said = spec.reviews.iter().find(own)?;
            let (did, action) = match said.decision {
                Verdict::Approve => ("approved", Action::ReleaseApproved),
                Verdict::Reject => ("rejected", Action::ReleaseRejected),
            };
            Some(Standing { by: &said.reviewer, did, action })
        }
        Intent::Start => {
            let said = spec.manual.as_ref()?.start.as_ref()?;
            Some(Standing { by: &said.actor, did: "started", action: Action::ReleaseApplying })
        }
        Intent::Succeed | Intent::Fail => {
            let said = spec.manual.as_ref()?.finish.as_ref()?;
            let (did, action) = match said.result {
                Outcome::Succeeded => ("reported the success of", Action::ReleaseApplied),
                Outcome::Failed => ("reported the failure of", Action::ReleaseFailed),
            };
            Some(Standing { by: &said.actor, did, action })
        }
        // Each has an id of its own.
        Intent::Rollback => None,
        Intent::Abort => act(&spec.abort, "stopped", Action::ReleaseAborted),
        Intent::BreakGlass => act(&spec.break_glass, "broken the glass for", Action::ReleaseBreakGlass),
        Intent::AfterReview => act(&spec.after_review, "looked at", Action::ReleaseBreakGlassReviewed),
        Intent::OverrideFreeze => {
            act(&spec.override_freeze, "overridden the freeze for", Action::ReleaseFreezeOverridden)
        }
    }
}

/// When it was counted: a review is kept with its time, everything else is in the journal, if that still has it.
fn when(object: &Deployment, by: &str, action: Action, entry: Entry<'_>) -> Option<Timestamp> {
    let status = object.status.as_ref()?;
    let reviews = status.approval.iter().flat_map(|approval| &approval.approvals);
    let counted = reviews.into_iter().find(|review| review.reviewer == by && review.preview_ref == entry.subject);
    let told = || {
        let said = |event: &&slipway_domain::event::Event| event.action == action && event.actor_id.as_str() == by;
        status.audit.journal.iter().rev().find(said).map(|event| event.occurred_at)
    };
    counted.map(|review| review.at).or_else(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Deployment {
        let review = |reviewer: &str, decision: &str| json!({"reviewer": reviewer, "decision": decision, "previewRef": "1-a", "note": "x"});
        let act = json!({"actor": "carol", "note": "x"});
        serde_json::from_value(json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web"}}},
                "confirmations": [{"previewRef": "1-a", "actor": "alice"}],
                "reviews": [review("bob", "Approve"), review("eve", "Reject")],
                "manual": {"start": {"actor": "alice"}, "finish": {"actor": "alice", "result": "Failed", "note": "x"}},
                "breakGlass": act, "afterReview": act, "overrideFreeze": act, "abort": act,
            },
            "status": {
                "phase": "PendingApproval", "audit": {"seq": 1, "epoch": 1, "auditedSeq": 1},
                "approval": {"required": 2, "count": 1, "approvals": [
                    {"reviewer": "bob", "previewRef": "1-a", "decision": "Approve", "at": "2026-01-01T00:00:00Z"},
                ]},
            },
        }))
        .unwrap()
    }

    fn said(intent: Intent, actor: &str) -> Option<String> {
        let entry = Entry { actor, subject: "1-a", note: None };
        let told = told(intent, &object(), entry)?.to_string();
        told.split_once(": what was said").map(|(said, _)| said.to_owned())
    }

    #[test]
    fn whoever_said_it_before_is_named_with_what_and_when() {
        let bob = said(Intent::Approve, "bob").unwrap();
        assert!(bob.starts_with("you have already approved 1-a at 2026-01-01T00:00:00Z ("), "{bob}");
        for (intent, actor, words) in [
            (Intent::Reject, "eve", "you have already rejected 1-a"),
            (Intent::Confirm, "dora", "alice has already confirmed 1-a"),
            (Intent::Start, "alice", "you have already started this Deployment"),
            (Intent::Succeed, "bob", "alice has already reported the failure of this Deployment"),
            (Intent::Abort, "alice", "carol has already stopped this Deployment"),
            (Intent::BreakGlass, "carol", "you have already broken the glass for this Deployment"),
            (Intent::AfterReview, "bob", "carol has already looked at this Deployment"),
            (Intent::OverrideFreeze, "bob", "carol has already overridden the freeze for this Deployment"),
        ] {
            assert_eq!(said(intent, actor).as_deref(), Some(words), "{intent:?}");
        }
        assert_eq!(said(Intent::Approve, "dora"), None, "she has said nothing yet");
        assert_eq!(said(Intent::Rollback, "carol"), None, "each has an id of its own");
    }
}
