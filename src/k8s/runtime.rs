//! One cluster, seen through one client.

use std::fmt;

use kube::Client;
use slipway_domain::digest::SecretKey;

use crate::kinds::Kinds;

/// The Kubernetes runtime of one cluster.
///
/// The client it is given is shared and keeps its layers; `default_retry` should be off, because the runtime retries by
/// itself where that is right. Calls on objects impersonate the target's account; only discovery is done as the client.
pub struct Runtime {
    pub(crate) base: Client,
    pub(crate) key: SecretKey,
    pub(crate) kinds: Kinds,
}

impl Runtime {
    /// A runtime over `base`, sealing secret values with `key`.
    pub fn new(base: Client, key: SecretKey) -> Self {
        Self { base, key, kinds: Kinds::default() }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fence::Fence;
    use crate::preview::Depth;
    use crate::render::Rendered;
    use crate::target::Target;

    #[allow(dead_code, reason = "it compiles only if the controller can run these as tasks of their own")]
    fn every_call_can_be_a_task(runtime: &Runtime, target: &Target, rendered: &Rendered, fence: &dyn Fence) {
        fn sendable<T: Send>(_: T) {}
        sendable(runtime.ready(target));
        sendable(runtime.preview(target, rendered, &[], &[], Depth::Auto));
        sendable(runtime.apply(target, rendered, &[], fence));
        sendable(runtime.health(target, rendered, &[], Duration::ZERO, drop));
    }
}
