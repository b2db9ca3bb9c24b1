//! Cuts a controller at exactly one of its effects.
//!
//! What: a layer under the controller's client and a hook in its archive see every effect by its [`Point`]. Guarantees: a
//! fault happens once, at that point and nowhere else; a fault that never happens leaves the controller as it is.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use slipway_store::{CommitFate, CommitPoint, CommitSide, Hook};
use tower::{BoxError, Layer, Service};

use super::point::{self, Effect, Point};

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Mode {
    /// The process ends before the effect.
    Before,
    /// The process ends after the effect, before it has learnt of it.
    After,
    /// The effect happens, and the process is told that it failed.
    Lost,
    /// The effect does not happen, and the process is told that it failed.
    Unsent,
    /// The request is written to stdout instead, and waits for a line on stdin.
    Hold,
    /// The same, and the lease answers a second later from then on: a process that thaws learns last who leads.
    Freeze,
}

impl Mode {
    /// Those that a sweep goes through.
    pub const SWEPT: [Self; 4] = [Self::Before, Self::After, Self::Lost, Self::Unsent];
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Lost => "lost",
            Self::Unsent => "unsent",
            Self::Hold => "hold",
            Self::Freeze => "freeze",
        })
    }
}

/// A point and what happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub point: Point,
    /// What.
    pub mode: Mode,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.mode, self.point)
    }
}

/// The line of a journal that says that the fault has happened.
pub(super) const FIRED: &str = "FIRED ";

/// How much later the lease of a frozen process answers.
const LATE: Duration = Duration::from_secs(1);

/// Sees every effect of one process.
#[derive(Debug, Clone)]
pub struct Injector(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    namespace: String,
    counts: HashMap<String, u32>,
    leases: u32,
    heads: u32,
    late_lease: bool,
    fault: Option<Fault>,
    journal: Option<File>,
}

impl Injector {
    /// An injector of `fault` that writes each point that it sees to `journal`. Names leave out `namespace`.
    pub fn new(namespace: &str, fault: Option<Fault>, journal: Option<&Path>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Arc::new(Mutex::new(State {
            namespace: namespace.to_owned(),
            counts: HashMap::new(),
            leases: 0,
            heads: 0,
            late_lease: false,
            fault,
            journal: journal.map(open).transpose()?,
        }))))
    }

    /// The hook for the archive.
    pub fn hook(&self) -> Hook {
        let this = self.clone();
        // What was seen before a commit is what happens after it: one writer, one commit at a time.
        let current = Mutex::new(None);
        Hook::new(move |point: &CommitPoint| {
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            if point.side == CommitSide::Before {
                *current = this.lock().commit(&point.label);
            }
            match (*current, point.side) {
                (Some(Mode::Before), CommitSide::Before) | (Some(Mode::After), CommitSide::After) => {
                    std::process::abort()
                }
                (Some(Mode::Lost), CommitSide::After) | (Some(Mode::Unsent), CommitSide::Before) => {
                    *current = None;
                    CommitFate::FailAnswer
                }
                _ => CommitFate::Go,
            }
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn commit(&mut self, label: &str) -> Option<Mode> {
        // All are counted, also after the one where something happens.
        let modes: Vec<_> =
            point::commits(label, &self.namespace.clone()).into_iter().map(|name| self.see(name)).collect();
        modes.into_iter().flatten().next()
    }

    fn request(&mut self, effect: Effect) -> Option<Mode> {
        let name = match effect {
            Effect::Write(name) => name,
            Effect::Read(name) if self.fault.as_ref().is_some_and(|fault| fault.point.name == name) => name,
            Effect::None | Effect::Read(_) => return None,
            Effect::Lease { released: true, .. } => "release lease".to_owned(),
            // How often the head moves between two renewals is a matter of time.
            Effect::Lease { annotation: true, .. } => {
                self.heads += 1;
                if self.heads > 1 {
                    return None;
                }
                "remember head".to_owned()
            }
            Effect::Lease { .. } => {
                self.leases += 1;
                match self.leases {
                    1 => "acquire lease".to_owned(),
                    2 => "renew lease".to_owned(),
                    _ => return None,
                }
            }
        };
        self.see(name)
    }

    fn see(&mut self, name: String) -> Option<Mode> {
        let count = self.counts.entry(name.clone()).or_default();
        *count += 1;
        let point = Point { name, number: *count };
        let fault = self.fault.take_if(|fault| fault.point == point);
        let fired = if fault.is_some() { FIRED } else { "" };
        if let Some(journal) = &mut self.journal {
            // One write a line: the process may end right after it.
            let _ = journal.write_all(format!("{fired}{point}\n").as_bytes());
        }
        self.late_lease |= fault.as_ref().is_some_and(|fault| fault.mode == Mode::Freeze);
        fault.map(|fault| fault.mode)
    }
}

impl<S> Layer<S> for Injector {
    type Service = Cut<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cut { inner, injector: self.clone() }
    }
}

/// The service that cuts.
#[derive(Debug)]
pub struct Cut<S> {
    inner: S,
    injector: Injector,
}

impl<S, B> Service<Request<Body>> for Cut<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let body = read(&mut request);
        let text = body.as_ref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let uri = request.uri().clone();
        let effect = point::effect(request.method(), uri.path(), uri.query().unwrap_or_default(), &text);
        let late = uri.path().contains("/leases/") && self.injector.lock().late_lease;
        let Some(mode) = self.injector.lock().request(effect) else {
            let answer = self.inner.call(request);
            return Box::pin(async move {
                if late {
                    tokio::time::sleep(LATE).await;
                }
                answer.await
            });
        };
        let broken = || -> BoxError { io::Error::new(io::ErrorKind::ConnectionReset, "injected").into() };
        match mode {
            Mode::Before => std::process::abort(),
            Mode::Unsent => Box::pin(std::future::ready(Err(broken()))),
            Mode::After => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let _ = answer.await;
                    std::process::abort()
                })
            }
            Mode::Lost => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let _ = answer.await;
                    Err(broken())
                })
            }
            Mode::Hold | Mode::Freeze => {
                let told = tell(&request, &text);
                let answer = self.inner.call(request);
                // It has left the process: it arrives also if nobody waits for its answer any more.
                let sent = tokio::spawn(async move {
                    told?;
                    tokio::task::spawn_blocking(|| io::stdin().lock().read_line(&mut String::new())).await??;
                    answer.await
                });
                Box::pin(async move { sent.await? })
            }
        }
    }
}

/// The body's bytes, where it has them at once. All bodies of kube do.
fn read(request: &mut Request<Body>) -> Option<Vec<u8>> {
    use futures::FutureExt as _;
    let copy = request.body().try_clone()?;
    copy.collect_bytes().now_or_never()?.ok().map(|bytes| bytes.to_vec())
}

/// Says what is held, so that it can be sent by someone else, later.
fn tell(request: &Request<Body>, body: &Value) -> io::Result<()> {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let held = json!({
        "method": request.method().as_str(), "uri": request.uri().to_string(), "headers": headers, "body": body,
    });
    writeln!(io::stdout().lock(), "{held}")
}
