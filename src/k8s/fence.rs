//! No write follows a lost claim, as far as the API server can see.
//!
//! What: a frozen process that thaws must not overwrite what its successor applied.
//! Guarantees: the fence is asked once before the first write and after every conflict; a write to an existing object
//! carries the resourceVersion that was read after the claim, so a late one is refused by the server.
//! Assumes: the successor writes each object that it wants otherwise.
//! Not covered: a create has no resourceVersion. One that is on the wire when the claim is lost can still land; the
//! successor then finds the object, owned by the same service, and applies its own content to it.

use async_trait::async_trait;
use slipway_domain::runtime::Failure;
use tokio::sync::OnceCell;

/// Whether this process may still write.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Reads the Lease and the Deployment from the API server, never from a cache.
    ///
    /// # Errors
    /// Why nothing may be written any more: it ends the apply.
    async fn check(&self) -> Result<(), Failure>;
}

/// A fence that is asked before the first write and again on demand.
pub(crate) struct Fenced<'a> {
    fence: &'a dyn Fence,
    first: OnceCell<()>,
}

impl<'a> Fenced<'a> {
    pub(crate) fn new(fence: &'a dyn Fence) -> Self {
        Self { fence, first: OnceCell::new() }
    }

    /// To be called before each write.
    pub(crate) async fn may_write(&self) -> Result<(), Failure> {
        self.first.get_or_try_init(|| self.fence.check()).await.copied()
    }

    /// To be called after each conflict.
    pub(crate) async fn again(&self) -> Result<(), Failure> {
        self.fence.check().await
    }
}
