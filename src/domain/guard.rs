//! What people say counts only while the API server checks who says it.
//!
//! The check is made by policies that Slipway generates. Whatever is written while one of them is missing or altered could
//! have been written by anyone, in anyone's name. Afterwards nobody can tell it from the rest: so a guard that was broken
//! and mended is another guard, and what was said under the one before is asked anew.

use std::fmt;

use jiff::Timestamp;

use crate::digest::Digest;

/// Whether the API server's policies are as they were generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// They are.
    InForce {
        /// Covers each policy and binding, and how often it was changed: it comes back only if nothing has happened.
        fingerprint: Digest,
        /// Since when they have all been as they are: what was created later was never unguarded.
        since: Timestamp,
    },
    /// They are not.
    Broken {
        /// What is wrong; empty where all is in place and takes effect at `until`.
        breaches: Vec<Breach>,
        /// When the server has taken up what was put in place a moment ago.
        until: Option<Timestamp>,
    },
}

impl Guard {
    /// Names this guard, while it is in force.
    pub fn fingerprint(&self) -> Option<&Digest> {
        match self {
            Self::InForce { fingerprint, .. } => Some(fingerprint),
            Self::Broken { .. } => None,
        }
    }
}

/// A policy, or a binding, that is not as it was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Kind and name.
    pub what: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a policy or a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is not there, or does not have the label that Slipway's objects have.
    Missing,
    /// It is being deleted.
    Deleting,
    /// Something in it is not as it was generated.
    Altered {
        /// Where.
        at: String,
    },
    /// The controller is not shown whether it is there.
    Unread {
        /// The server's words.
        why: String,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match &self.problem {
            Problem::Missing => write!(f, "{what} is missing"),
            Problem::Deleting => write!(f, "{what} is being deleted"),
            Problem::Altered { at } => write!(f, "{what} is not as Slipway generates it, at {at}: delete it"),
            Problem::Unread { why } => write!(f, "{what} cannot be read: {why}"),
        }
    }
}

/// How many breaches one sentence names.
const NAMED: usize = 3;

/// What is wrong, and what to do.
pub fn message(breaches: &[Breach], until: Option<Timestamp>) -> String {
    if breaches.is_empty() {
        let at = until.map(|until| format!(" at {until}")).unwrap_or_default();
        return format!("the policies that check who decides have just been put in place and take effect{at}");
    }
    let mut named: Vec<String> = breaches.iter().take(NAMED).map(ToString::to_string).collect();
    if breaches.len() > NAMED {
        named.push(format!("{} more are not right either", breaches.len() - NAMED));
    }
    format!(
        "no decision is acted upon while the policies that check who decides are not in force: {}. Put back what is not \
         there with `slipway manifests | kubectl apply --server-side -f -`",
        named.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breach(name: &str, problem: Problem) -> Breach {
        Breach { what: format!("ValidatingAdmissionPolicy {name}"), problem }
    }

    #[test]
    fn a_sentence_names_what_is_wrong_where_and_what_to_do() {
        let said = message(&[breach("slipway-a", Problem::Altered { at: "spec.failurePolicy".into() })], None);
        assert!(
            said.contains(
                "ValidatingAdmissionPolicy slipway-a is not as Slipway generates it, at spec.failurePolicy: delete it"
            ),
            "{said}"
        );
        assert!(said.contains("slipway manifests | kubectl apply"), "{said}");
    }

    #[test]
    fn a_sentence_stays_short_however_much_is_missing() {
        let all: Vec<Breach> = (0..60).map(|i| breach(&format!("slipway-{i}"), Problem::Missing)).collect();
        let said = message(&all, None);
        assert!(said.len() < 500 && said.contains("57 more are not right either"), "{said}");
    }

    #[test]
    fn what_has_just_been_put_back_is_waited_for() {
        let said = message(&[], Some(crate::fixture::at(1)));
        assert!(said.contains("take effect at 2026-03-02T09:01:00Z"), "{said}");
    }
}
