//! The API server's policies as they are now: watched, compared with those that are generated, and never written.
//!
//! Guarantees: a policy that was replaced, or altered and put back, is another one than before; nobody's word is acted
//! upon before a direct read has found the policies as the decision saw them ([`Policies::confirms`]), because two watches
//! may tell of two changes in either order. Assumes: a policy is enforced a few seconds after it was stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, future};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use slipway_crd::likeness::{GROUP, KINDS, Model, SELECTOR, VERSION, models, models_in};
use slipway_domain::digest::Digest;
use slipway_domain::guard::{Breach, Guard, Problem};
use tokio::sync::watch;

use crate::clock;

mod tell;

/// How long after it was stored a policy may still be unknown to some part of the API server: it looks about once a second.
const TAKES_EFFECT: SignedDuration = SignedDuration::from_secs(5);
/// How many are listed at once: what is not held as text does not have to be given back.
const PAGE: u32 = 10;
/// An apply changes many in a row: they are told of together.
const TOGETHER: Duration = Duration::from_millis(250);
/// How soon a watch that was refused is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a direct read may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// All that is known of the policies.
#[derive(Clone)]
pub struct Policies {
    client: Client,
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
    in_view: Arc<watch::Sender<bool>>,
}

struct State {
    /// Slipway's own, which some policies name.
    namespace: String,
    /// Kind and name of everything that is generated.
    names: Vec<(String, String)>,
    kinds: BTreeMap<&'static str, Kind>,
    /// What follows from all this, until something happens. Time alone changes only what takes effect.
    settled: Option<Guard>,
}

/// What is known of one kind.
#[derive(Default)]
struct Kind {
    listing: Listing,
    objects: BTreeMap<String, Copy>,
    /// A list that is not complete yet, and what it is compared with: there is no need for that in between.
    coming: BTreeMap<String, Copy>,
    models: Vec<Model>,
}

#[derive(Default, PartialEq)]
enum Listing {
    #[default]
    Unlisted,
    Listed,
    /// The server refuses to show them.
    Refused(String),
}

/// One object, without what is not asked for again.
#[derive(Clone)]
struct Copy {
    uid: String,
    generation: i64,
    problem: Option<Problem>,
    /// When it was last changed, by the server's clock.
    changed: Timestamp,
    /// Since when it is known to be so, by ours.
    known: Timestamp,
}

impl Copy {
    /// Whether nothing has happened between the two.
    fn same(&self, other: &Self) -> bool {
        (&self.uid, self.generation, &self.problem) == (&other.uid, other.generation, &other.problem)
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Policies {
    /// Nothing is known yet; [`Self::keep`] finds out. `namespace` is Slipway's own.
    pub fn new(client: Client, namespace: &str) -> Self {
        let state = Arc::new(Mutex::new(State::new(namespace)));
        Self { client, state, changes: Arc::default(), in_view: Arc::default() }
    }

    /// Whether they are in force.
    pub fn now(&self) -> Guard {
        let mut state = self.state();
        if let Some(guard) = &state.settled {
            return guard.clone();
        }
        let guard = state.guard(clock::now());
        if !matches!(guard, Guard::Broken { until: Some(_), .. }) {
            state.settled = Some(guard.clone());
        }
        guard
    }

    /// Waits until it is known whether they are in force. At the start of a term nothing is decided while policies that were
    /// installed a moment ago take effect.
    pub async fn in_view(&self) {
        // The sender is ours: it cannot be dropped while this waits.
        let _ = self.in_view.subscribe().wait_for(|in_view| *in_view).await;
    }

    /// Whether the server itself says now that `guard` is in force. Nobody's word is acted upon without this.
    pub async fn confirms(&self, guard: &Guard) -> Result<bool, String> {
        let Some(expected) = guard.fingerprint() else { return Ok(false) };
        let lists = KINDS.map(|kind| async move {
            let params = ListParams::default().labels(SELECTOR);
            let api = self.api(kind);
            let list = tokio::time::timeout(PATIENCE, api.list(&params)).await;
            let list = list.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
            list.map(|list| (kind, list.items)).map_err(|error| crate::explain(&error))
        });
        let mut read = State::new(&self.state().namespace);
        for (kind, objects) in future::try_join_all(lists).await? {
            read.note(kind, watcher::Event::Init);
            for object in objects {
                read.note(kind, watcher::Event::InitApply(object));
            }
            read.note(kind, watcher::Event::InitDone);
        }
        Ok(read.breaches().is_empty() && read.fingerprint() == *expected)
    }

    /// Watches them until it is dropped, and calls `wake` whenever they come into force or cease to be.
    pub async fn keep(&self, wake: impl Fn()) {
        let mut events = stream::select_all(KINDS.map(|kind| self.watch(kind)));
        let look = async {
            while let Some((kind, event)) = events.next().await {
                match event {
                    Ok(event) => self.state().note(kind, event),
                    Err(error) => self.failed(kind, &error),
                }
                self.changes.send_modify(|number| *number += 1);
            }
        };
        future::join(look, self.announce(wake)).await;
    }

    /// Tells of each change once: in the log, and to whoever waits.
    async fn announce(&self, wake: impl Fn()) {
        let mut changes = self.changes.subscribe();
        let (mut said, mut stood) = (None, None);
        loop {
            changes.borrow_and_update();
            let known = self.state().listed();
            let mut now = self.now();
            if said.is_some() && said.as_ref() != Some(&now) {
                tokio::time::sleep(TOGETHER).await;
                now = self.now();
            }
            if known && said.as_ref() != Some(&now) {
                tell::tell(&now, stood.as_ref());
                stood = now.fingerprint().cloned().or(stood);
                let first = said.replace(now.clone()).is_none();
                if !first {
                    wake();
                }
            }
            let until = match &now {
                Guard::Broken { breaches, until: Some(until) } if breaches.is_empty() => {
                    let left = until.duration_since(clock::now());
                    Some(Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10))
                }
                Guard::Broken { .. } | Guard::InForce { .. } => None,
            };
            if known && until.is_none() {
                self.in_view.send_if_modified(|in_view| !std::mem::replace(in_view, true));
            }
            let ended = match until {
                // Either way there is something new to look at.
                Some(until) => matches!(tokio::time::timeout(until, changes.changed()).await, Ok(Err(_))),
                None => changes.changed().await.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    fn watch(
        &self,
        kind: &'static str,
    ) -> BoxStream<'static, (&'static str, watcher::Result<watcher::Event<DynamicObject>>)> {
        let api = self.api(kind);
        let fresh = move || {
            let config = watcher::Config::default().labels(SELECTOR).page_size(PAGE);
            watcher(api.clone(), config).default_backoff().boxed()
        };
        let events = stream::unfold((fresh(), false), move |(mut events, refused)| {
            let fresh = fresh.clone();
            async move {
                // A watch that is taken up again where it was refused would say nothing until something changes.
                if refused {
                    tokio::time::sleep(AGAIN).await;
                    events = fresh();
                }
                let event = events.next().await?;
                let refused = event.as_ref().is_err_and(is_refusal);
                Some(((kind, event), (events, refused)))
            }
        });
        events.boxed()
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind)))
    }

    /// A watch that breaks is tried again, and until then what is known stands. One that is refused shows nothing any more.
    fn failed(&self, kind: &'static str, error: &watcher::Error) {
        let why = crate::explain(error);
        if is_refusal(error) {
            self.state().kind(kind).listing = Listing::Refused(why);
        } else {
            tracing::warn!(kind, error = %why, "the watch of the policies failed; it is tried again");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server answered, and shows nothing: what it showed before may not be so any more.
fn is_refusal(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => matches!(status.code, 401 | 403 | 404),
        _ => false,
    }
}

impl State {
    fn new(namespace: &str) -> Self {
        let names = models().into_iter().map(|model| (model.kind, model.name)).collect();
        Self {
            namespace: namespace.to_owned(),
            names,
            kinds: KINDS.into_iter().map(|kind| (kind, Kind::default())).collect(),
            settled: None,
        }
    }

    fn kind(&mut self, kind: &'static str) -> &mut Kind {
        self.settled = None;
        self.kinds.entry(kind).or_default()
    }

    fn listed(&self) -> bool {
        self.kinds.values().all(|kind| kind.listing != Listing::Unlisted)
    }

    fn note(&mut self, kind: &'static str, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => {
                let generated = of_kind(kind, &self.namespace);
                let kind = self.kind(kind);
                (kind.coming, kind.models) = (BTreeMap::new(), generated);
            }
            watcher::Event::InitApply(object) => {
                let kind = self.kind(kind);
                let Some((name, mut copy)) = read(&kind.models, &object) else { return };
                match kind.objects.get(&name).filter(|before| before.same(&copy)) {
                    Some(before) => copy.known = before.known,
                    // It was so before anyone looked.
                    None => copy.known = copy.known.min(copy.changed),
                }
                kind.coming.insert(name, copy);
            }
            watcher::Event::InitDone => {
                let kind = self.kind(kind);
                (kind.objects, kind.models) = (std::mem::take(&mut kind.coming), Vec::new());
                kind.listing = Listing::Listed;
            }
            watcher::Event::Apply(object) => {
                let Some((name, mut copy)) = read(&of_kind(kind, &self.namespace), &object) else { return };
                let kind = self.kind(kind);
                if let Some(before) = kind.objects.get(&name).filter(|before| before.same(&copy)) {
                    copy.known = before.known;
                }
                kind.objects.insert(name, copy);
            }
            watcher::Event::Delete(object) => {
                self.kind(kind).objects.remove(&object.name_any());
            }
        }
    }

    fn guard(&self, now: Timestamp) -> Guard {
        let breaches = self.breaches();
        if !breaches.is_empty() || !self.listed() {
            return Guard::Broken { breaches, until: None };
        }
        let after = |at: Option<Timestamp>| at.and_then(|at| at.checked_add(TAKES_EFFECT).ok());
        let until = after(self.copies().map(|(_, _, copy)| copy.known).max());
        if until.is_some_and(|until| now < until) {
            return Guard::Broken { breaches, until };
        }
        let since = after(self.copies().map(|(_, _, copy)| copy.changed).max()).unwrap_or(now);
        Guard::InForce { fingerprint: self.fingerprint(), since }
    }

    fn copies(&self) -> impl Iterator<Item = (&'static str, &String, &Copy)> {
        self.kinds.iter().flat_map(|(kind, known)| known.objects.iter().map(move |(name, copy)| (*kind, name, copy)))
    }

    fn breaches(&self) -> Vec<Breach> {
        let refused = self.kinds.iter().filter_map(|(kind, known)| match &known.listing {
            Listing::Refused(why) => {
                Some(Breach { what: (*kind).to_owned(), problem: Problem::Unread { why: why.clone() } })
            }
            Listing::Unlisted | Listing::Listed => None,
        });
        let wrong = self.names.iter().filter_map(|(kind, name)| {
            let known = self.kinds.get(kind.as_str()).filter(|known| known.listing == Listing::Listed)?;
            let problem = known.objects.get(name).map_or(Some(Problem::Missing), |copy| copy.problem.clone())?;
            Some(Breach { what: format!("{kind} {name}"), problem })
        });
        refused.chain(wrong).collect()
    }

    fn fingerprint(&self) -> Digest {
        let named = self.copies().map(|(kind, name, copy)| {
            Value::from(vec![Value::from(kind), name.as_str().into(), copy.uid.as_str().into(), copy.generation.into()])
        });
        Digest::of_json(&Value::Array(named.collect()))
    }
}

fn of_kind(kind: &str, namespace: &str) -> Vec<Model> {
    models_in(namespace).into_iter().filter(|model| model.kind == kind).collect()
}

/// What is known of an object from now on, if it is one that is generated.
fn read(models: &[Model], object: &DynamicObject) -> Option<(String, Copy)> {
    let name = object.name_any();
    let model = models.iter().find(|model| model.name == name)?;
    Some((name, copy(model, object, clock::now())))
}

fn copy(model: &Model, object: &DynamicObject, known: Timestamp) -> Copy {
    let metadata = &object.metadata;
    let spec = object.data.get("spec").unwrap_or(&Value::Null);
    // What the server's own controllers note in the status is no change of the policy.
    let fields = metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    let written = fields.filter_map(|entry| entry.time.as_ref()).chain(&metadata.creation_timestamp);
    Copy {
        uid: metadata.uid.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        problem: model.problem(spec, metadata.deletion_timestamp.is_some()),
        changed: written.map(|time| time.0).max().unwrap_or(known),
        known,
    }
}

#[cfg(test)]
mod tests;
