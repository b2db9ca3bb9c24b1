//! What runs is what was previewed: a preview is named by a digest over everything that would be applied.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::deployment::Request;
use crate::digest::Digest;
use crate::environment::Environment;
use crate::guard::Guard;
use crate::name::{NameError, ReleaseName};
use crate::refusal::Refusal;
use crate::runtime::{Content, Forecast};

/// Names one preview of one Deployment: `<n>-<digest>`; `n` grows with each new preview.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PreviewRef {
    /// 1 for the first.
    pub number: u32,
    /// What it covers.
    pub digest: Digest,
}

impl fmt::Display for PreviewRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.digest)
    }
}

impl FromStr for PreviewRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            what: "preview reference",
            problem: "must read <number>-<64 hex digits>, as status.preview.ref does".to_owned(),
        };
        let (number, digest) = text.split_once('-').ok_or_else(wrong)?;
        let canonical = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|_| canonical).ok_or_else(wrong)?;
        Ok(Self { number, digest: digest.parse().map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for PreviewRef {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<PreviewRef> for String {
    fn from(preview: PreviewRef) -> Self {
        preview.to_string()
    }
}

/// What would be applied, before anyone looked at what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The release it comes from; none where people only record a version.
    pub release: Option<(ReleaseName, Digest)>,
    /// The objects.
    pub content: Content,
    /// Names all of it, with operation, variables and Environment.
    pub digest: Digest,
}

impl Plan {
    /// The plan of a request, in an Environment, with the content that its runtime rendered.
    ///
    /// Where people have a say it covers the guard too: what they said under another one is said of another plan.
    pub fn new(
        request: &Request,
        environment: &Environment,
        release: Option<(ReleaseName, Digest)>,
        content: Content,
        guard: &Guard,
    ) -> Self {
        let guard = guard.fingerprint().filter(|_| environment.policy.asks_people());
        let digest = Digest::of_json(&json!({
            "content": content.digest.as_str(),
            "operation": request.operation.as_str(),
            "request": request.digest.as_str(),
            "variables": request.variables,
            // Another one of the same name is another one: what was said of the first does not count for it.
            "environment": [environment.id.name.as_str(), environment.id.uid.as_str()],
            "policy": environment.digest.as_str(),
            "guard": guard.map(Digest::as_str),
        }));
        Self { release, content, digest }
    }
}

/// A preview that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Its name.
    pub reference: PreviewRef,
    /// What it found.
    pub forecast: Forecast,
    /// When.
    pub at: Timestamp,
    /// The content of the Release that it was made of; None where the request names none.
    pub release: Option<Digest>,
    /// The preview that was shown before this one.
    pub replaces: Option<PreviewRef>,
    /// A ticket ran out then: only a person may confirm this one, whatever the policy says.
    pub ticket_expired_at: Option<Timestamp>,
}

impl Preview {
    /// Why this one was needed, and what was said about the one before counts no more. None for the first.
    pub fn reason(&self) -> Option<Refusal> {
        let expired = self.ticket_expired_at.map(|at| Refusal::TicketExpired { at });
        let changed = || self.replaces.as_ref().map(|shown| Refusal::PreviewExpired { shown: shown.to_string() });
        expired.or_else(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_covers_everything_that_decides_what_runs() {
        use crate::deployment::Operation;
        use crate::fixture::{govern, plan, plan_under, production, request};

        let digest = |request: &Request, environment: &Environment, content| plan(request, environment, content).digest;
        let (asked, place) = (request(), production());
        let same = digest(&asked, &place, "v2");
        assert_eq!(digest(&request(), &production(), "v2"), same);
        assert_ne!(digest(&asked, &place, "v2 mended"), same, "content");
        let operation = Operation::Rollback { to: "web-v2".parse().unwrap() };
        assert_ne!(digest(&Request { operation, ..request() }, &place, "v2"), same, "operation");
        let variables = [("A".to_owned(), "1".to_owned())].into();
        assert_ne!(digest(&Request { variables, ..request() }, &place, "v2"), same, "variables");
        assert_ne!(digest(&Request { digest: Digest::of(b"other"), ..request() }, &place, "v2"), same, "request");
        let mut other = production();
        other.id.name = "other".to_owned();
        assert_ne!(digest(&asked, &other, "v2"), same, "environment");
        let mut recreated = production();
        recreated.id.uid = crate::fixture::uid("e2");
        assert_ne!(digest(&asked, &recreated, "v2"), same, "another environment of the same name");
        let mut other = production();
        govern(&mut other, |policy| policy.approval.count = 2);
        assert_ne!(digest(&asked, &other, "v2"), same, "policy");
        let guard = |bytes: &[u8]| Guard::InForce { fingerprint: Digest::of(bytes), since: Timestamp::UNIX_EPOCH };
        let under = |guard: &Guard| plan_under(guard, &asked, &place, "v2").digest;
        assert_ne!(under(&guard(b"put back")), same, "guard");
        let broken = Guard::Broken { breaches: Vec::new(), until: None };
        assert!(![under(&guard(b"put back")), same].contains(&under(&broken)), "no guard at all");
    }

    #[test]
    fn where_nobody_is_asked_a_digest_does_not_depend_on_who_could_be() {
        use crate::fixture::{development, guard, plan_under, request};

        let under = |guard: &Guard| plan_under(guard, &request(), &development(), "v2").digest;
        assert_eq!(under(&guard()), under(&Guard::Broken { breaches: Vec::new(), until: None }));
    }

    #[test]
    fn a_reference_reads_back_and_has_one_spelling() {
        let reference = PreviewRef { number: 12, digest: Digest::of(b"x") };
        assert_eq!(reference.to_string().parse::<PreviewRef>().unwrap(), reference);
        let digest = Digest::of(b"x");
        for wrong in [
            format!("01-{digest}"),
            format!("0-{digest}"),
            format!("+1-{digest}"),
            format!("1-{}", digest.short()),
            digest.to_string(),
        ] {
            assert!(wrong.parse::<PreviewRef>().is_err(), "{wrong}");
        }
    }
}
