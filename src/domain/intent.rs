//! What people may do with a Deployment: in which phases, with which verb, and where it is written. One table for the
//! domain, the API server's policies and the commands.

use crate::admission::Verb;
use crate::phase::Phase;

/// One thing that someone says about a Deployment that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intent {
    /// The preview is what was meant.
    Confirm,
    /// A reviewer agrees.
    Approve,
    /// A reviewer does not.
    Reject,
    /// Go ahead without review.
    BreakGlass,
    /// A reviewer looked at that afterwards.
    AfterReview,
    /// Go ahead in spite of a freeze.
    OverrideFreeze,
    /// Work by hand has begun.
    Start,
    /// Work by hand went well.
    Succeed,
    /// Work by hand did not.
    Fail,
    /// Bring the release before back.
    Rollback,
    /// Stop.
    Abort,
}

impl Intent {
    /// Every intent.
    pub const ALL: [Self; 11] = [
        Self::Confirm,
        Self::Approve,
        Self::Reject,
        Self::BreakGlass,
        Self::AfterReview,
        Self::OverrideFreeze,
        Self::Start,
        Self::Succeed,
        Self::Fail,
        Self::Rollback,
        Self::Abort,
    ];

    /// The word for it in a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::BreakGlass => "break glass",
            Self::AfterReview => "review afterwards",
            Self::OverrideFreeze => "override freeze",
            Self::Start => "start",
            Self::Succeed => "succeed",
            Self::Fail => "fail",
            Self::Rollback => "rollback",
            Self::Abort => "abort",
        }
    }

    /// What it takes on the Environment.
    pub fn verb(self) -> Verb {
        match self {
            Self::Confirm | Self::Start | Self::Succeed | Self::Fail | Self::Abort => Verb::Deploy,
            Self::Approve | Self::Reject | Self::AfterReview => Verb::Approve,
            Self::BreakGlass | Self::OverrideFreeze => Verb::BreakGlass,
            Self::Rollback => Verb::Rollback,
        }
    }

    /// The phases in which it is possible.
    pub fn phases(self) -> &'static [Phase] {
        use Phase::{Applying, Approved, Failed, Pending, PendingApproval, Previewed, Succeeded};
        match self {
            Self::Confirm => &[Previewed],
            Self::Approve | Self::Reject | Self::BreakGlass => &[PendingApproval],
            // A second look is never too late.
            Self::AfterReview => &Phase::ALL,
            Self::OverrideFreeze => &[Pending, Previewed, PendingApproval, Approved],
            Self::Start => &[Approved],
            Self::Succeed | Self::Fail => &[Applying],
            Self::Rollback => &[Applying, Succeeded, Failed],
            Self::Abort => &[Pending, Previewed, PendingApproval, Approved, Applying],
        }
    }

    /// Where whoever does it is named.
    pub fn actor_field(self) -> &'static str {
        match self {
            Self::Confirm => "spec.confirmations[].actor",
            Self::Approve | Self::Reject => "spec.reviews[].reviewer",
            Self::BreakGlass => "spec.breakGlass.actor",
            Self::AfterReview => "spec.afterReview.actor",
            Self::OverrideFreeze => "spec.overrideFreeze.actor",
            Self::Start => "spec.manual.start.actor",
            Self::Succeed | Self::Fail => "spec.manual.finish.actor",
            Self::Rollback => "spec.rollbacks[].actor",
            Self::Abort => "spec.abort.actor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_intent_but_a_second_look_is_possible_where_a_deployment_is_terminal() {
        for intent in Intent::ALL.into_iter().filter(|intent| *intent != Intent::AfterReview) {
            assert!(intent.phases().iter().all(|phase| !phase.terminal()), "{intent:?}");
        }
    }
}
