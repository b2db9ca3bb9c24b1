//! The index of each namespace: what its Environments ask for, where the API server's policies can look it up.
//!
//! What: one entry for each Environment, written when the Environment is reconciled and differs from what the server has.
//! Guarantees: each write is about one entry and leaves the others alone; an entry that somebody altered or that was left
//! behind is put right, and that is said in the log. Nothing here decides anything: the
//! controller asks the same of the Environment itself before it previews.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use slipway_crd::EnvironmentIndex;
use slipway_crd::environment_index::{EnvironmentIndexSpec, NAME, Terms};
use tokio::sync::watch;

use crate::key::Key;
use crate::kubernetes;
use crate::resources::ResourceError;

/// The indices, as the server has them and as they should be.
#[derive(Clone)]
pub struct Index {
    client: Client,
    namespace: Option<String>,
    state: Arc<Mutex<State>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    listed: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
struct State {
    /// By namespace: what the server has.
    stored: HashMap<String, Stored>,
    /// What was asked to be there.
    meant: BTreeMap<Key, Terms>,
}

/// One index, as it was seen or written last.
struct Stored {
    version: u64,
    environments: BTreeMap<String, Terms>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Index {
    /// Nothing is known yet; [`Self::keep`] finds out. Of all namespaces, or of one.
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self { client, namespace, state: Arc::default(), turn: Arc::default(), listed: Arc::default() }
    }

    /// Waits until all indices have been listed once.
    pub async fn listed(&self) {
        // The sender is ours: it cannot be dropped while this waits.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    /// Watches the indices until it is dropped, and calls `wake` for each Environment whose entry is not as it was meant.
    pub async fn keep(&self, wake: impl Fn(Key)) {
        let api: Api<EnvironmentIndex> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.note(event).into_iter().for_each(&wake),
                Err(error) => {
                    let error = crate::explain(&error);
                    tracing::warn!(error, "the watch of the indices of Environments failed; it is tried again");
                }
            }
        }
    }

    /// Makes the entry of an Environment say `terms`; None takes it out. Writes only what differs.
    pub async fn put(&self, key: &Key, terms: Option<&Terms>) -> Result<(), ResourceError> {
        // The first Environment of a namespace makes the index, and those that come at the same time add to it.
        let _turn = self.turn.lock().await;
        if !self.state().mean(key, terms) {
            return Ok(());
        }
        let there = self.state().stored.contains_key(&key.namespace);
        let written = match terms {
            Some(terms) if !there => self.create(key, terms).await,
            _ => self.patch(key, terms).await,
        };
        match written {
            Ok(index) => self.state().store(index),
            // What it should no longer be in is gone.
            Err(ResourceError::Gone { .. }) if terms.is_none() => {}
            // Also where somebody has just made or removed the index: by the next try the watch has told of it.
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn patch(&self, key: &Key, terms: Option<&Terms>) -> Result<EnvironmentIndex, ResourceError> {
        let patch = Patch::Merge(json!({"spec": {"environments": {key.name.as_str(): terms}}}));
        let (api, params) = (self.api(key), PatchParams::default());
        kubernetes::answered::<EnvironmentIndex>(&key.sibling(NAME), api.patch(NAME, &params, &patch)).await
    }

    async fn create(&self, key: &Key, terms: &Terms) -> Result<EnvironmentIndex, ResourceError> {
        let environments = BTreeMap::from([(key.name.clone(), terms.clone())]);
        let index = EnvironmentIndex::new(NAME, EnvironmentIndexSpec { environments });
        let (api, params) = (self.api(key), PostParams::default());
        kubernetes::answered::<EnvironmentIndex>(&key.sibling(NAME), api.create(&params, &index)).await
    }

    fn api(&self, key: &Key) -> Api<EnvironmentIndex> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }

    /// Takes in what the watch tells; the Environments whose entry is not as it was meant.
    fn note(&self, event: watcher::Event<EnvironmentIndex>) -> Vec<Key> {
        let mut state = self.state();
        match event {
            watcher::Event::Init => {
                state.stored.clear();
                Vec::new()
            }
            watcher::Event::InitApply(index) => {
                state.store(index);
                Vec::new()
            }
            watcher::Event::InitDone => {
                self.listed.send_replace(true);
                let namespaces: BTreeSet<_> = state.namespaces().cloned().collect();
                namespaces.iter().flat_map(|namespace| state.wrong(namespace)).collect()
            }
            watcher::Event::Apply(index) => {
                let namespace = index.namespace().unwrap_or_default();
                state.store(index);
                state.wrong(&namespace)
            }
            watcher::Event::Delete(index) => {
                let namespace = index.namespace().unwrap_or_default();
                state.stored.remove(&namespace);
                state.wrong(&namespace)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes what an entry should say, and whether that has to be written.
    fn mean(&mut self, key: &Key, terms: Option<&Terms>) -> bool {
        let stored = self.stored.get(&key.namespace).and_then(|index| index.environments.get(&key.name));
        let differs = stored != terms;
        let before = match terms {
            Some(terms) => self.meant.insert(key.clone(), terms.clone()),
            None => self.meant.remove(key),
        };
        if differs && before.is_some() && before.as_ref() == terms {
            tracing::warn!(environment = %key, "its entry in the index was changed by somebody else; it is put right");
        }
        differs
    }

    /// What the server has, unless something newer is known.
    fn store(&mut self, index: EnvironmentIndex) {
        let version = index.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default();
        let namespace = index.namespace().unwrap_or_default();
        if index.name_any() == NAME && self.stored.get(&namespace).is_none_or(|known| known.version <= version) {
            self.stored.insert(namespace, Stored { version, environments: index.spec.environments });
        }
    }

    /// The namespaces that have an index, or should have one.
    fn namespaces(&self) -> impl Iterator<Item = &String> {
        self.stored.keys().chain(self.meant.keys().map(|key| &key.namespace))
    }

    /// The Environments of a namespace whose entry is missing, left over or not as it was meant.
    fn wrong(&self, namespace: &str) -> Vec<Key> {
        let none = BTreeMap::new();
        let stored = self.stored.get(namespace).map_or(&none, |index| &index.environments);
        let key = |name: &str| Key { namespace: namespace.to_owned(), name: name.to_owned() };
        let meant = self.meant.range(key("")..).take_while(|(key, _)| key.namespace == namespace);
        let absent = meant.filter(|(key, _)| !stored.contains_key(&key.name)).map(|(key, _)| key.clone());
        let other = stored.iter().map(|(name, terms)| (key(name), terms));
        let other = other.filter(|(key, terms)| self.meant.get(key) != Some(*terms)).map(|(key, _)| key);
        absent.chain(other).collect()
    }
}
