//! A rollout is stuck when a pod that it made, of the generation that is wanted, says so: old pods have no say.
//!
//! Which pods those are: for a `Deployment` those of its `ReplicaSet` of the same revision, for a `StatefulSet` those of
//! its update revision, for a `DaemonSet` those of its template generation, all only after the controller has observed
//! the object's generation; for a `Job` and a `ReplicaSet` those that it owns.
//!
//! A container that cannot start fails the rollout at once. So does `CrashLoopBackOff` after one restart: a container
//! that has crashed twice in its first seconds is taken at its word. A Job's pods may crash: its back-off limit decides.

use serde_json::Value;
use slipway_domain::runtime::ObjectRef;

use crate::kstatus::{Health, judge};
use crate::mirror::Mirror;
use crate::render::{Rendered, RenderedObject};

/// Why a container cannot start by itself.
const CANNOT_START: &[&str] = &[
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];
const REVISION: &str = "deployment.kubernetes.io/revision";
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// What has been seen of a release and of what it made.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// One a kind, in the order in which they are watched.
    pub(crate) kinds: Vec<Mirror>,
    pub(crate) replica_sets: Mirror,
    pub(crate) pods: Mirror,
}

/// An object to wait for, and the place of its kind in [`Scene::kinds`].
pub(crate) type Wanted<'a> = (&'a RenderedObject, usize);

/// How a rollout stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every object is as it was asked to be.
    Healthy,
    /// These are not there yet.
    Waiting(Vec<Pending>),
    /// This one will not get there.
    Stuck(Pending),
}

/// An object that is not as it was asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) object: ObjectRef,
    pub(crate) message: String,
    /// What its pods say.
    pub(crate) pods: Vec<String>,
}

impl Scene {
    /// Everything has been listed once.
    pub(crate) fn listed(&self) -> bool {
        self.kinds.iter().all(Mirror::listed)
    }

    /// Judges `wanted`, all objects of `rendered` that are worth waiting for.
    pub(crate) fn verdict(&self, wanted: &[Wanted<'_>], rendered: &Rendered) -> Verdict {
        let mut waiting = Vec::new();
        for (one, kind) in wanted {
            let object = one.reference.clone();
            let mirror = &self.kinds[*kind];
            let Some(live) = mirror.get(&object.name) else {
                let message = if mirror.listed() { "it does not exist" } else { "it has not been seen yet" };
                waiting.push(Pending { object, message: message.to_owned(), pods: Vec::new() });
                continue;
            };
            match judge(live) {
                Health::Current => {}
                Health::InProgress { .. } if waits_for_consumer(&object, rendered) => {}
                Health::InProgress { message } => {
                    let (stuck, pods) = self.pods_of(live);
                    let pending = Pending { object, message, pods };
                    if stuck {
                        return Verdict::Stuck(pending);
                    }
                    waiting.push(pending);
                }
                Health::Failed { message } => {
                    let (_, pods) = self.pods_of(live);
                    return Verdict::Stuck(Pending { object, message, pods });
                }
            }
        }
        if waiting.is_empty() { Verdict::Healthy } else { Verdict::Waiting(waiting) }
    }

    /// What the pods of a workload's wanted generation say, and whether one of them cannot go on.
    fn pods_of(&self, workload: &Value) -> (bool, Vec<String>) {
        let job = workload["kind"] == "Job";
        let pods = self.pods.all().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let mut stuck = Vec::new();
        let mut waiting = Vec::new();
        for pod in pods.filter(|pod| self.made(workload, pod)) {
            stuck.extend(stuck_container(pod, job));
            waiting.extend(unscheduled(pod));
        }
        let is_stuck = !stuck.is_empty();
        let mut said = if is_stuck { stuck } else { waiting };
        said.sort();
        (is_stuck, said)
    }

    /// The pod was made by the workload as it is wanted now.
    fn made(&self, workload: &Value, pod: &Value) -> bool {
        let observed = workload["status"]["observedGeneration"].as_i64();
        let current = observed >= workload["metadata"]["generation"].as_i64();
        match workload["kind"].as_str() {
            Some("Deployment") => current && self.of_newest_replica_set(workload, pod),
            Some("StatefulSet") => {
                let revision = &workload["status"]["updateRevision"];
                current && owned(pod, workload) && label(pod, "controller-revision-hash") == revision
            }
            Some("DaemonSet") => {
                let generation = &workload["metadata"]["annotations"][GENERATION];
                current && owned(pod, workload) && label(pod, "pod-template-generation") == generation
            }
            Some("ReplicaSet" | "Job") => owned(pod, workload),
            Some("Pod") => pod["metadata"]["uid"] == workload["metadata"]["uid"],
            _ => false,
        }
    }

    fn of_newest_replica_set(&self, deployment: &Value, pod: &Value) -> bool {
        let revision = &deployment["metadata"]["annotations"][REVISION];
        let newest = |set: &&Value| owned(set, deployment) && &set["metadata"]["annotations"][REVISION] == revision;
        !revision.is_null() && self.replica_sets.all().filter(newest).any(|set| owned(pod, set))
    }
}

/// Kinds whose pods are worth watching.
pub(crate) fn makes_pods(reference: &ObjectRef) -> bool {
    let kind = reference.kind.as_str();
    match reference.group() {
        "apps" => matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"),
        "batch" => kind == "Job",
        "" => kind == "Pod",
        _ => false,
    }
}

/// A claim that no workload of the release mounts may stay unbound: with `WaitForFirstConsumer` nothing binds it before
/// somebody uses it. One that is mounted needs no wait of its own either, but its message is worth having.
fn waits_for_consumer(object: &ObjectRef, rendered: &Rendered) -> bool {
    let claim = object.group().is_empty() && object.kind == "PersistentVolumeClaim";
    let mut workloads = rendered.objects.iter().filter(|one| makes_pods(&one.reference));
    claim && !workloads.any(|one| mounts(&one.object, &object.name))
}

fn mounts(value: &Value, claim: &str) -> bool {
    match value {
        Value::Object(map) => {
            map.iter().any(|(name, item)| (name == "claimName" && item == claim) || mounts(item, claim))
        }
        Value::Array(items) => items.iter().any(|item| mounts(item, claim)),
        _ => false,
    }
}

fn owned(object: &Value, owner: &Value) -> bool {
    let uid = &owner["metadata"]["uid"];
    let owners = object["metadata"]["ownerReferences"].as_array();
    !uid.is_null() && owners.is_some_and(|owners| owners.iter().any(|one| &one["uid"] == uid))
}

fn label<'a>(object: &'a Value, name: &str) -> &'a Value {
    &object["metadata"]["labels"][name]
}

fn stuck_container(pod: &Value, job: bool) -> Option<String> {
    let status = &pod["status"];
    let lists = [&status["initContainerStatuses"], &status["containerStatuses"]];
    lists.into_iter().filter_map(Value::as_array).flatten().find_map(|container| {
        let waiting = &container["state"]["waiting"];
        let reason = waiting["reason"].as_str()?;
        let restarts = container["restartCount"].as_i64().unwrap_or(0);
        let crashing = reason == "CrashLoopBackOff" && restarts >= 1 && !job;
        (crashing || CANNOT_START.contains(&reason)).then(|| {
            let name = container["name"].as_str().unwrap_or_default();
            let words = waiting["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
            format!("pod {}, container {name}: {reason}{words}{}", pod_name(pod), last_exit(container))
        })
    })
}

/// How the container ended last; not what it wrote, which is the application's and may be secret.
fn last_exit(container: &Value) -> String {
    let ended = &container["lastState"]["terminated"];
    match (ended["exitCode"].as_i64(), ended["reason"].as_str()) {
        (Some(code), Some(reason)) => format!(" (last exit code {code}, {reason})"),
        (Some(code), None) => format!(" (last exit code {code})"),
        (None, _) => String::new(),
    }
}

fn unscheduled(pod: &Value) -> Option<String> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let refused = conditions.iter().find(|one| one["type"] == "PodScheduled" && one["status"] == "False")?;
    Some(format!("pod {}: {}", pod_name(pod), refused["message"].as_str().unwrap_or("it is not scheduled")))
}

fn pod_name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
