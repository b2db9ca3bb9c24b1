//! One execution of one attempt: it applies, then judges health, and says what became of it.
//!
//! Guarantees: what runs is what was previewed; before it writes, this process still leads and the attempt is still wanted.
//! Once it is stopped, or out of time, it sends nothing more, and it has not ended before all that it sent is answered:
//! whatever follows, a rollback or another process, reads what it left behind. Only the wait for health is cut short.
//! On a crash: the same attempt is executed again, and finds in place what was written.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::ResourceExt as _;
use slipway_domain::attempt::Progress;
use slipway_domain::code::Code;
use slipway_domain::deployment::{Request, Status};
use slipway_domain::digest::Digest;
use slipway_domain::environment::Environment;
use slipway_domain::guard::Guard;
use slipway_domain::phase::Phase;
use slipway_domain::preview::{Plan, Preview};
use slipway_domain::runtime::{Applied, Failure, ObjectRef};
use slipway_k8s::fence::Fence;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::executor::Place;
use crate::key::Key;
use crate::patience::Patience;
use crate::resources::Resources;
use crate::runtime::Ready;

/// How long an attempt may take beyond what health may take before it is cut off without a diagnosis.
const GRACE: Duration = Duration::from_mins(1);

/// What is executed, with everything it needs.
pub struct Order<R: Resources> {
    pub(crate) cx: Arc<Context<R>>,
    pub(crate) key: Key,
    pub(crate) uid: String,
    pub(crate) attempt: String,
    /// An earlier execution of the same attempt may have changed something already.
    pub(crate) resumed: bool,
    pub(crate) objects: Vec<ObjectRef>,
    pub(crate) ready: Result<Ready, Failure>,
    pub(crate) release: Option<Digest>,
    pub(crate) status: Status,
    pub(crate) request: Request,
    pub(crate) environment: Environment,
    /// The guard under which it was decided.
    pub(crate) guard: Guard,
    /// Cancelled once it is stopped or out of time.
    pub(crate) halt: CancellationToken,
}

impl<R: Resources> Order<R> {
    /// Carries it out until it is done or `stop` is cancelled. `place` is given up when all is written.
    pub async fn execute(self, stop: CancellationToken, place: Place) -> Progress {
        let limit = limit(&self.environment);
        let work = self.work(place);
        tokio::pin!(work);
        let late = tokio::select! {
            done = &mut work => return done.map_or_else(|failure| Progress::Failed(self.resume(failure)), Progress::Succeeded),
            () = stop.cancelled() => None,
            () = tokio::time::sleep(limit) => Some(timed_out(&self.key, limit)),
        };
        self.halt.cancel();
        match (work.await.map_err(|failure| self.resume(failure)), late) {
            (Ok(applied), _) => Progress::Succeeded(applied),
            (Err(Failure { changed, .. }), None) => Progress::Stopped { changed },
            (Err(Failure { changed, .. }), Some(late)) => Progress::Failed(Failure { changed, ..late }),
        }
    }

    /// The same failure, with what an earlier execution may have changed.
    fn resume(&self, failure: Failure) -> Failure {
        Failure { changed: failure.changed || self.resumed, ..failure }
    }

    async fn work(&self, place: Place) -> Result<Applied, Failure> {
        let ready = self.ready.as_ref().map_err(Clone::clone)?;
        self.still_what_was_previewed(ready)?;
        tracing::info!(deployment = %self.key, attempt = %self.attempt, "applying");
        let applied = self.cx.runtimes.apply(ready, &self.objects, self).await?;
        // Whoever only waits for health keeps nobody else from writing.
        drop(place);
        tracing::debug!(deployment = %self.key, attempt = %self.attempt, "verifying");
        let changed = !applied.written.is_empty() || !applied.pruned.is_empty();
        let health = self.cx.runtimes.health(&self.environment, ready, |line| {
            tracing::debug!(deployment = %self.key, attempt = %self.attempt, "{line}");
        });
        tokio::select! {
            biased;
            () = self.halt.cancelled() => return Err(Failure { changed, ..stopped(&self.key) }),
            healthy = health => healthy.map_err(|failure| Failure { changed: failure.changed || changed, ..failure })?,
        }
        self.cx.metrics.applied(applied.written.len(), applied.pruned.len());
        Ok(applied)
    }

    /// What was confirmed and approved is what is applied, to the byte.
    ///
    /// An attempt that is taken up again is held to its release alone: a policy that changed since then voids what waits,
    /// never what is under way.
    fn still_what_was_previewed(&self, ready: &Ready) -> Result<(), Failure> {
        let Some(release) = &self.release else { return Ok(()) };
        let plan = Plan::new(&self.request, &self.environment, None, ready.content().clone(), &self.guard);
        let previewed = self.status.preview.as_ref();
        if previewed.is_some_and(|previewed| covers(previewed, &plan.digest, release, self.resumed)) {
            return Ok(());
        }
        Err(Failure {
            code: Code::PreviewMismatch,
            message: format!(
                "what would be applied for {} is not what was previewed: create a new Deployment",
                self.key
            ),
            detail: None,
            retryable: false,
            changed: false,
        })
    }
}

/// Whether a preview showed what `plan` would apply of `release`.
fn covers(previewed: &Preview, plan: &Digest, release: &Digest, resumed: bool) -> bool {
    previewed.release.as_ref() == Some(release) && (resumed || previewed.reference.digest == *plan)
}

#[async_trait]
impl<R: Resources> Fence for Order<R> {
    /// Reads the Lease and the Deployment themselves: this process still leads, and this attempt is still the one wanted.
    async fn check(&self) -> Result<(), Failure> {
        let lost = |message: String, retryable| Failure {
            code: Code::Conflict,
            message,
            detail: None,
            retryable,
            changed: false,
        };
        match Patience::FENCE.ask("the lease", || self.cx.leader.holds()).await {
            Ok(true) => {}
            Ok(false) => return Err(lost("another controller has taken over".to_owned(), true)),
            Err(why) => return Err(lost(why, true)),
        }
        let what = format!("deployment {}", self.key);
        let now = Patience::FENCE.ask(&what, || self.cx.resources.get::<slipway_crd::Deployment>(&self.key)).await;
        let now = now.map_err(|why| lost(why, true))?;
        let wanted = now.as_ref().is_some_and(|now| {
            let status = now.status.as_ref();
            now.uid().as_deref() == Some(&self.uid)
                && status.is_some_and(|status| {
                    matches!(status.phase, Phase::Applying | Phase::Failed | Phase::Succeeded)
                        && status.attempt.as_ref().is_some_and(|attempt| attempt.id == self.attempt)
                        && status.finished_at.is_none()
                        && status.audit.epoch <= self.cx.epoch
                })
        });
        if wanted {
            return Ok(());
        }
        Err(lost(format!("attempt {} of {} is not wanted any more", self.attempt, self.key), false))
    }

    async fn stopped(&self) {
        self.halt.cancelled().await;
    }

    /// The lease lasts for five of its periods and is given up after little more than three without a renewal.
    fn good_for(&self) -> Duration {
        self.cx.leader.period()
    }
}

/// Health is given the Environment's timeout, its checks have their own, and both say what was wrong; this is for all else
/// that may hang.
fn limit(environment: &Environment) -> Duration {
    let checks = environment.health_checks.iter();
    // The checks run at the same time, each with a pause of a second between its tries.
    let longest =
        checks.map(|check| (check.timeout + Duration::from_secs(1)).saturating_mul(check.retries.saturating_add(1)));
    environment.timeout + GRACE + longest.max().unwrap_or_default()
}

fn timed_out(key: &Key, limit: Duration) -> Failure {
    Failure {
        code: Code::OperationTimeout,
        message: format!(
            "{key} was not done within {} s, the timeout of its environment and its health checks included",
            limit.as_secs()
        ),
        detail: None,
        retryable: false,
        changed: true,
    }
}

fn stopped(key: &Key) -> Failure {
    Failure {
        code: Code::Aborted,
        message: format!("{key} was stopped"),
        detail: None,
        retryable: false,
        changed: true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use slipway_domain::preview::PreviewRef;
    use slipway_domain::runtime::{Changes, Forecast, HealthCheck, Probe, Risk};

    use super::*;

    fn development() -> Environment {
        let wire = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
            "metadata": {
                "name": "dev", "namespace": "shop", "uid": "e1", "generation": 1,
                "creationTimestamp": "2026-01-02T03:04:05Z",
            },
            "spec": {
                "project": "shop", "team": "payments", "tier": "development", "timeout": "10m",
                "runtime": {"k8s": {"namespace": "shop", "serviceAccountName": "deployer"}},
            },
        });
        slipway_crd::parse::environment(&serde_json::from_value(wire).unwrap()).unwrap()
    }

    fn check(seconds: u64, retries: u32) -> HealthCheck {
        let probe = Probe::Http { url: "http://web/healthz".to_owned(), expect_status: 200 };
        HealthCheck { probe, timeout: Duration::from_secs(seconds), retries }
    }

    #[test]
    fn an_attempt_is_not_cut_off_while_its_health_checks_may_still_pass() {
        let mut environment = development();
        assert_eq!(limit(&environment), Duration::from_mins(10) + GRACE);
        environment.health_checks = vec![check(120, 10), check(300, 0)];
        assert_eq!(limit(&environment), Duration::from_mins(10) + GRACE + Duration::from_secs(11 * 121));
    }

    #[test]
    fn a_preview_covers_its_release_and_its_plan_and_once_begun_its_release() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let previewed = |release: Option<&str>| Preview {
            reference: PreviewRef { number: 1, digest: digest("plan") },
            forecast: Forecast {
                changes: Changes::default(),
                risk: Risk::Low,
                checks: Vec::new(),
                diff: String::new(),
            },
            at: jiff::Timestamp::UNIX_EPOCH,
            release: release.map(digest),
            replaces: None,
            ticket_expired_at: None,
        };
        let web = previewed(Some("web"));
        assert!(covers(&web, &digest("plan"), &digest("web"), false));
        assert!(!covers(&web, &digest("other"), &digest("web"), false), "a policy that changed before it began");
        assert!(covers(&web, &digest("other"), &digest("web"), true), "and after it began");
        assert!(!covers(&web, &digest("plan"), &digest("other"), true), "another release of the same name");
        assert!(!covers(&previewed(None), &digest("plan"), &digest("web"), true), "nobody knows what was shown");
    }

    #[test]
    fn what_is_not_done_in_time_says_how_long_it_had() {
        let key = Key { namespace: "shop".into(), name: "web-v1".into() };
        let failure = timed_out(&key, Duration::from_mins(11));
        assert_eq!((failure.code, failure.retryable), (Code::OperationTimeout, false));
        assert!(failure.message.contains("web-v1 was not done within 660 s"), "{}", failure.message);
    }
}
