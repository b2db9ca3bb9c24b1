//! A refusal in the API server's own words, with its code, and what to do next.

use std::future::Future;
use std::time::Duration;

use kube::Error;

use crate::Failure;

/// How long the API server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// There is no such object.
pub(super) fn missing(error: &Error) -> bool {
    code(error) == Some(404)
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
    let reason = if status.reason.is_empty() { String::new() } else { format!(" {}", status.reason) };
    let next = next(status.code, &status.message);
    Failure::No(format!("{doing}: the API server says ({}{reason}): {}{next}", status.code, status.message))
}

fn next(code: u16, message: &str) -> String {
    let next = match code {
        401 => "log in again, or name other credentials with --kubeconfig, --context or --as",
        403 if message.contains("ValidatingAdmissionPolicy") => "",
        403 => "`kubectl slipway doctor` shows what you may do; ask who looks after the environment for the verb",
        404 if message.contains("could not find the requested resource") => {
            "Slipway is not installed in this cluster: `slipway manifests | kubectl apply --server-side -f -`"
        }
        404 => "look with `kubectl get slipd,slipe,slipr`, and mind the namespace (-n)",
        409 => "look again, and repeat the command",
        429 | 500.. => "try again in a moment",
        _ => "",
    };
    if next.is_empty() { String::new() } else { format!("\nnext: {next}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

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
        let policy = "ValidatingAdmissionPolicy 'slipway-reviews' with binding 'slipway-reviews' denied request: \
                      self_approval: alice made this request and cannot review it: ask someone else";
        let denied = read(403, "Forbidden", policy);
        assert!(denied.ends_with("ask someone else") && denied.contains("(403 Forbidden)"), "{denied}");
    }
}
