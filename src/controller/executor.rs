//! Attempts run beside the reconcilers, each at most once in this process, and report when they are done.
//!
//! Guarantees: an attempt id runs at most once at a time; its outcome stays until [`Executor::forget`]; stopping one
//! waits for it to be gone. Assumes that whoever starts an attempt has archived it first. After a crash nothing of this
//! is left: the attempt is then [`Progress::Absent`] and is started anew under the same id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_domain::attempt::Progress;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::key::Key;

/// Runs attempts.
#[derive(Debug, Clone)]
pub struct Executor {
    attempts: Arc<Mutex<HashMap<String, Slot>>>,
    places: Arc<Semaphore>,
    tracker: TaskTracker,
    done: mpsc::UnboundedSender<Key>,
}

#[derive(Debug)]
struct Slot {
    progress: Progress,
    stop: CancellationToken,
    owner: Key,
}

impl Executor {
    /// An executor with `places` attempts at a time, and the stream of Deployments whose attempt is done.
    pub fn new(places: usize) -> (Self, mpsc::UnboundedReceiver<Key>) {
        let (done, wakes) = mpsc::unbounded_channel();
        let executor = Self {
            attempts: Arc::default(),
            places: Arc::new(Semaphore::new(places)),
            tracker: TaskTracker::new(),
            done,
        };
        (executor, wakes)
    }

    /// What is known of an attempt.
    pub fn progress(&self, attempt: &str) -> Progress {
        self.lock().get(attempt).map_or(Progress::Absent, |slot| slot.progress.clone())
    }

    /// Starts `work` as `attempt`, unless it runs or has run already.
    ///
    /// `work` is given a token that is cancelled when it is to stop, and returns what became of it.
    pub fn start<F>(&self, attempt: &str, owner: Key, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Progress> + Send + 'static,
    {
        let stop = CancellationToken::new();
        {
            let mut attempts = self.lock();
            if attempts.contains_key(attempt) {
                return;
            }
            let slot = Slot { progress: Progress::Running, stop: stop.clone(), owner: owner.clone() };
            attempts.insert(attempt.to_owned(), slot);
        }
        let future = work(stop);
        let (this, id) = (self.clone(), attempt.to_owned());
        self.tracker.spawn(async move {
            // The semaphore is never closed; without a permit the attempt would still be right, only not bounded.
            let _place = this.places.clone().acquire_owned().await;
            let progress = future.await;
            if let Some(slot) = this.lock().get_mut(&id) {
                slot.progress = progress;
            }
            let _ = this.done.send(owner);
        });
    }

    /// Asks an attempt to stop. Its owner is woken once it has.
    pub fn stop(&self, attempt: &str) {
        if let Some(slot) = self.lock().get(attempt) {
            slot.stop.cancel();
        }
    }

    /// Stops everything that still runs for Deployments that are gone.
    pub fn stop_owner(&self, owner: &Key) {
        for slot in self.lock().values().filter(|slot| slot.owner == *owner) {
            slot.stop.cancel();
        }
    }

    /// Stops everything and waits until nothing runs any more, at most `patience`. False if something still does: then
    /// the lease must not be given back, for a write may be under way.
    pub async fn shutdown(&self, patience: Duration) -> bool {
        for slot in self.lock().values() {
            slot.stop.cancel();
        }
        self.tracker.close();
        tokio::time::timeout(patience, self.tracker.wait()).await.is_ok()
    }

    /// Stops everything when the answer is dropped: no attempt outlives the term that started it.
    pub fn for_a_term(&self) -> Term {
        Term(self.clone())
    }

    /// Drops the outcome of an attempt, once it is written down.
    pub fn forget(&self, attempt: &str) {
        let mut attempts = self.lock();
        if attempts.get(attempt).is_some_and(|slot| slot.progress != Progress::Running) {
            attempts.remove(attempt);
        }
    }

    /// How many attempts run or wait for a place.
    pub fn running(&self) -> usize {
        self.lock().values().filter(|slot| slot.progress == Progress::Running).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A term of this executor. Its end stops all attempts; the next term takes them up again.
#[derive(Debug)]
pub struct Term(Executor);

impl Drop for Term {
    fn drop(&mut self) {
        for slot in self.0.lock().values() {
            slot.stop.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_domain::runtime::Applied;

    fn key() -> Key {
        Key { namespace: "shop".into(), name: "web-v1".into() }
    }

    fn done() -> Progress {
        Progress::Succeeded(Applied { written: Vec::new(), pruned: Vec::new() })
    }

    #[tokio::test]
    async fn an_attempt_runs_once_and_its_owner_is_woken() {
        let (executor, mut wakes) = Executor::new(2);
        executor.start("a1", key(), |_| async { done() });
        executor.start("a1", key(), |_| async { panic!("started twice") });
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), done());
        executor.forget("a1");
        assert_eq!(executor.progress("a1"), Progress::Absent);
    }

    #[tokio::test]
    async fn no_attempt_outlives_its_term() {
        let (executor, mut wakes) = Executor::new(1);
        let term = executor.for_a_term();
        executor.start("a1", key(), |stop| async move {
            stop.cancelled().await;
            Progress::Stopped { changed: true }
        });
        drop(term);
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), Progress::Stopped { changed: true });
    }

    #[tokio::test]
    async fn a_shutdown_says_whether_something_still_runs() {
        let (executor, _wakes) = Executor::new(1);
        let (answer, answered) = tokio::sync::oneshot::channel();
        executor.start("a1", key(), |_| async {
            let _ = answered.await;
            Progress::Stopped { changed: true }
        });
        assert!(!executor.shutdown(Duration::from_millis(10)).await);
        answer.send(()).unwrap();
        assert!(executor.shutdown(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_stopped_attempt_says_so_itself() {
        let (executor, mut wakes) = Executor::new(1);
        executor.start("a1", key(), |stop| async move {
            stop.cancelled().await;
            Progress::Stopped { changed: false }
        });
        assert_eq!(executor.progress("a1"), Progress::Running);
        executor.stop("a1");
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), Progress::Stopped { changed: false });
    }
}
