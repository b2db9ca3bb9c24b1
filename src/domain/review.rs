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
