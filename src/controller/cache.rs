//! What is known of every object of one kind: the watch's copy, or our own last write where that is newer.
//!
//! A reconciler that has just written must not decide from the copy before its write. Resource versions of one kind grow,
//! so the newer of the two is the one with the higher version; a relist, which may follow a restore of the API server's
//! own data, forgets the writes from before it. Reconcilers run beside the watch: nothing of ours is forgotten before the
//! watch's copy has taken its place.
//!
//! Most objects are at rest: nothing will happen to them until someone changes them. Those are kept as text, which takes
//! a fraction of the memory, and are parsed when someone asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use kube::ResourceExt as _;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::{reflector, watcher};
use tokio::sync::watch;

use crate::key::Key;
use crate::resources::Custom;

/// A kind that is cached.
pub trait Cached: Custom {
    /// Whether nothing happens to it until someone changes it.
    fn at_rest(&self) -> bool;

    /// By what else it is looked for, such as its Environment. An object never moves from one group to another.
    fn groups(&self) -> Vec<Key> {
        Vec::new()
    }
}

/// All objects of one kind.
pub struct Cache<K: Cached> {
    known: Arc<RwLock<Known<K>>>,
    names: reflector::Store<PartialObjectMeta<K>>,
    writer: Mutex<Option<reflector::store::Writer<PartialObjectMeta<K>>>>,
    listed: Arc<watch::Sender<bool>>,
}

/// Everything that is known.
struct Known<K> {
    /// The how-many-th list the watch is in.
    list: u64,
    watched: Watched<K>,
    /// A list that is not complete yet.
    coming: Watched<K>,
    /// What the server answered to our own writes and reads, and during which list.
    ours: HashMap<Key, (u64, Own<K>)>,
}

/// The objects of one list, and the changes since.
struct Watched<K> {
    objects: HashMap<Key, Copy<K>>,
    /// The members of each group, in the order of their names.
    groups: HashMap<Key, Vec<Key>>,
}

/// An object as the watch has seen it.
struct Copy<K> {
    uid: Box<str>,
    version: u64,
    content: Content<K>,
}

enum Content<K> {
    Parsed(Arc<K>),
    /// At rest: its JSON.
    Text(Arc<[u8]>),
}

/// An object as our own request has left it.
enum Own<K> {
    There(Arc<K>),
    /// Our request let the object with this uid go.
    Gone(String),
}

impl<K: Cached> std::fmt::Debug for Cache<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("kind", &K::kind(&())).finish_non_exhaustive()
    }
}

impl<K: Cached> Default for Cache<K> {
    fn default() -> Self {
        let (names, writer) = reflector::store();
        let known = Known { list: 0, watched: Watched::default(), coming: Watched::default(), ours: HashMap::new() };
        Self { known: Arc::new(RwLock::new(known)), names, writer: Mutex::new(Some(writer)), listed: Arc::default() }
    }
}

impl<K: Cached> Cache<K> {
    /// The store that kube's controller reads: it needs no more than the names.
    pub fn names(&self) -> reflector::Store<PartialObjectMeta<K>> {
        self.names.clone()
    }

    /// Fills the cache from `events`. Yields the name of each object that was touched, after `touched` has seen it and
    /// when everyone else can; those of a list when it is complete.
    ///
    /// Only the first call gets a stream that ever yields: there is one writer.
    pub fn fill(
        &self,
        events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
        touched: impl Fn(&K) + Send + 'static,
    ) -> BoxStream<'static, watcher::Result<PartialObjectMeta<K>>> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut writer) = writer else { return stream::pending().boxed() };
        let (known, listed) = (self.known.clone(), self.listed.clone());
        let noted = events.map(move |event| match event {
            Ok(event) => {
                let names = event_of_names(&event);
                let seen = note(&known, event);
                writer.apply_watcher_event(&names);
                if matches!(names, watcher::Event::InitDone) {
                    listed.send_replace(true);
                }
                seen.into_iter()
                    .map(|one| {
                        if let Some(object) = one.content.read() {
                            touched(&object);
                        }
                        Ok(name_only(&one.key))
                    })
                    .collect()
            }
            Err(error) => vec![Err(error)],
        });
        noted.flat_map(stream::iter).boxed()
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
        let known = read(&self.known);
        let watched = known.watched.objects.get(key)?;
        match known.ours.get(key) {
            Some((_, Own::Gone(uid))) if **uid == *watched.uid => None,
            Some((_, Own::There(own)))
                if own.uid().as_deref() == Some(&watched.uid) && version(&**own) > watched.version =>
            {
                Some(own.clone())
            }
            _ => {
                let content = watched.content.clone();
                drop(known);
                content.read()
            }
        }
    }

    /// The newest copy of an object that is not at rest.
    pub fn in_motion(&self, key: &Key) -> Option<Arc<K>> {
        let known = read(&self.known);
        let rests = match (known.watched.objects.get(key)?, known.ours.get(key)) {
            (Copy { content: Content::Text(_), .. }, None) => true,
            (Copy { .. }, _) => false,
        };
        drop(known);
        if rests { None } else { self.get(key).filter(|object| !object.at_rest()) }
    }

    /// The uid of an object, whatever state it is in.
    pub fn uid(&self, key: &Key) -> Option<String> {
        read(&self.known).watched.objects.get(key).map(|copy| copy.uid.to_string())
    }

    /// Remembers what the server answered to a write or a direct read of ours, unless a newer answer came first.
    pub fn remember(&self, object: K) -> Arc<K> {
        let object = Arc::new(object);
        let mut known = write(&self.known);
        let (list, key) = (known.list, Key::of(&*object));
        let newer = known.ours.get(&key).is_some_and(|(during, own)| match own {
            Own::There(own) => *during == list && own.uid() == object.uid() && version(&**own) > version(&*object),
            Own::Gone(uid) => *during == list && object.uid().as_ref() == Some(uid),
        });
        if !newer {
            known.ours.insert(key, (list, Own::There(object.clone())));
        }
        object
    }

    /// Remembers that a request of ours let an object go: the watch may say so later, or not at all.
    pub fn let_go(&self, object: &K) {
        let Some(uid) = object.uid() else { return };
        let mut known = write(&self.known);
        let list = known.list;
        known.ours.insert(Key::of(object), (list, Own::Gone(uid)));
    }

    /// The keys of all objects in a namespace.
    pub fn within(&self, namespace: &str) -> Vec<Key> {
        read(&self.known).watched.objects.keys().filter(|key| key.namespace == namespace).cloned().collect()
    }

    /// The objects that belong to `group`, in the order of their names.
    pub fn group(&self, group: &Key) -> Vec<Key> {
        read(&self.known).watched.groups.get(group).cloned().unwrap_or_default()
    }
}

impl<K> Default for Watched<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), groups: HashMap::new() }
    }
}

impl<K: Cached> Watched<K> {
    fn insert(&mut self, key: &Key, object: K) {
        for group in object.groups() {
            let members = self.groups.entry(group).or_default();
            if let Err(place) = members.binary_search(key) {
                members.insert(place, key.clone());
            }
        }
        let (uid, version) = (object.uid().unwrap_or_default().into(), version(&object));
        self.objects.insert(key.clone(), Copy { uid, version, content: Content::of(object) });
    }

    fn remove(&mut self, key: &Key, object: &K) {
        self.objects.remove(key);
        for group in object.groups() {
            if let Some(members) = self.groups.get_mut(&group) {
                members.retain(|member| member != key);
                if members.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
    }
}

impl<K> Clone for Content<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Parsed(object) => Self::Parsed(object.clone()),
            Self::Text(text) => Self::Text(text.clone()),
        }
    }
}

impl<K: Cached> Content<K> {
    fn of(object: K) -> Self {
        let text = if object.at_rest() { serde_json::to_vec(&object).ok() } else { None };
        text.map_or_else(|| Self::Parsed(Arc::new(object)), |text| Self::Text(text.into()))
    }

    /// What we wrote as text ourselves reads back.
    fn read(&self) -> Option<Arc<K>> {
        match self {
            Self::Parsed(object) => Some(object.clone()),
            Self::Text(text) => serde_json::from_slice(text).ok().map(Arc::new),
        }
    }
}

/// An object that was touched.
struct Touched<K> {
    key: Key,
    content: Content<K>,
}

/// Takes one event in, and tells what it touched.
fn note<K: Cached>(known: &RwLock<Known<K>>, event: watcher::Event<K>) -> Vec<Touched<K>> {
    let mut known = write(known);
    match event {
        watcher::Event::Init => {
            known.list += 1;
            known.coming = Watched::default();
            Vec::new()
        }
        watcher::Event::InitApply(object) => {
            let key = Key::of(&object);
            known.coming.insert(&key, object);
            Vec::new()
        }
        watcher::Event::InitDone => {
            let list = known.list;
            known.ours.retain(|_, (during, _)| *during == list);
            let before = std::mem::take(&mut known.coming);
            let before = std::mem::replace(&mut known.watched, before);
            let now = &known.watched.objects;
            let gone = before.objects.into_iter().filter(|(key, _)| !now.contains_key(key));
            let all = now.iter().map(|(key, copy)| (key.clone(), copy.content.clone()));
            let all = all.chain(gone.map(|(key, copy)| (key, copy.content)));
            all.map(|(key, content)| Touched { key, content }).collect()
        }
        watcher::Event::Apply(object) => {
            let key = Key::of(&object);
            known.forget_older(&key, &object);
            known.watched.insert(&key, object);
            let content = known.watched.objects.get(&key).map(|copy| copy.content.clone());
            content.map(|content| Touched { key, content }).into_iter().collect()
        }
        watcher::Event::Delete(object) => {
            let key = Key::of(&object);
            known.ours.remove(&key);
            known.watched.remove(&key, &object);
            vec![Touched { key, content: Content::Parsed(Arc::new(object)) }]
        }
    }
}

impl<K: Cached> Known<K> {
    fn forget_older(&mut self, key: &Key, watched: &K) {
        let older = self.ours.get(key).is_some_and(|(_, own)| match own {
            Own::There(own) => own.uid() != watched.uid() || version(&**own) <= version(watched),
            Own::Gone(uid) => watched.uid().as_ref() != Some(uid),
        });
        if older {
            self.ours.remove(key);
        }
    }
}

fn event_of_names<K: Cached>(event: &watcher::Event<K>) -> watcher::Event<PartialObjectMeta<K>> {
    let name = |object: &K| name_only(&Key::of(object));
    match event {
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitApply(object) => watcher::Event::InitApply(name(object)),
        watcher::Event::InitDone => watcher::Event::InitDone,
        watcher::Event::Apply(object) => watcher::Event::Apply(name(object)),
        watcher::Event::Delete(object) => watcher::Event::Delete(name(object)),
    }
}

fn name_only<K: Cached>(key: &Key) -> PartialObjectMeta<K> {
    let metadata =
        ObjectMeta { name: Some(key.name.clone()), namespace: Some(key.namespace.clone()), ..ObjectMeta::default() };
    PartialObjectMeta { types: None, metadata, _phantom: std::marker::PhantomData }
}

fn version<K: Custom>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn read<K>(known: &RwLock<Known<K>>) -> RwLockReadGuard<'_, Known<K>> {
    known.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<K>(known: &RwLock<Known<K>>) -> RwLockWriteGuard<'_, Known<K>> {
    known.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
