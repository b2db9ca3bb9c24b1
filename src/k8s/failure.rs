//! A failure says who was refused what, and what to do: the server's own words, never a secret.

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write as _;

use kube::core::Status;
use slipway_domain::code::Code;
use slipway_domain::runtime::Failure;

use crate::target::Target;

/// How server-side apply begins what it says of an object that does not fit its kind.
const MISFIT: &str = "failed to create typed patch object";

/// Why a call to the API server did not give what was asked for.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server answered with a refusal.
    Refused(Box<Status>),
    /// There was no answer, or none that could be read: nobody knows whether the server did it.
    Lost(String),
}

impl CallError {
    pub(crate) fn not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 404)
    }

    /// Someone else changed the object first.
    pub(crate) fn conflict(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 409)
    }

    /// The server did nothing, and will do it later.
    pub(crate) fn busy(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 429)
    }

    /// The object does not fit its kind. Server-side apply says this with 500, though it is the caller's error.
    fn misfit(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 500 && status.message.contains(MISFIT))
    }

    /// Nobody knows whether the server did it.
    pub(crate) fn ambiguous(&self) -> bool {
        match self {
            Self::Refused(status) => status.code >= 500 && !self.misfit(),
            Self::Lost(_) => true,
        }
    }

    /// Asking again may go better.
    pub(crate) fn passing(&self) -> bool {
        self.busy() || self.ambiguous()
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        let Self::Refused(status) = self else { return None };
        status.details.as_ref().map(|details| u64::from(details.retry_after_seconds)).filter(|seconds| *seconds > 0)
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Refused(status) if status.message.is_empty() => format!("{} {}", status.code, status.reason),
            Self::Refused(status) => status.message.clone(),
            Self::Lost(why) => why.clone(),
        }
    }

    pub(crate) fn lost(error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let words = inner.to_string();
            if !text.contains(&words) {
                let _ = write!(text, ": {words}");
            }
            source = inner.source();
        }
        Self::Lost(text)
    }
}

/// What was asked, in the words of RBAC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'a str,
    /// `deployments.apps`.
    pub(crate) resource: &'a str,
    /// What it was about, for people: `apps/v1/Deployment/web`.
    pub(crate) subject: &'a str,
}

/// The failure for a call that was refused or lost.
pub(crate) fn of_call(error: &CallError, asked: Asked<'_>, target: &Target) -> Failure {
    let Asked { subject, .. } = asked;
    let told = error.message();
    let (code, retryable, message) = match error {
        CallError::Lost(_) => {
            (Code::ClusterUnreachable, true, format!("{subject}: the API server did not answer: {told}"))
        }
        CallError::Refused(status) => match status.code {
            401 => (Code::CredentialsRejected, false, format!("the API server does not know who is calling: {told}")),
            403 => return forbidden(&told, asked, target),
            404 if told.starts_with("namespaces ") => (Code::NotFound, false, no_namespace(target)),
            404 => (Code::NotFound, false, format!("{subject}: {told}")),
            500 if error.misfit() => (Code::ApplyRejected, false, format!("{subject}: {told}")),
            408 | 429 | 500.. => {
                (Code::ClusterUnreachable, true, format!("{subject}: the API server answered {} {told}", status.code))
            }
            409 => (Code::Conflict, true, format!("{subject}: {told}")),
            _ => (Code::ApplyRejected, false, format!("{subject}: {told}")),
        },
    };
    Failure { code, message, detail: None, retryable, changed: false }
}

/// The sentence for a namespace that is not there.
pub(crate) fn no_namespace(target: &Target) -> String {
    let namespace = &target.namespace;
    format!("namespace {namespace} does not exist: create it with `kubectl create namespace {namespace}`")
}

/// What gives the account its rights.
pub(crate) fn grant(target: &Target) -> String {
    let namespace = &target.namespace;
    let grant = match target.service_account() {
        Some(account) => format!("slipway-deployer --clusterrole=edit --serviceaccount={account}"),
        // A person only looks: what is changed, Slipway changes.
        None => format!("slipway-reader --clusterrole=view --user={}", target.user),
    };
    format!("`kubectl -n {namespace} create rolebinding {grant}`")
}

/// What lets Slipway act as the account; `told` names Slipway as the server knows it.
fn lend(told: &str, target: &Target) -> String {
    let named = told.split_once("User \"").and_then(|(_, rest)| rest.split('"').next());
    let slipway = named.unwrap_or("system:serviceaccount:slipway-system:slipway");
    let subject = match slipway.strip_prefix("system:serviceaccount:") {
        Some(account) => format!("--serviceaccount={account}"),
        None => format!("--user={slipway}"),
    };
    let namespace = target.service_account().and_then(|account| account.split(':').next()).unwrap_or(&target.namespace);
    format!("`kubectl -n {namespace} create rolebinding slipway --clusterrole=slipway-namespace {subject}`")
}

/// 403 is said by RBAC, but also by quotas, by pod security and by admission policies: those are about the object.
fn forbidden(told: &str, asked: Asked<'_>, target: &Target) -> Failure {
    let Asked { verb, resource, subject } = asked;
    let (user, namespace) = (&target.user, &target.namespace);
    let (code, message) = if told.contains("cannot impersonate") {
        (Code::CredentialsRejected, format!("Slipway may not act as {user}; it needs {}", lend(told, target)))
    } else if told.contains("User \"") && told.contains("cannot") {
        let needs = format!(
            "a Role in that namespace that allows it, and a RoleBinding of it to {user}, for instance {}",
            grant(target)
        );
        let what = format!("{user} may not {verb} {resource} in namespace {namespace}");
        (Code::CredentialsRejected, format!("{subject}: {what}; it needs {needs}"))
    } else {
        (Code::ApplyRejected, format!("{subject}: {told}"))
    };
    let detail = (code == Code::CredentialsRejected).then(|| told.to_owned());
    Failure { code, message, detail, retryable: false, changed: false }
}

/// Several failures as one: the first says it, the detail lists all, and a retry helps only if it helps each.
pub(crate) fn all(mut failures: Vec<Failure>) -> Option<Failure> {
    // What stops all of them is said once.
    let mut said = HashSet::new();
    failures.retain(|failure| said.insert(failure.message.clone()));
    if failures.len() < 2 {
        return failures.pop();
    }
    let lines: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let detail = lines.join("\n");
    let more = failures.len() - 1;
    let retryable = failures.iter().all(|failure| failure.retryable);
    let changed = failures.iter().any(|failure| failure.changed);
    let first = failures.swap_remove(0);
    let message = format!("{} (and {more} more)", first.message);
    Some(Failure { message, detail: Some(detail), retryable, changed, ..first })
}

/// A failure that changed nothing and that a retry does not help.
pub(crate) fn refused(code: Code, message: String) -> Failure {
    Failure { code, message, detail: None, retryable: false, changed: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, message: &str) -> Failure {
        let error = CallError::Refused(Status::failure(message, "").with_code(code).boxed());
        let target = Target::new("shop", "deployer", "shop/production", "payments", Vec::new());
        of_call(
            &error,
            Asked { verb: "patch", resource: "deployments.apps", subject: "apps/v1/Deployment/web" },
            &target,
        )
    }

    #[test]
    fn a_missing_right_names_who_what_and_the_way_out() {
        let failure = said(
            403,
            "deployments.apps \"web\" is forbidden: User \"system:serviceaccount:shop:deployer\" cannot patch resource \
             \"deployments\" in API group \"apps\" in the namespace \"shop\"",
        );
        assert_eq!((failure.code, failure.retryable), (Code::CredentialsRejected, false));
        assert_eq!(
            failure.message,
            "apps/v1/Deployment/web: system:serviceaccount:shop:deployer may not patch deployments.apps in namespace \
             shop; it needs a Role in that namespace that allows it, and a RoleBinding of it to \
             system:serviceaccount:shop:deployer, for instance `kubectl -n shop create rolebinding slipway-deployer \
             --clusterrole=edit --serviceaccount=shop:deployer`"
        );
    }

    #[test]
    fn a_403_that_is_about_the_object_is_not_about_rights() {
        let failure = said(403, "pods \"web\" is forbidden: exceeded quota: small");
        assert_eq!(failure.code, Code::ApplyRejected);
        let failure = said(
            403,
            "serviceaccounts \"deployer\" is forbidden: User \"system:serviceaccount:slipway:controller\" cannot \
             impersonate resource \"serviceaccounts\" in API group \"\" in the namespace \"shop\"",
        );
        assert_eq!(failure.code, Code::CredentialsRejected);
        assert_eq!(
            failure.message,
            "Slipway may not act as system:serviceaccount:shop:deployer; it needs `kubectl -n shop create rolebinding \
             slipway --clusterrole=slipway-namespace --serviceaccount=slipway:controller`"
        );
    }

    #[test]
    fn only_what_may_pass_is_worth_a_retry() {
        let misfit =
            said(500, "failed to create typed patch object (/s; /v1, Kind=Service): .spec.prots: field not declared");
        assert_eq!((misfit.code, misfit.retryable), (Code::ApplyRejected, false));
        for (code, retryable) in [(400, false), (404, false), (409, true), (422, false), (429, true), (503, true)] {
            assert_eq!(said(code, "no").retryable, retryable, "{code}");
        }
    }
}
