//! What is known of every object of one kind: the watch's copy, or our own last write where that is newer.
//!
//! A reconciler that has just written must not decide from the copy before its write. Resource versions of one kind grow,
//! so the newer of the two is the one with the higher version; a relist, which may follow a restore of the API server's
//! own data, forgets the writes from before it. Reconcilers run beside the watch: nothing of ours is forgotten before the
//! watch's copy has taken its place.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::{Stream, StreamExt as _};
use kube::ResourceExt as _;
use kube::runtime::{reflector, watcher};
use tokio::sync::watch;

use crate::key::Key;
use crate::resources::Custom;

/// All objects of one kind.
pub struct Cache<K: Custom> {
    reader: reflector::Store<K>,
    writer: Mutex<Option<reflector::store::Writer<K>>>,
    ours: Arc<RwLock<Ours<K>>>,
    groups: Arc<RwLock<HashMap<Key, BTreeSet<Key>>>>,
    group_of: fn(&K) -> Vec<Key>,
    listed: Arc<watch::Sender<bool>>,
}

/// What the server answered to our own writes and reads, and during which list.
struct Ours<K> {
    list: u64,
    objects: HashMap<Key, (u64, Arc<K>)>,
}

impl<K: Custom> std::fmt::Debug for Cache<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("kind", &K::kind(&())).finish_non_exhaustive()
    }
}

impl<K: Custom> Cache<K> {
    /// An empty cache; `group_of` names the groups that an object is found by, such as its Environment's.
    pub fn new(group_of: fn(&K) -> Vec<Key>) -> Self {
        let (reader, writer) = reflector::store();
        Self {
            reader,
            writer: Mutex::new(Some(writer)),
            ours: Arc::new(RwLock::new(Ours { list: 0, objects: HashMap::new() })),
            groups: Arc::default(),
            group_of,
            listed: Arc::default(),
        }
    }

    /// The store that kube's controller reads.
    pub fn reader(&self) -> reflector::Store<K> {
        self.reader.clone()
    }

    /// Fills the cache from `stream`. Only the first call gets the stream; there is one writer.
    pub fn fill<S>(&self, stream: S) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<S, K>
    where
        S: Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (ours, groups, group_of) = (self.ours.clone(), self.groups.clone(), self.group_of);
        let listed = self.listed.clone();
        let done = move |event: &watcher::Result<watcher::Event<K>>| {
            if let Ok(event) = event {
                note(event, &ours, &groups, group_of);
                if matches!(event, watcher::Event::InitDone) {
                    listed.send_replace(true);
                }
            }
        };
        match writer {
            Some(writer) => reflector(writer, stream).inspect(done).boxed(),
            None => futures::stream::pending().boxed(),
        }
    }

    /// Waits until all objects have been listed once.
    ///
    /// kube's own `wait_until_ready` wakes one waiter only, and its controller is one already.
    pub async fn listed(&self) {
        // The sender is ours: it cannot be dropped while this waits.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    /// The newest copy of an object.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        let watched = self.reader.get(&key.to_ref());
        let ours =
            self.ours.read().unwrap_or_else(PoisonError::into_inner).objects.get(key).map(|(_, own)| own.clone());
        match (watched, ours) {
            (Some(watched), Some(ours)) if watched.uid() == ours.uid() && version(&*ours) > version(&*watched) => {
                Some(ours)
            }
            (watched, _) => watched,
        }
    }

    /// Remembers what the server answered to a write or a direct read of ours, unless a newer answer came first.
    pub fn remember(&self, object: K) -> Arc<K> {
        let object = Arc::new(object);
        let mut ours = self.ours.write().unwrap_or_else(PoisonError::into_inner);
        let (list, key) = (ours.list, Key::of(&*object));
        let newer = ours.objects.get(&key).is_some_and(|(during, own)| {
            *during == list && own.uid() == object.uid() && version(&**own) > version(&*object)
        });
        if !newer {
            ours.objects.insert(key, (list, object.clone()));
        }
        object
    }

    /// Every object as the watch knows it.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.reader.state()
    }

    /// The objects that belong to `group`, in the order of their names.
    pub fn group(&self, group: &Key) -> Vec<Key> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.get(group).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }
}

fn note<K: Custom>(
    event: &watcher::Event<K>,
    ours: &RwLock<Ours<K>>,
    groups: &RwLock<HashMap<Key, BTreeSet<Key>>>,
    group_of: fn(&K) -> Vec<Key>,
) {
    match event {
        watcher::Event::Init => ours.write().unwrap_or_else(PoisonError::into_inner).list += 1,
        watcher::Event::InitDone => {
            let mut ours = ours.write().unwrap_or_else(PoisonError::into_inner);
            let list = ours.list;
            ours.objects.retain(|_, (during, _)| *during == list);
        }
        watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
            let key = Key::of(object);
            // What is listed is seen only once all is.
            if matches!(event, watcher::Event::Apply(_)) {
                forget_older(&mut ours.write().unwrap_or_else(PoisonError::into_inner).objects, &key, object);
            }
            let mut groups = groups.write().unwrap_or_else(PoisonError::into_inner);
            for group in group_of(object) {
                groups.entry(group).or_default().insert(key.clone());
            }
        }
        watcher::Event::Delete(object) => {
            let key = Key::of(object);
            ours.write().unwrap_or_else(PoisonError::into_inner).objects.remove(&key);
            let mut groups = groups.write().unwrap_or_else(PoisonError::into_inner);
            for group in group_of(object) {
                if let Some(members) = groups.get_mut(&group) {
                    members.remove(&key);
                    if members.is_empty() {
                        groups.remove(&group);
                    }
                }
            }
        }
    }
}

fn forget_older<K: Custom>(ours: &mut HashMap<Key, (u64, Arc<K>)>, key: &Key, watched: &K) {
    let older = ours.get(key).is_some_and(|(_, own)| own.uid() != watched.uid() || version(&**own) <= version(watched));
    if older {
        ours.remove(key);
    }
}

fn version<K: Custom>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
