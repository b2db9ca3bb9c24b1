//! Whether this process is well, for whoever runs it: `/healthz`, `/readyz`, `/metrics`.
//!
//! `readyz` says in words what keeps the controller from working: a candidate that does not lead is ready, an archive
//! that went apart from the cluster is not, and no more are policies that are missing or altered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use slipway_domain::code::Code;
use slipway_domain::guard::{Breach, Guard};
use tokio::net::TcpListener;

use crate::executor::Executor;
use crate::guard::Policies;
use crate::ledger::Ledger;
use crate::metrics::Metrics;

/// What `/readyz` knows.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    trouble: Arc<Mutex<Option<String>>>,
    term: Arc<Mutex<Option<Term>>>,
    in_view: Arc<AtomicBool>,
}

/// What works for as long as this process leads.
#[derive(Debug, Clone)]
struct Term {
    ledger: Ledger,
    executor: Executor,
    policies: Policies,
}

impl Term {
    fn breaches(&self) -> Vec<Breach> {
        match self.policies.now() {
            Guard::InForce { .. } => Vec::new(),
            Guard::Broken { breaches, .. } => breaches,
        }
    }
}

impl Readiness {
    /// Something keeps the whole controller from working.
    pub fn trouble(&self, message: impl Into<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.into());
    }

    /// It does not any more.
    pub fn clear(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// This process leads: from now on divergences count.
    pub fn leads(&self, ledger: Ledger, executor: Executor, policies: Policies) {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = Some(Term { ledger, executor, policies });
    }

    /// Everything was listed once: from now on things are decided.
    pub fn in_view(&self) {
        self.in_view.store(true, Ordering::Relaxed);
    }

    /// Everything that is wrong, a line each; empty when nothing is.
    pub fn report(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone());
        if let Some(term) = &*self.term.lock().unwrap_or_else(PoisonError::into_inner) {
            let ledger = &term.ledger;
            if !self.in_view.load(Ordering::Relaxed) {
                lines
                    .push("not all resources are listed yet: if that stays so, the log says which, and why".to_owned());
            }
            lines.extend(ledger.failing());
            lines
                .extend(ledger.diverged().iter().map(|divergence| format!("audit_diverged: {}", divergence.message())));
            lines.extend(term.breaches().iter().map(|breach| format!("{}: {breach}", Code::PoliciesNotInForce)));
        }
        lines
    }

    fn counts(&self) -> [usize; 3] {
        match &*self.term.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(term) => [term.ledger.diverged().len(), term.executor.running(), term.breaches().len()],
            None => [0; 3],
        }
    }
}

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    metrics: Metrics,
}

/// Binds to `listen`; the address may ask for any free port.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Answers until the process ends.
pub async fn serve(listener: TcpListener, readiness: Readiness, metrics: Metrics) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Shared { readiness, metrics });
    axum::serve(listener, router).await
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let report = shared.readiness.report();
    if report.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, report.join("\n") + "\n")
}

async fn scrape(State(shared): State<Shared>) -> impl IntoResponse {
    let [diverged, running, breaches] = shared.readiness.counts();
    shared.metrics.observe(diverged, running, breaches);
    ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], shared.metrics.encode())
}
