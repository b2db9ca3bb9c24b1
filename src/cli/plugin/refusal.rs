//! A refusal of the API server: what its rule says, with the rule's code, and what to do next.
//!
//! A policy of Slipway's speaks in sentences of the domain, which stand as they are. What the schema says is put into words
//! here and nowhere else. Everything else is said as the API server says it.

use std::future::Future;
use std::time::Duration;

use kube::Error;
use kube::core::Status;
use slipway_crd::Deployment;
use slipway_domain::code::Code;

use super::{hint, schema, table};
use crate::Failure;

/// How long the API server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the API server says of a kind that it does not know.
const UNKNOWN_KIND: &str = "could not find the requested resource";

/// An answer in bounded time, or a failure that says what was being done.
pub(super) async fn asked<T>(doing: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    timed(call).await.map_err(|error| said(doing, &error))
}

/// An answer in bounded time.
pub(super) async fn timed<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let late = || Error::Service(format!("no answer within {} s", PATIENCE.as_secs()).into());
    tokio::time::timeout(PATIENCE, call).await.map_err(|_| late())?
}

/// Somebody else changed the object in between.
pub(super) fn conflict(error: &Error) -> bool {
    code(error) == Some(409)
}

/// There is no such object, though its kind is known.
pub(super) fn missing(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404 && !status.message.contains(UNKNOWN_KIND))
}

/// The schema does not accept the object.
fn invalid(error: &Error) -> bool {
    code(error) == Some(422)
}

/// The HTTP status of a refusal.
pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// What a person reads of it.
pub(super) fn said(doing: &str, error: &Error) -> Failure {
    let Error::Api(status) = error else {
        let why = slipway_controller::explain(error);
        return Failure::No(format!(
            "{doing}: the API server cannot be asked: {why}\nnext: see whether `kubectl version` answers"
        ));
    };
    Failure::No(format!("{doing}: {}", explained(status)))
}

/// The same about a Deployment that is known: what is next names it.
pub(super) fn about(doing: &str, error: &Error, object: &Deployment) -> Failure {
    match said(doing, error) {
        Failure::No(text) => Failure::No(match text.rsplit_once("\nnext: ") {
            Some((what, next)) => format!("{what}\nnext: {}", hint::named(next, object)),
            None => text,
        }),
        other @ Failure::Usage(_) => other,
    }
}

/// The same with a question, where nobody named a namespace and the one of the context is refused.
pub(super) fn perhaps_elsewhere(message: String, named: Option<&str>) -> String {
    let refused = message.split_once("(403 Forbidden)").and_then(|(_, why)| why.split_once(" in the namespace \""));
    match refused.and_then(|(_, rest)| rest.split_once('"')) {
        Some((namespace, _)) if named.is_none() => {
            let question = format!("is {} the right namespace? (-n)", table::plain(namespace));
            format!("{message}; {question}")
        }
        _ => message,
    }
}

/// The API server holds on to what was said before: the schema refuses another word, or a policy one that fits no more.
pub(super) fn too_late(error: &Error) -> bool {
    let policy = |status: &Status| of_policy(&status.message).is_some_and(|(code, _)| code == Code::InvalidTransition);
    invalid(error) || matches!(error, Error::Api(status) if policy(status))
}

/// The refusal, and what to do next.
fn explained(status: &Status) -> String {
    if let Some((code, sentence)) = of_policy(&status.message) {
        return format!("{sentence} [{code}]\nnext: {}", hint::next(code));
    }
    let causes = status.details.as_ref().map(|details| schema::told(&details.causes));
    if let Some(fields) = causes.flatten().filter(|_| status.code == 422) {
        let code = Code::ValidationFailed;
        return format!("not accepted: {fields} [{code}]\nnext: {}", hint::next(code));
    }
    let reason = if status.reason.is_empty() { String::new() } else { format!(" {}", status.reason) };
    let next = next(status.code, &status.message);
    let next = next.map(|next| format!("\nnext: {next}")).unwrap_or_default();
    format!("the API server says ({}{reason}): {}{next}", status.code, status.message)
}

/// Code and sentence of a policy that Slipway has generated.
fn of_policy(message: &str) -> Option<(Code, &str)> {
    let (_, said) = message.split_once(" denied request: ")?;
    let (code, sentence) = said.split_once(": ")?;
    Some((code.parse().ok()?, sentence))
}

fn next(code: u16, message: &str) -> Option<&'static str> {
    match code {
        401 => Some(hint::next(Code::Unauthorized)),
        403 if message.contains("AdmissionPolicy") => None,
        403 => Some(hint::next(Code::Forbidden)),
        404 if message.contains(UNKNOWN_KIND) => {
            Some("Slipway is not installed in this cluster: `slipway manifests | kubectl apply --server-side -f -`")
        }
        404 => Some(hint::next(Code::NotFound)),
        409 => Some("look again, and repeat the command"),
        429 | 500.. => Some("try again in a moment"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: u16, reason: &str, message: &str) -> String {
        let error = Error::Api(Status::failure(message, reason).with_code(code).boxed());
        said("approve shop/web", &error).to_string()
    }

    #[test]
    fn the_servers_own_words_stand_with_their_code_and_what_to_do() {
        insta::assert_snapshot!(read(404, "NotFound", "deployments.slipway.dev \"web\" not found"), @r#"
        approve shop/web: the API server says (404 NotFound): deployments.slipway.dev "web" not found
        next: look with `kubectl get slipd,slipe,slipr`, and mind the namespace (-n)
        "#);
        let gone = "the server could not find the requested resource";
        assert!(read(404, "NotFound", gone).contains("slipway manifests"));
    }

    #[test]
    fn a_namespace_that_nobody_named_is_asked_about_where_it_is_refused() {
        let said = read(403, "Forbidden", "cannot get resource \"deployments\" in the namespace \"default\"");
        let asked = perhaps_elsewhere(said.clone(), None);
        assert!(asked.ends_with("; is default the right namespace? (-n)") && asked.contains("\nnext: "), "{asked}");
        assert_eq!(perhaps_elsewhere(said.clone(), Some("default")), said);
        let other = read(404, "NotFound", "there is none in the namespace \"default\"");
        assert_eq!(perhaps_elsewhere(other.clone(), None), other);
    }

    #[test]
    fn a_policy_says_its_sentence_with_the_code_and_the_step_that_follows_from_it() {
        let policy = "deployments.slipway.dev \"web\" is forbidden: ValidatingAdmissionPolicy 'slipway-deployment-said' with \
                      binding 'slipway-deployment-said' denied request: self_approval: alice made this request and cannot \
                      review it: ask someone else";
        insta::assert_snapshot!(read(403, "Forbidden", policy), @r"
        approve shop/web: alice made this request and cannot review it: ask someone else [self_approval]
        next: ask someone else who may: `kubectl slipway inbox --mine` shows each person what waits for them
        ");
        let other = "ValidatingAdmissionPolicy 'quota' with binding 'quota' denied request: too: much";
        assert!(read(403, "Forbidden", other).ends_with(other), "of others nothing is known");
    }

    #[test]
    fn what_the_schema_refuses_is_named_by_field() {
        let cause = kube::core::response::StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: "Invalid value: \"object\": must not be blank".to_owned(),
            field: "spec.rollbackPlan".to_owned(),
        };
        let mut status = Status::failure("Deployment \"web\" is invalid: spec: …", "Invalid").with_code(422);
        let details = serde_json::json!({"causes": [cause]});
        status.details = Some(serde_json::from_value(details).unwrap());
        let said = said("creating shop/web", &Error::Api(status.boxed())).to_string();
        insta::assert_snapshot!(said, @r"
        creating shop/web: not accepted: spec.rollbackPlan: must not be blank [validation_failed]
        next: mend what is named, and repeat
        ");
    }
}
