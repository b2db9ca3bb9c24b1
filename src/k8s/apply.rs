//! An object is written at most once, only if it would change, and only over the very version that was read.
//!
//! What: objects go in kind order, up to [`WRITES`] at a time within one rank; then what left the release is pruned in
//! the reverse order, if it is still this service's.
//! Guarantees: an object that is as wanted costs a read and no write. A failure says whether anything was, or may have
//! been, written. The first failure stops what has not begun; what has begun is awaited, so that the answer is true. The
//! same holds when the fence is stopped: a write that was sent is awaited for as long as a request may take.
//! On a crash: the same apply again reads first and writes only what is missing.
//! An answer that is lost is resolved by reading the object again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use slipway_domain::code::Code;
use slipway_domain::runtime::{Applied, Failure, ObjectRef};

use crate::client::Access;
use crate::failure::CallError;
use crate::fence::{Fence, Fenced};
use crate::kinds::Kind;
use crate::preview::{adoption, dry_run, left_behind};
use crate::render::{Rendered, RenderedObject};
use crate::runtime::Runtime;
use crate::target::{Ownership, Target};
use crate::{compare, failure, order, seal};

/// How many objects of one rank are written at a time.
const WRITES: usize = 4;
/// How often one object is read and written anew before it is given up: about ten seconds.
const ROUNDS: u32 = 9;

impl Runtime {
    /// Makes `target` consist of `rendered`, and prunes what `inventory` has beyond it.
    ///
    /// # Errors
    /// The first thing that went wrong. `changed` is false only if nothing can have been written.
    pub async fn apply(
        &self,
        target: &Target,
        rendered: &Rendered,
        inventory: &[ObjectRef],
        fence: &dyn Fence,
    ) -> Result<Applied, Failure> {
        let access = Access::new(&self.base, target)?;
        let writer = Writer::new(&access, fence);
        let found = async {
            let kinds = self.kinds.of(&self.base, rendered, target).await?;
            let mut leaving = Vec::new();
            for reference in left_behind(rendered, inventory) {
                // Where its kind is gone, it is gone with it.
                let kind = self.kinds.find_any(&self.base, reference, target).await?;
                leaving.extend(kind.map(|kind| (reference, kind)));
            }
            Ok((kinds, leaving))
        };
        let (kinds, leaving) = writer.fence.unless_stopped(found).await??;
        let result = writer.run(rendered, &kinds, leaving).await;
        result.map_err(|failure| Failure { changed: failure.changed || writer.changed(), ..failure })
    }
}

/// What one round with one object came to.
enum Round {
    /// It is as wanted; true if a write of this round made it so.
    Settled(bool),
    /// To be read again.
    Again {
        /// What to say if this was the last round.
        failure: Failure,
        /// How long the server asks to wait.
        wait: Option<Duration>,
        /// A write was sent and its answer lost: if the object is as wanted next time, this is why.
        sent: bool,
    },
}

struct Writer<'a> {
    access: &'a Access<'a>,
    fence: Fenced<'a>,
    changed: AtomicBool,
    stopped: AtomicBool,
}

impl<'a> Writer<'a> {
    fn new(access: &'a Access<'a>, fence: &'a dyn Fence) -> Self {
        let (changed, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { access, fence: Fenced::new(fence), changed, stopped }
    }

    fn changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    fn note_change(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    async fn run(
        &self,
        rendered: &Rendered,
        kinds: &[Kind],
        mut leaving: Vec<(&ObjectRef, Kind)>,
    ) -> Result<Applied, Failure> {
        let all: Vec<_> = rendered.objects.iter().zip(kinds).collect();
        let mut written = Vec::new();
        for rank in all.chunk_by(|(a, _), (b, _)| rank(&a.reference) == rank(&b.reference)) {
            let each = rank.iter().map(|(one, kind)| self.settle(one, kind)).collect();
            written.extend(self.few_at_a_time(each).await?);
        }
        leaving.sort_by_key(|(reference, _)| std::cmp::Reverse(rank(reference)));
        let mut pruned = Vec::new();
        for rank in leaving.chunk_by(|(a, _), (b, _)| rank(a) == rank(b)) {
            let each = rank.iter().map(|(reference, kind)| self.prune(reference, kind)).collect();
            pruned.extend(self.few_at_a_time(each).await?);
        }
        Ok(Applied { written, pruned })
    }

    /// What was written, in the order of `each`; the first failure keeps others from beginning.
    async fn few_at_a_time<F>(&self, each: Vec<F>) -> Result<Vec<ObjectRef>, Failure>
    where
        F: Future<Output = Result<Option<ObjectRef>, Failure>>,
    {
        let guarded: Vec<_> = each
            .into_iter()
            .map(|future| async {
                if self.stopped.load(Ordering::SeqCst) {
                    return Ok(None);
                }
                future.await.inspect_err(|_| self.stopped.store(true, Ordering::SeqCst))
            })
            .collect();
        let results: Vec<_> = stream::iter(guarded).buffered(WRITES).collect().await;
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(one) => done.extend(one),
                Err(failure) => failures.push(failure),
            }
        }
        failure::all(failures).map_or(Ok(done), Err)
    }

    async fn settle(&self, one: &RenderedObject, kind: &Kind) -> Result<Option<ObjectRef>, Failure> {
        self.rounds(&one.reference, || self.settle_once(one, kind)).await
    }

    async fn prune(&self, reference: &ObjectRef, kind: &Kind) -> Result<Option<ObjectRef>, Failure> {
        self.rounds(reference, || self.prune_once(reference, kind)).await
    }

    async fn settle_once(&self, one: &RenderedObject, kind: &Kind) -> Result<Round, Failure> {
        let name = &one.reference.name;
        let live = self.fence.unless_stopped(self.access.get(kind, name)).await??;
        if let Some(live) = &live {
            if deleting(live) {
                return Ok(going(&one.reference));
            }
            adoption(self.access.target, one, live)?;
            if self.fence.unless_stopped(self.as_wanted(one, kind, live)).await?? {
                return Ok(Round::Settled(false));
            }
        }
        self.fence.may_write().await?;
        match self.access.apply(kind, name, &body(one, live.as_ref())).await {
            Ok(stored) => {
                let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
                let written = live.is_none_or(|live| version(&live) != version(&stored));
                if written {
                    self.note_change();
                    tracing::info!(object = %one.reference, "applied");
                }
                Ok(Round::Settled(written))
            }
            Err(error) if error.not_found() && kind.declared => {
                let failure = self.access.failure(&error, kind, "patch", &one.reference.to_string());
                Ok(Round::Again { failure, wait: None, sent: false })
            }
            Err(error) => {
                let scrubbed =
                    |failure: Failure| Failure { message: seal::scrub(&failure.message, &one.object), ..failure };
                match self.again(&error, kind, "patch", &one.reference).await.map_err(scrubbed)? {
                    Round::Again { failure, wait, sent } => Ok(Round::Again { failure: scrubbed(failure), wait, sent }),
                    settled @ Round::Settled(_) => Ok(settled),
                }
            }
        }
    }

    async fn prune_once(&self, reference: &ObjectRef, kind: &Kind) -> Result<Round, Failure> {
        let live = self.fence.unless_stopped(self.access.get(kind, &reference.name)).await??;
        let Some(live) = live else { return Ok(Round::Settled(false)) };
        if Ownership::of(&live, self.access.target) != Ownership::Ours {
            tracing::warn!(object = %reference, "left the release and does not belong to it any more: it stays");
            return Ok(Round::Settled(false));
        }
        if deleting(&live) {
            return Ok(Round::Settled(true));
        }
        self.fence.may_write().await?;
        match self.access.delete(kind, &reference.name, &live).await {
            Ok(_) => {
                self.note_change();
                tracing::info!(object = %reference, "pruned");
                Ok(Round::Settled(true))
            }
            Err(error) if error.not_found() => Ok(Round::Settled(false)),
            Err(error) => self.again(&error, kind, "delete", reference).await,
        }
    }

    /// The live object is as the release wants it. The server is asked only where reading cannot tell: an object that
    /// was applied with other content and does not have what the manifest says is written without asking.
    async fn as_wanted(&self, one: &RenderedObject, kind: &Kind, live: &Value) -> Result<bool, Failure> {
        match (compare::same_content(&one.object, live), compare::contained(&one.object, live)) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            (true, false) | (false, true) => {
                let stored = dry_run(self.access, one, kind).await?;
                Ok(compare::settled(&stored) == compare::settled(live))
            }
        }
    }

    /// Reads and writes anew until it is settled, with growing pauses.
    async fn rounds<F, R>(&self, reference: &ObjectRef, round: R) -> Result<Option<ObjectRef>, Failure>
    where
        R: Fn() -> F,
        F: Future<Output = Result<Round, Failure>>,
    {
        let mut pause = Duration::from_millis(25);
        let mut lost = false;
        let mut left = ROUNDS;
        loop {
            left -= 1;
            match round().await? {
                Round::Settled(written) => return Ok((written || lost).then(|| reference.clone())),
                Round::Again { failure, .. } if left == 0 => return Err(failure),
                Round::Again { failure, wait, sent } => {
                    tracing::info!(object = %reference, why = failure.message, "to be read again");
                    lost |= sent;
                    self.fence.unless_stopped(tokio::time::sleep(wait.unwrap_or(pause))).await?;
                    pause *= 2;
                }
            }
        }
    }

    /// What a refused or lost write comes to.
    async fn again(&self, error: &CallError, kind: &Kind, verb: &str, reference: &ObjectRef) -> Result<Round, Failure> {
        let failure = self.access.failure(error, kind, verb, &reference.to_string());
        let sent = error.ambiguous();
        if sent {
            self.note_change();
        } else if error.conflict() {
            self.fence.again().await?;
        } else if !error.busy() {
            return Err(failure);
        }
        let wait = error.retry_after().map(|seconds| Duration::from_secs(seconds.min(5)));
        Ok(Round::Again { failure, wait, sent })
    }
}

fn going(reference: &ObjectRef) -> Round {
    let message = format!("{reference} is being deleted and must be gone before it can be applied");
    let failure = Failure { retryable: true, ..failure::refused(Code::Conflict, message) };
    Round::Again { failure, wait: None, sent: false }
}

fn rank(reference: &ObjectRef) -> usize {
    order::rank(reference.group(), &reference.kind)
}

fn deleting(live: &Value) -> bool {
    !live["metadata"]["deletionTimestamp"].is_null()
}

/// What is sent: over an existing object, only over the version that was read.
fn body(one: &RenderedObject, live: Option<&Value>) -> Value {
    let mut body = one.object.clone();
    if let Some(live) = live {
        body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
    }
    body
}
