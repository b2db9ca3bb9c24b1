//! No write follows a lost claim, as far as the API server can see.
//!
//! What: a frozen process that thaws must not overwrite what its successor applied.
//! Guarantees: what is written was read before the fence answered, or not much later: an answer is good until a successor
//! could have begun, and after every conflict a new one is asked for. A write to an existing object carries the
//! resourceVersion that was read. So whatever a successor writes comes after that read, and a late write is refused by the
//! server.
//! Once it is stopped nothing more is sent, reads and pauses are cut, and what was sent is awaited: whoever stopped it may
//! then read what became of the objects, and write them.
//! Assumes: the successor writes each object that it wants otherwise; the clock goes on while the process is frozen.
//! Not covered: a create has no resourceVersion. One that is on the wire when the claim is lost can still land; the
//! successor then finds the object, owned by the same service, and applies its own content to it.

use std::time::Duration;

use async_trait::async_trait;
use slipway_domain::code::Code;
use slipway_domain::runtime::Failure;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::failure;

/// Whether this process may still write.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Reads the Lease and the Deployment from the API server, never from a cache.
    ///
    /// # Errors
    /// Why nothing may be written any more: it ends the apply.
    async fn check(&self) -> Result<(), Failure>;

    /// Resolves once nothing more is to be written, because the work was stopped.
    async fn stopped(&self);

    /// How long after a check that succeeded nobody else can have taken over.
    fn good_for(&self) -> Duration;
}

/// A fence whose answer is used for as long as it is good.
pub(crate) struct Fenced<'a> {
    fence: &'a dyn Fence,
    /// When the last good answer was asked for.
    asked: Mutex<Option<Instant>>,
}

impl<'a> Fenced<'a> {
    pub(crate) fn new(fence: &'a dyn Fence) -> Self {
        Self { fence, asked: Mutex::new(None) }
    }

    /// To be called before each write, after the read that the write is based on.
    pub(crate) async fn may_write(&self) -> Result<(), Failure> {
        self.unless_stopped(self.good()).await?
    }

    /// What `work` comes to, unless it is cut. Nothing that may change something is to be cut.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.fence.stopped() => Err(failure::refused(Code::Aborted, "it was stopped".to_owned())),
            done = work => Ok(done),
        }
    }

    async fn good(&self) -> Result<(), Failure> {
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|asked| asked.elapsed() >= self.fence.good_for()) {
            let now = Instant::now();
            self.fence.check().await?;
            *asked = Some(now);
        }
        Ok(())
    }

    /// To be called after each conflict.
    pub(crate) async fn again(&self) -> Result<(), Failure> {
        *self.asked.lock().await = None;
        self.may_write().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::failure::refused;

    /// Leads when it is asked first, and never again.
    struct Deposed {
        asked: AtomicBool,
        stopped: AtomicBool,
        good_for: Duration,
    }

    #[async_trait]
    impl Fence for Deposed {
        async fn check(&self) -> Result<(), Failure> {
            let leads = !self.asked.swap(true, Ordering::SeqCst);
            if leads { Ok(()) } else { Err(refused(Code::Conflict, "another leads".to_owned())) }
        }

        async fn stopped(&self) {
            if !self.stopped.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        }

        fn good_for(&self) -> Duration {
            self.good_for
        }
    }

    fn deposed(good_for: Duration) -> Deposed {
        Deposed { asked: AtomicBool::new(false), stopped: AtomicBool::new(false), good_for }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_old_is_worth_nothing() {
        let fence = deposed(Duration::ZERO);
        let fenced = Fenced::new(&fence);
        assert_eq!(fenced.may_write().await, Ok(()));
        assert_eq!(fenced.may_write().await.unwrap_err().code, Code::Conflict);
    }

    #[tokio::test]
    async fn what_is_stopped_writes_nothing_more_and_reads_nothing_either() {
        let fence = deposed(Duration::from_hours(1));
        let fenced = Fenced::new(&fence);
        assert_eq!(fenced.may_write().await, Ok(()));
        fence.stopped.store(true, Ordering::SeqCst);
        assert_eq!(fenced.may_write().await.unwrap_err().code, Code::Aborted);
        let read = std::future::pending::<()>();
        assert_eq!(fenced.unless_stopped(read).await.unwrap_err().code, Code::Aborted);
    }

    #[tokio::test]
    async fn a_good_answer_is_used_until_there_is_a_conflict() {
        let fence = deposed(Duration::from_hours(1));
        let fenced = Fenced::new(&fence);
        assert_eq!(fenced.may_write().await, Ok(()));
        assert_eq!(fenced.may_write().await, Ok(()));
        assert_eq!(fenced.again().await.unwrap_err().code, Code::Conflict);
        assert_eq!(fenced.may_write().await.unwrap_err().code, Code::Conflict);
    }
}
