//! What is known of objects, as the watch and our own requests tell of them.

use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use slipway_crd::Deployment;

use super::*;

fn deployment(name: &str, uid: &str, version: u64, environment: &str, phase: &str) -> Deployment {
    let status = json!({
        "phase": phase, "finishedAt": null, "observedGeneration": 1,
        "audit": {"seq": 0, "epoch": 0, "auditedSeq": 0},
    });
    let mut object = json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": version.to_string()},
        "spec": {
            "service": "web", "environmentRef": {"name": environment},
            "operation": {"deploy": {"releaseRef": {"name": "web-v1"}}},
            "workReferences": ["https://example.com/1"], "rollbackPlan": "back",
        },
    });
    if phase != "none" {
        object["status"] = status;
    }
    serde_json::from_value(object).unwrap()
}

fn key(name: &str) -> Key {
    Key { namespace: "shop".to_owned(), name: name.to_owned() }
}

/// Takes events in, one after the other, and says which names were touched.
struct Watch {
    cache: Cache<Deployment>,
    events: futures::channel::mpsc::UnboundedSender<watcher::Result<Event<Deployment>>>,
    names: BoxStream<'static, watcher::Result<PartialObjectMeta<Deployment>>>,
}

impl Watch {
    fn new() -> Self {
        let cache = Cache::default();
        let (events, stream) = futures::channel::mpsc::unbounded();
        let names = cache.fill(stream, |_| {});
        Self { cache, events, names }
    }

    /// Sends `events`; the last of them touches something.
    async fn take(&mut self, events: Vec<Event<Deployment>>, touched: usize) -> Vec<String> {
        for event in events {
            self.events.unbounded_send(Ok(event)).unwrap();
        }
        let mut names = Vec::new();
        for _ in 0..touched {
            names.push(self.names.next().await.unwrap().unwrap().metadata.name.unwrap());
        }
        names.sort();
        names
    }

    async fn list(&mut self, objects: &[Deployment], touched: usize) -> Vec<String> {
        let all = objects.iter().cloned().map(Event::InitApply);
        self.take([Event::Init].into_iter().chain(all).chain([Event::InitDone]).collect(), touched).await
    }
}

#[tokio::test]
async fn a_list_takes_the_place_of_the_one_before_and_touches_what_it_lacks() {
    let mut watch = Watch::new();
    let (first, second) = (deployment("d1", "1", 1, "dev", "none"), deployment("d2", "2", 2, "dev", "none"));
    assert_eq!(watch.list(&[first, second], 2).await, ["d1", "d2"]);
    assert_eq!(watch.cache.group(&key("dev")), [key("d1"), key("d2")]);
    // Made anew for another Environment while nobody watched.
    assert_eq!(watch.list(&[deployment("d1", "3", 5, "test", "none")], 2).await, ["d1", "d2"]);
    assert_eq!((watch.cache.group(&key("dev")), watch.cache.group(&key("test"))), (Vec::new(), vec![key("d1")]));
    assert!(watch.cache.get(&key("d2")).is_none());
}

#[tokio::test]
async fn what_is_at_rest_reads_back_as_it_was() {
    let mut watch = Watch::new();
    let (rests, moves) = (deployment("d1", "1", 1, "dev", "Succeeded"), deployment("d2", "2", 2, "dev", "Approved"));
    watch.list(&[rests.clone(), moves], 2).await;
    let read = watch.cache.get(&key("d1")).unwrap();
    let value = |object: &Deployment| -> Value { serde_json::to_value(object).unwrap() };
    assert_eq!(value(&read), value(&rests));
    assert!(watch.cache.in_motion(&key("d1")).is_none());
    assert!(watch.cache.in_motion(&key("d2")).is_some());
    assert_eq!(watch.cache.uid(&key("d1")).as_deref(), Some("1"));
}

#[tokio::test]
async fn our_own_write_counts_until_the_watch_has_it() {
    let mut watch = Watch::new();
    watch.list(&[deployment("d1", "1", 1, "dev", "Succeeded")], 1).await;
    watch.cache.remember(deployment("d1", "1", 3, "dev", "Approved"));
    let version = |watch: &Watch| version(&*watch.cache.get(&key("d1")).unwrap());
    assert_eq!(version(&watch), 3);
    assert!(watch.cache.in_motion(&key("d1")).is_some(), "what we wrote says whether it rests");
    watch.take(vec![Event::Apply(deployment("d1", "1", 2, "dev", "Succeeded"))], 1).await;
    assert_eq!(version(&watch), 3, "the watch is behind");
    watch.take(vec![Event::Apply(deployment("d1", "1", 4, "dev", "Approved"))], 1).await;
    assert_eq!(version(&watch), 4);
}

#[tokio::test]
async fn what_was_let_go_is_gone_before_the_watch_says_so_and_a_new_one_is_not() {
    let mut watch = Watch::new();
    let old = deployment("d1", "1", 1, "dev", "Approved");
    watch.list(std::slice::from_ref(&old), 1).await;
    watch.cache.let_go(&old);
    assert!(watch.cache.get(&key("d1")).is_none());
    watch.take(vec![Event::Apply(deployment("d1", "1", 2, "dev", "Approved"))], 1).await;
    assert!(watch.cache.get(&key("d1")).is_none(), "a last change before it went");
    watch.take(vec![Event::Delete(old), Event::Apply(deployment("d1", "9", 7, "dev", "none"))], 2).await;
    assert_eq!(watch.cache.get(&key("d1")).unwrap().uid().as_deref(), Some("9"));
}
