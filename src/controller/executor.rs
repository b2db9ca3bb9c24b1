//! Attempts run beside the reconcilers, each at most once in this process, and report when they are done.
//!
//! Guarantees: an attempt id runs at most once at a time; its outcome stays until [`Executor::forget`], or until one that
//! was stopped is started again; one that waits for a place can be stopped. A place is held for as long as the attempt
//! keeps it: while it writes, not while it only watches. Assumes that whoever starts an attempt has archived it first.
//! After a crash nothing of this is left: the attempt is then [`Progress::Absent`] and is started anew under the same id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_domain::attempt::Progress;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
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
    /// Cancelled when its outcome is known.
    ended: CancellationToken,
}

/// The right to write to a target; dropping it lets the next attempt begin.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
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

    /// Starts `work` as `attempt`, unless it runs or has run to its end already.
    ///
    /// `work` is given its place and a token that is cancelled when it is to stop, and returns what became of it.
    /// `resumed` says that an earlier execution may have changed something: so has then one that is stopped in the queue.
    pub fn start<F>(
        &self,
        attempt: &str,
        owner: Key,
        resumed: bool,
        work: impl FnOnce(CancellationToken, Place) -> F + Send + 'static,
    ) where
        F: Future<Output = Progress> + Send,
    {
        let stop = CancellationToken::new();
        {
            let mut attempts = self.lock();
            match attempts.get(attempt).map(|slot| &slot.progress) {
                Some(Progress::Running | Progress::Succeeded(_) | Progress::Failed(_)) => return,
                // One that was stopped and is wanted after all begins anew.
                Some(Progress::Stopped { .. } | Progress::Absent) | None => {}
            }
            let slot = Slot { progress: Progress::Running, stop: stop.clone(), ended: CancellationToken::new() };
            attempts.insert(attempt.to_owned(), slot);
        }
        let (this, id) = (self.clone(), attempt.to_owned());
        self.tracker.spawn(async move {
            let place = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                // The semaphore is never closed; without a permit the attempt would still be right, only not bounded.
                permit = this.places.clone().acquire_owned() => Some(Place { _permit: permit.ok() }),
            };
            let progress = match place {
                Some(place) => work(stop, place).await,
                None => Progress::Stopped { changed: resumed },
            };
            if let Some(slot) = this.lock().get_mut(&id) {
                slot.progress = progress;
                slot.ended.cancel();
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

    /// Whether anything runs, or waits for a place, for the Deployment with this uid.
    pub fn runs_any_of(&self, deployment: &str) -> bool {
        self.lock().iter().any(|(id, slot)| is_of(id, deployment) && slot.progress == Progress::Running)
    }

    /// Stops everything of a Deployment that is gone, and waits until nothing of it runs any more. Nobody is left to ask
    /// what became of it.
    pub async fn stop_all_of(&self, deployment: &str) {
        let ends: Vec<_> = {
            let attempts = self.lock();
            let those = attempts.iter().filter(|(id, _)| is_of(id, deployment));
            those.inspect(|(_, slot)| slot.stop.cancel()).map(|(_, slot)| slot.ended.clone()).collect()
        };
        for end in ends {
            end.cancelled().await;
        }
        self.lock().retain(|id, slot| !is_of(id, deployment) || slot.progress == Progress::Running);
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

/// The id of an attempt begins with the uid of its Deployment; uids are of one length.
fn is_of(attempt: &str, deployment: &str) -> bool {
    attempt.strip_prefix(deployment).is_some_and(|rest| rest.starts_with('-'))
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
        executor.start("a1", key(), false, |_, _| async { done() });
        executor.start("a1", key(), false, |_, _| async { panic!("started twice") });
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), done());
        executor.forget("a1");
        assert_eq!(executor.progress("a1"), Progress::Absent);
    }

    #[tokio::test]
    async fn no_attempt_outlives_its_term() {
        let (executor, mut wakes) = Executor::new(1);
        let term = executor.for_a_term();
        executor.start("a1", key(), false, |stop, _| async move {
            stop.cancelled().await;
            Progress::Stopped { changed: true }
        });
        tokio::task::yield_now().await;
        drop(term);
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), Progress::Stopped { changed: true });
    }

    #[tokio::test]
    async fn a_shutdown_says_whether_something_still_runs() {
        let (executor, _wakes) = Executor::new(1);
        let (answer, answered) = tokio::sync::oneshot::channel();
        executor.start("a1", key(), false, |_, _| async {
            let _ = answered.await;
            Progress::Stopped { changed: true }
        });
        tokio::task::yield_now().await;
        assert!(!executor.shutdown(Duration::from_millis(10)).await);
        answer.send(()).unwrap();
        assert!(executor.shutdown(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_stopped_attempt_says_so_itself() {
        let (executor, mut wakes) = Executor::new(1);
        executor.start("a1", key(), false, |stop, _| async move {
            stop.cancelled().await;
            Progress::Stopped { changed: false }
        });
        assert_eq!(executor.progress("a1"), Progress::Running);
        tokio::task::yield_now().await;
        executor.stop("a1");
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), Progress::Stopped { changed: false });
    }

    #[tokio::test]
    async fn one_that_waits_for_a_place_can_be_stopped() {
        let (executor, mut wakes) = Executor::new(1);
        let _place = executor.places.clone().acquire_owned().await.unwrap();
        executor.start("a1", key(), false, |_, _| async { done() });
        executor.start("a2", key(), true, |_, _| async { done() });
        for (attempt, changed) in [("a1", false), ("a2", true)] {
            executor.stop(attempt);
            assert_eq!(wakes.recv().await, Some(key()));
            assert_eq!(executor.progress(attempt), Progress::Stopped { changed });
        }
    }

    #[tokio::test]
    async fn a_place_that_is_given_up_is_the_next_ones() {
        let (executor, mut wakes) = Executor::new(1);
        executor.start("watches", key(), false, |stop, place| async move {
            drop(place);
            stop.cancelled().await;
            Progress::Stopped { changed: true }
        });
        executor.start("writes", key(), false, |_, _place| async { done() });
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!((executor.progress("watches"), executor.progress("writes")), (Progress::Running, done()));
    }

    #[tokio::test]
    async fn one_that_was_stopped_and_is_wanted_after_all_begins_anew() {
        let (executor, mut wakes) = Executor::new(1);
        executor.start("a1", key(), false, |stop, _| async move {
            stop.cancelled().await;
            Progress::Stopped { changed: false }
        });
        tokio::task::yield_now().await;
        executor.stop("a1");
        assert_eq!(wakes.recv().await, Some(key()));
        executor.start("a1", key(), true, |_, _| async { done() });
        assert_eq!(wakes.recv().await, Some(key()));
        assert_eq!(executor.progress("a1"), done());
    }

    #[tokio::test]
    async fn all_of_one_deployment_is_stopped_and_nothing_else() {
        let (executor, _wakes) = Executor::new(3);
        for attempt in ["d1-a1", "d1-r1.2", "d11-a1"] {
            executor.start(attempt, key(), false, |stop, _| async move {
                stop.cancelled().await;
                Progress::Stopped { changed: true }
            });
        }
        assert!(executor.runs_any_of("d1"));
        executor.stop_all_of("d1").await;
        assert!(!executor.runs_any_of("d1"));
        let left = ["d1-a1", "d1-r1.2", "d11-a1"].map(|attempt| executor.progress(attempt));
        assert_eq!(left, [Progress::Absent, Progress::Absent, Progress::Running]);
    }
}
