//! Whether one object is as it was asked to be, from that object alone.
//!
//! The rules are those of kstatus (sigs.k8s.io/cli-utils), with these differences, each because a release waits for it:
//! a Job is current when it is complete, not when it has started; a paused Deployment is not current; a built-in workload
//! whose controller has not seen it yet is not current. A `CronJob`, an `Ingress` and a `HorizontalPodAutoscaler` are
//! current once they exist: what happens to them later depends on time, on a controller's address, on metrics.

use serde_json::Value;

/// What a live object says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// As it was asked to be.
    Current,
    /// On its way.
    InProgress {
        /// What it waits for.
        message: String,
    },
    /// It will not get there by itself.
    Failed {
        /// The object's own words.
        message: String,
    },
}

/// The reason with which a Deployment says that it is stuck.
const DEADLINE: &str = "ProgressDeadlineExceeded";

/// Kinds that have nothing to wait for: they are current once they are stored.
pub(crate) fn instant(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(kind, "ConfigMap" | "Secret" | "ServiceAccount" | "LimitRange" | "Endpoints" | "PodTemplate"),
        "rbac.authorization.k8s.io" | "scheduling.k8s.io" | "storage.k8s.io" | "discovery.k8s.io" => true,
        "networking.k8s.io" => matches!(kind, "NetworkPolicy" | "IngressClass" | "Ingress"),
        "batch" => kind == "CronJob",
        _ => false,
    }
}

/// Judges a live object.
pub fn judge(object: &Value) -> Health {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = object["kind"].as_str().unwrap_or_default();
    if instant(group, kind) {
        return Health::Current;
    }
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return waits("it is being deleted");
    }
    generic(object).unwrap_or_else(|| match (group, kind) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("policy", "PodDisruptionBudget") => seen(object).unwrap_or(Health::Current),
        ("autoscaling", "HorizontalPodAutoscaler") => Health::Current,
        _ => ready(object),
    })
}

/// What holds for every kind: the controller has seen this generation and does not say that it is stuck or at work.
fn generic(object: &Value) -> Option<Health> {
    let generation = object["metadata"]["generation"].as_i64();
    let observed = object["status"]["observedGeneration"].as_i64();
    if let (Some(generation), Some(observed)) = (generation, observed)
        && observed < generation
    {
        return Some(waits(&format!("generation {generation} is not observed yet, {observed} is")));
    }
    if let Some(stalled) = condition(object, "Stalled").filter(|stalled| stalled["status"] == "True") {
        return Some(fails(&told(stalled)));
    }
    let reconciling = condition(object, "Reconciling").filter(|reconciling| reconciling["status"] == "True");
    reconciling.map(|reconciling| waits(&told(reconciling)))
}

/// The controller of a built-in kind always says what it has seen.
fn seen(object: &Value) -> Option<Health> {
    object["status"]["observedGeneration"].is_null().then(|| waits("its controller has not seen it yet"))
}

fn ready(object: &Value) -> Health {
    match condition(object, "Ready") {
        Some(ready) if ready["status"] != "True" => waits(&told(ready)),
        Some(_) | None => Health::Current,
    }
}

fn deployment(object: &Value) -> Health {
    let progressing = condition(object, "Progressing");
    if let Some(progressing) = progressing.filter(|progressing| progressing["reason"] == DEADLINE) {
        // It is kept for a moment when the release before is brought back, also for the new generation.
        if outlived(progressing, object) {
            return waits("its controller still speaks of the rollout before");
        }
        return fails(&told(progressing));
    }
    if let Some(unseen) = seen(object) {
        return unseen;
    }
    if let Some(refused) = condition(object, "ReplicaFailure").filter(|refused| refused["status"] == "True") {
        return waits(&told(refused));
    }
    if object["spec"]["paused"] == true {
        return waits("it is paused");
    }
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let [replicas, updated, ready, available] =
        ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"].map(|field| count(object, field));
    if updated < wanted {
        return waits(&format!("{updated} of {wanted} replicas are updated"));
    }
    if replicas > updated {
        return waits(&format!("{} old replicas are still there", replicas - updated));
    }
    if available < updated || ready < wanted {
        return waits(&format!("{} of {wanted} replicas are available", available.min(ready)));
    }
    let deadline = object["spec"]["progressDeadlineSeconds"].as_i64() != Some(i64::from(i32::MAX));
    if deadline && progressing.is_some_and(|progressing| progressing["reason"] != "NewReplicaSetAvailable") {
        return waits("its new replica set is not available yet");
    }
    match condition(object, "Available") {
        Some(available) if available["status"] != "True" => waits(&told(available)),
        Some(_) | None => Health::Current,
    }
}

/// The condition is no younger than what Slipway last applied. A deadline takes at least a second to pass, and both times
/// are whole seconds.
fn outlived(condition: &Value, object: &Value) -> bool {
    let applied = object["metadata"]["managedFields"][0]["time"].as_str();
    let since = condition["lastUpdateTime"].as_str();
    since.is_some_and(|since| applied.is_some_and(|applied| since <= applied))
}

fn replica_set(object: &Value) -> Health {
    if let Some(unseen) = seen(object) {
        return unseen;
    }
    if let Some(refused) = condition(object, "ReplicaFailure").filter(|refused| refused["status"] == "True") {
        return waits(&told(refused));
    }
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let [replicas, ready, available] =
        ["replicas", "readyReplicas", "availableReplicas"].map(|field| count(object, field));
    if replicas > wanted {
        return waits(&format!("{} replicas are still there", replicas - wanted));
    }
    if available.min(ready) < wanted {
        return waits(&format!("{} of {wanted} replicas are available", available.min(ready)));
    }
    Health::Current
}

fn stateful_set(object: &Value) -> Health {
    if let Some(unseen) = seen(object) {
        return unseen;
    }
    let strategy = &object["spec"]["updateStrategy"];
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let [replicas, ready, updated] = ["replicas", "readyReplicas", "updatedReplicas"].map(|field| count(object, field));
    if replicas > wanted {
        return waits(&format!("{} replicas are still there", replicas - wanted));
    }
    if ready < wanted {
        return waits(&format!("{ready} of {wanted} replicas are ready"));
    }
    if strategy["type"] == "OnDelete" {
        return Health::Current;
    }
    let partition = strategy["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    let rolled = (wanted - partition).max(0);
    let revisions = (&object["status"]["currentRevision"], &object["status"]["updateRevision"]);
    if revisions.0 != revisions.1 && (updated < rolled || partition == 0) {
        return waits(&format!("{updated} of {rolled} replicas are updated"));
    }
    Health::Current
}

fn daemon_set(object: &Value) -> Health {
    if let Some(unseen) = seen(object) {
        return unseen;
    }
    let wanted = count(object, "desiredNumberScheduled");
    let [scheduled, updated, available, ready] =
        ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"]
            .map(|field| count(object, field));
    if scheduled < wanted {
        return waits(&format!("{scheduled} of {wanted} pods are scheduled"));
    }
    if updated < wanted && object["spec"]["updateStrategy"]["type"] != "OnDelete" {
        return waits(&format!("{updated} of {wanted} pods are updated"));
    }
    if available.min(ready) < wanted {
        return waits(&format!("{} of {wanted} pods are available", available.min(ready)));
    }
    Health::Current
}

fn job(object: &Value) -> Health {
    if object["spec"]["suspend"] == true {
        return Health::Current;
    }
    for (name, health) in [("Failed", fails as fn(&str) -> Health), ("Complete", |_| Health::Current)] {
        if let Some(ended) = condition(object, name).filter(|ended| ended["status"] == "True") {
            return health(&told(ended));
        }
    }
    let [active, succeeded, failed] = ["active", "succeeded", "failed"].map(|field| count(object, field));
    waits(&format!("{active} active, {succeeded} succeeded, {failed} failed"))
}

fn pod(object: &Value) -> Health {
    match object["status"]["phase"].as_str() {
        Some("Succeeded") => Health::Current,
        Some("Failed") => {
            let words = [&object["status"]["reason"], &object["status"]["message"]].map(|word| word.as_str());
            let words: Vec<&str> = words.into_iter().flatten().collect();
            fails(&if words.is_empty() { "the pod failed".to_owned() } else { words.join(": ") })
        }
        Some("Running") => match condition(object, "Ready") {
            Some(ready) if ready["status"] == "True" => Health::Current,
            Some(ready) => waits(&told(ready)),
            None => waits("the pod is not ready"),
        },
        _ => match condition(object, "PodScheduled").filter(|scheduled| scheduled["status"] == "False") {
            Some(scheduled) => waits(&told(scheduled)),
            None => waits("the pod is pending"),
        },
    }
}

fn claim(object: &Value) -> Health {
    match object["status"]["phase"].as_str() {
        Some("Bound") => Health::Current,
        Some("Lost") => fails("its volume is lost"),
        phase => waits(&format!("it is {}", phase.unwrap_or("Pending"))),
    }
}

fn service(object: &Value) -> Health {
    let balanced = object["spec"]["type"] == "LoadBalancer";
    let addresses = object["status"]["loadBalancer"]["ingress"].as_array().map_or(0, Vec::len);
    if balanced && addresses == 0 {
        return waits("it has no load balancer address yet");
    }
    Health::Current
}

fn definition(object: &Value) -> Health {
    if let Some(refused) = condition(object, "NamesAccepted").filter(|accepted| accepted["status"] == "False") {
        return fails(&told(refused));
    }
    match condition(object, "Established") {
        Some(established) if established["status"] == "True" => Health::Current,
        Some(established) if established["reason"] != "Installing" => fails(&told(established)),
        Some(_) | None => waits("it is not established yet"),
    }
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

/// A condition in its own words.
fn told(condition: &Value) -> String {
    let [name, reason, message] =
        ["type", "reason", "message"].map(|field| condition[field].as_str().unwrap_or_default());
    match (reason, message) {
        ("", "") => format!("{name} is {}", condition["status"].as_str().unwrap_or("Unknown")),
        ("", words) | (words, "") => words.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

fn waits(message: &str) -> Health {
    Health::InProgress { message: message.to_owned() }
}

fn fails(message: &str) -> Health {
    Health::Failed { message: message.to_owned() }
}

#[cfg(test)]
mod tests;
