//! The port through which everything reaches the custom resources.
//!
//! Guarantees of an implementation: a status is only written over the version that was read ([`ResourceError::Conflict`]
//! otherwise); an answer that leaves open whether a write happened is [`ResourceError::Ambiguous`] and nothing else; a
//! watch yields `Init`, every object, `InitDone`, then changes, and never ends.

use std::fmt::Debug;

use futures::stream::BoxStream;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::Key;

/// A namespaced custom resource.
pub trait Custom:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Custom for K where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Why a resource could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// Somebody else wrote it first, or it is another object by now.
    #[error("{what} was changed by someone else in the meantime")]
    Conflict {
        /// Kind and key.
        what: String,
    },
    /// It is gone.
    #[error("{what} does not exist any more")]
    Gone {
        /// Kind and key.
        what: String,
    },
    /// The server refused it; the same again will be refused again.
    #[error("{what} was refused by the API server: {message}")]
    Refused {
        /// Kind and key.
        what: String,
        /// The server's words.
        message: String,
    },
    /// The server did not take it now; it may later.
    #[error("{what} could not be reached: {message}")]
    Unavailable {
        /// Kind and key.
        what: String,
        /// The server's words.
        message: String,
    },
    /// Nobody can tell whether the write happened; a read can.
    #[error("{what}: no answer to a write: {message}")]
    Ambiguous {
        /// Kind and key.
        what: String,
        /// What broke.
        message: String,
    },
}

/// The custom resources, wherever they are kept.
pub trait Resources: Clone + Send + Sync + 'static {
    /// All objects of a kind, and every change of them from then on.
    fn watch<K: Custom>(&self) -> BoxStream<'static, watcher::Result<watcher::Event<K>>>;

    /// One object as it is now, not as a cache remembers it.
    fn get<K: Custom>(&self, key: &Key) -> impl Future<Output = Result<Option<K>, ResourceError>> + Send;

    /// Writes the status of `object` over the version that it carries.
    fn replace_status<K: Custom>(&self, object: &K) -> impl Future<Output = Result<K, ResourceError>> + Send;

    /// Puts `finalizers` in the place of those of `object`, over the version that it carries.
    fn replace_finalizers<K: Custom>(
        &self,
        object: &K,
        finalizers: &[String],
    ) -> impl Future<Output = Result<(), ResourceError>> + Send;
}
