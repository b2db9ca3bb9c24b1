//! No approval counts if its reviewer made the request, and none is accepted once the decision is made.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::Request;
use crate::event::{UnknownWord, words};
use crate::name::{Actor, Note};
use crate::refusal::Refusal;

words! {
    /// What a reviewer said.
    Verdict {
        /// Yes.
        Approve = "Approve",
        /// No.
        Reject = "Reject",
    }
}

/// A review, as it stands in the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who.
    pub reviewer: Actor,
    /// What they said.
    pub verdict: Verdict,
    /// What they looked at: a preview, or a rollback.
    pub subject: String,
    /// Why. A rejection always says.
    pub note: Option<Note>,
}

/// A review that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Who.
    pub reviewer: Actor,
    /// What they said.
    pub verdict: Verdict,
    /// What they looked at.
    pub subject: String,
    /// When it was counted.
    pub at: Timestamp,
}

/// The reviews that have been dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reviews {
    /// Those that counted, oldest first.
    pub counted: Vec<Counted>,
    /// Those that did not, as `reviewer@subject`, because what they judged had changed or ended.
    pub voided: Vec<String>,
}

impl Reviews {
    /// How many people approved `subject`.
    pub fn approvals(&self, subject: &str) -> u32 {
        let count = self.counted.iter().filter(|r| r.verdict == Verdict::Approve && r.subject == subject).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether someone rejected `subject`.
    pub fn rejected(&self, subject: &str) -> bool {
        self.counted.iter().any(|r| r.verdict == Verdict::Reject && r.subject == subject)
    }

    /// Whether a review was dealt with already.
    pub fn knows(&self, review: &Review) -> bool {
        let counted = self.counted.iter().any(|r| r.reviewer == review.reviewer && r.subject == review.subject);
        counted || self.voided.contains(&void_key(review))
    }
}

/// How a voided review is remembered.
pub fn void_key(review: &Review) -> String {
    format!("{}@{}", review.reviewer, review.subject)
}

/// Whether `reviewer` may give this verdict on this request: four eyes.
///
/// An approval is refused to requester and submitter. A rejection is refused to the requester alone: whoever submitted
/// for someone else may still stop it.
pub fn judge(request: &Request, reviewer: &Actor, verdict: Verdict, note: Option<&Note>) -> Result<(), Refusal> {
    match verdict {
        Verdict::Approve if *reviewer == request.requester || *reviewer == request.submitted_by => {
            Err(Refusal::SelfApproval { reviewer: reviewer.clone() })
        }
        Verdict::Reject if *reviewer == request.requester => Err(Refusal::SelfApproval { reviewer: reviewer.clone() }),
        Verdict::Reject if note.is_none() => Err(Refusal::NoteRequired { action: "reject" }),
        Verdict::Approve | Verdict::Reject => Ok(()),
    }
}

/// Whether `reviewer` may give this verdict on a rollback that `actor` asked for: anyone but them.
pub fn judge_rollback(actor: &Actor, reviewer: &Actor, verdict: Verdict, note: Option<&Note>) -> Result<(), Refusal> {
    if reviewer == actor {
        return Err(Refusal::SelfApproval { reviewer: reviewer.clone() });
    }
    match verdict {
        Verdict::Reject if note.is_none() => Err(Refusal::NoteRequired { action: "reject" }),
        Verdict::Approve | Verdict::Reject => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::code::Code;
    use crate::fixture::{actor, note, request, review};

    #[rstest]
    #[case::requester_approves("alice", Verdict::Approve, Some(Code::SelfApproval))]
    #[case::submitter_approves("ci", Verdict::Approve, Some(Code::SelfApproval))]
    #[case::someone_else_approves("bob", Verdict::Approve, None)]
    #[case::requester_rejects("alice", Verdict::Reject, Some(Code::SelfApproval))]
    #[case::submitter_rejects("ci", Verdict::Reject, None)]
    #[case::someone_else_rejects("bob", Verdict::Reject, None)]
    fn four_eyes(#[case] who: &str, #[case] verdict: Verdict, #[case] expected: Option<Code>) {
        let mut request = request();
        request.submitted_by = actor("ci");
        let outcome = judge(&request, &actor(who), verdict, Some(&note("looked")));
        assert_eq!(outcome.err().map(|refusal| refusal.code()), expected);
    }

    #[test]
    fn only_a_rejection_needs_a_note() {
        let judge = |verdict| judge(&request(), &actor("bob"), verdict, None);
        assert_eq!(judge(Verdict::Approve), Ok(()));
        assert_eq!(judge(Verdict::Reject).unwrap_err().code(), Code::NoteRequired);
    }

    #[test]
    fn a_review_is_dealt_with_once_by_who_and_what() {
        let mut reviews = Reviews::default();
        let said = review("bob", Verdict::Approve, "1-aa");
        assert!(!reviews.knows(&said));
        reviews.voided.push(void_key(&said));
        assert!(reviews.knows(&said));
        assert!(!reviews.knows(&review("bob", Verdict::Approve, "2-bb")));
        assert!(!reviews.knows(&review("carol", Verdict::Approve, "1-aa")));
        assert_eq!((reviews.approvals("1-aa"), reviews.rejected("1-aa")), (0, false), "void counts for nothing");
    }
}
