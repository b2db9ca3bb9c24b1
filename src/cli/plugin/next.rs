//! What happens after a decision, so that nobody waits for the wrong thing.

use slipway_crd::Deployment;

use super::intent::Intent;
use super::seen;

/// What follows, in a sentence; `who` is `-n shop web-v1`, as commands take it.
pub(super) fn after(intent: Intent, object: &Deployment, who: &str) -> String {
    let environment = &object.spec.environment_ref.name;
    let status = object.status.as_ref();
    let approval = status.and_then(|status| status.approval.as_ref());
    let awaiting = seen::awaiting(object).is_some();
    match intent {
        Intent::Confirm => format!(
            "where environment {environment} asks for review it now waits for someone else: `kubectl slipway approve {who}`; \
             otherwise it starts when its turn comes: `kubectl slipway watch {who}`"
        ),
        Intent::Approve if awaiting => {
            format!("the rollback starts once enough people agree: `kubectl slipway watch {who}`")
        }
        Intent::Approve => {
            let need = approval.and_then(|approval| approval.required).unwrap_or(1);
            let more = if need > 1 { format!("with {need} approvals ") } else { String::new() };
            format!("{more}it starts when its gates open and its turn comes: `kubectl slipway watch {who}`")
        }
        Intent::Reject if awaiting => "the rollback is not made, and the release stays as it is".to_owned(),
        Intent::Reject => "it ends as Rejected; to try again, create another Deployment".to_owned(),
        Intent::Start => format!("when the work is done: `kubectl slipway succeed {who}`, or `fail` with a note"),
        Intent::Succeed => "it ends as Succeeded".to_owned(),
        Intent::Fail => format!("it ends as Failed; `kubectl slipway rollback {who}` records that it was undone"),
        Intent::Rollback => format!(
            "where environment {environment} asks for review someone else has to agree first: `kubectl slipway approve {who}`; \
             then the release before comes back: `kubectl slipway watch {who}`"
        ),
        Intent::Abort if status.is_some_and(|status| status.started_at.is_some()) => format!(
            "the runtime is stopped, and it ends as Failed; nothing is rolled back by itself: `kubectl slipway rollback {who}`"
        ),
        Intent::Abort => "it ends as Aborted, and nothing is changed".to_owned(),
        Intent::BreakGlass => format!(
            "it starts when its turn comes; someone else looks at it afterwards: `kubectl slipway after-review {who}`"
        ),
        Intent::AfterReview => "it leaves the inbox".to_owned(),
        Intent::OverrideFreeze => format!("the freeze does not hold it any more: `kubectl slipway watch {who}`"),
    }
}
