//! A health check asks the service what its users would: one GET, one expected status.
//!
//! A redirect is an answer like any other and is not followed, so a check never leaves the host it names. The body is not
//! read. No proxy of the environment is used. A try ends after the check's timeout; between tries there is a second.

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use reqwest::{Client, Url, redirect};
use slipway_domain::code::Code;
use slipway_domain::runtime::{Failure, HealthCheck, Probe};

use crate::address::{self, Resolver};
use crate::failure;

const PAUSE: Duration = Duration::from_secs(1);

/// That this runtime can run all of `checks`.
///
/// # Errors
/// `RuntimeUnsupported` for a command, `ValidationFailed` for what is not an absolute http URL, or leads to the local link.
pub fn supported(checks: &[HealthCheck]) -> Result<(), Failure> {
    checks.iter().try_for_each(|check| match &check.probe {
        Probe::Http { url, .. } => parsed(url).map(drop),
        Probe::Exec { .. } => Err(failure::refused(
            Code::RuntimeUnsupported,
            "the Kubernetes runtime runs no commands yet; use an http health check".to_owned(),
        )),
    })
}

/// Runs all of `checks`, at the same time.
///
/// # Errors
/// `HealthCheckFailed` with what was asked, expected and got, for the first that failed; `detail` lists all.
pub(crate) async fn run(checks: &[HealthCheck]) -> Result<(), Failure> {
    supported(checks)?;
    if checks.is_empty() {
        return Ok(());
    }
    let client = client()?;
    let results = future::join_all(checks.iter().map(|check| passed(&client, check))).await;
    failure::all(results.into_iter().filter_map(Result::err).collect()).map_or(Ok(()), Err)
}

fn client() -> Result<Client, Failure> {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("slipway/", env!("CARGO_PKG_VERSION"));
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .dns_resolver(Arc::new(Resolver))
        .user_agent(agent)
        .build()
        .map_err(|error| failure::refused(Code::HealthCheckFailed, format!("no health check can be run: {error}")))
}

async fn passed(client: &Client, check: &HealthCheck) -> Result<(), Failure> {
    let Probe::Http { url, expect_status } = &check.probe else { return Ok(()) };
    let url = parsed(url)?;
    let shown = shown(&url);
    let mut got = String::new();
    for round in 0..=check.retries {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match client.get(url.clone()).timeout(check.timeout).send().await {
            Ok(answer) if answer.status().as_u16() == *expect_status => return Ok(()),
            Ok(answer) => got = answer.status().as_u16().to_string(),
            Err(error) => got = unanswered(&error, check.timeout),
        }
        tracing::debug!(url = shown, round, got, "health check not passed");
    }
    let message = format!("GET {shown}: expected {expect_status}, got {got}");
    Err(Failure { code: Code::HealthCheckFailed, message, detail: None, retryable: false, changed: false })
}

fn unanswered(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", timeout.as_secs_f32());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("no answer ({cause})")
}

/// The URL without a password: it is shown to people.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() && shown.set_password(Some("…")).is_err() {
        return url.host_str().unwrap_or_default().to_owned();
    }
    shown.to_string()
}

fn parsed(url: &str) -> Result<Url, Failure> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let refused = |message| failure::refused(Code::ValidationFailed, message);
    let parsed = parsed.ok_or_else(|| refused(format!("{url:?} is not an http or https URL")))?;
    match address::problem(&parsed) {
        None => Ok(parsed),
        Some(problem) => Err(refused(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that gives these answers, one a connection, then no more.
    async fn server(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/healthz", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut peer, _) = listener.accept().await.unwrap();
                let _ = peer.read(&mut [0; 1024]).await;
                let head = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                peer.write_all(head.as_bytes()).await.unwrap();
            }
        });
        url
    }

    fn http(url: &str, expect_status: u16, retries: u32) -> HealthCheck {
        let probe = Probe::Http { url: url.to_owned(), expect_status };
        HealthCheck { probe, timeout: Duration::from_secs(5), retries }
    }

    #[tokio::test]
    async fn a_service_that_answers_as_expected_is_healthy() {
        let url = server(&["200 OK"]).await;
        run(&[http(&url, 200, 0)]).await.unwrap();
    }

    #[tokio::test]
    async fn a_service_may_need_a_second_try() {
        let url = server(&["503 Busy", "200 OK"]).await;
        run(&[http(&url, 200, 1)]).await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_says_what_was_expected_and_what_came() {
        let url = server(&["503 Busy"]).await;
        let failure = run(&[http(&url, 200, 0)]).await.unwrap_err();
        assert_eq!(failure.code, Code::HealthCheckFailed);
        assert_eq!(failure.message, format!("GET {url}: expected 200, got 503"));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let url = server(&["302 Found\r\nlocation: http://127.0.0.1:1/"]).await;
        run(&[http(&url, 302, 0)]).await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_port_is_told_and_a_password_is_not() {
        let failure = run(&[http("http://a:hunter22@127.0.0.1:1/", 200, 0)]).await.unwrap_err();
        assert!(failure.message.contains("no answer (Connection refused"), "{}", failure.message);
        assert!(!failure.message.contains("hunter22"), "{}", failure.message);
    }

    #[test]
    fn what_cannot_be_run_is_refused_before_anything_runs() {
        let exec = Probe::Exec { command: vec!["true".to_owned()] };
        let exec = HealthCheck { probe: exec, timeout: Duration::from_secs(1), retries: 0 };
        assert_eq!(supported(&[exec]).unwrap_err().code, Code::RuntimeUnsupported);
        for url in ["file:///etc/passwd", "/healthz", "web:80", "", "http://169.254.169.254/"] {
            assert_eq!(supported(&[http(url, 200, 0)]).unwrap_err().code, Code::ValidationFailed, "{url}");
        }
    }
}
