use super::*;
use rstest::rstest;
use serde_json::json;

fn object(kind: &str, spec: Value, status: Value) -> Value {
    let (api_version, kind) = kind.rsplit_once('/').unwrap();
    let metadata = json!({"name": "web", "generation": 2});
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status})
}

fn says(kind: &str, spec: Value, status: Value) -> String {
    match judge(&object(kind, spec, status)) {
        Health::Current => "current".to_owned(),
        Health::InProgress { message } => format!("waits: {message}"),
        Health::Failed { message } => format!("fails: {message}"),
    }
}

fn rolled() -> Value {
    json!({
        "observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            {"type": "Available", "status": "True"},
        ],
    })
}

/// The fixture with some fields replaced.
fn with(mut status: Value, change: Value) -> Value {
    let Value::Object(change) = change else { panic!("a change is an object") };
    status.as_object_mut().unwrap().extend(change);
    status
}

#[rstest]
#[case::rolled_out(json!({}), "current")]
#[case::not_seen(json!({"observedGeneration": 1}), "waits: generation 2 is not observed yet, 1 is")]
#[case::never_seen(json!({"observedGeneration": null}), "waits: its controller has not seen it yet")]
#[case::rolling(json!({"updatedReplicas": 1}), "waits: 1 of 3 replicas are updated")]
#[case::old_pods(json!({"replicas": 4}), "waits: 1 old replicas are still there")]
#[case::starting(json!({"availableReplicas": 1}), "waits: 1 of 3 replicas are available")]
#[case::stuck(
    json!({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"web-1\" has timed out progressing."}]}),
    "fails: ProgressDeadlineExceeded: ReplicaSet \"web-1\" has timed out progressing.")]
#[case::quota(
    json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "exceeded quota"}]}),
    "waits: FailedCreate: exceeded quota")]
#[case::not_done(
    json!({"conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}]}),
    "waits: its new replica set is not available yet")]
fn a_deployment(#[case] change: Value, #[case] wanted: &str) {
    assert_eq!(says("apps/v1/Deployment", json!({"replicas": 3}), with(rolled(), change)), wanted);
}

#[rstest]
#[case::of_the_rollout_before("2026-11-21T12:27:31Z", "waits: its controller still speaks of the rollout before")]
#[case::in_the_very_second("2026-11-21T12:27:32Z", "waits: its controller still speaks of the rollout before")]
#[case::of_this_one("2026-11-21T12:27:33Z", "fails: ProgressDeadlineExceeded")]
fn a_deadline_counts_only_after_what_was_applied_last(#[case] since: &str, #[case] wanted: &str) {
    let stuck = json!({"conditions": [{"type": "Progressing", "reason": DEADLINE, "lastUpdateTime": since}]});
    let mut object = object("apps/v1/Deployment", json!({"replicas": 3}), with(rolled(), stuck));
    object["metadata"]["managedFields"] = json!([{"manager": "slipway", "time": "2026-11-21T12:27:32Z"}]);
    match judge(&object) {
        Health::Current => panic!("it is not current"),
        Health::InProgress { message } => assert_eq!(format!("waits: {message}"), wanted),
        Health::Failed { message } => assert!(format!("fails: {message}").starts_with(wanted), "{message}"),
    }
}

#[test]
fn a_paused_deployment_is_waited_for() {
    assert_eq!(says("apps/v1/Deployment", json!({"replicas": 3, "paused": true}), rolled()), "waits: it is paused");
}

#[rstest]
#[case::rolled_out(json!({}), json!({}), "current")]
#[case::not_ready(json!({}), json!({"readyReplicas": 2}), "waits: 2 of 3 replicas are ready")]
#[case::rolling(json!({}), json!({"currentRevision": "a", "updatedReplicas": 1}), "waits: 1 of 3 replicas are updated")]
#[case::held_at_a_partition(
    json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}}),
    json!({"currentRevision": "a", "updatedReplicas": 1}), "current")]
#[case::on_delete(
    json!({"updateStrategy": {"type": "OnDelete"}}),
    json!({"currentRevision": "a", "updatedReplicas": 0}), "current")]
#[case::shrinking(json!({}), json!({"replicas": 4}), "waits: 1 replicas are still there")]
fn a_stateful_set(#[case] spec: Value, #[case] change: Value, #[case] wanted: &str) {
    let status = json!({
        "observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3,
        "currentRevision": "b", "updateRevision": "b",
    });
    let spec = with(json!({"replicas": 3}), spec);
    assert_eq!(says("apps/v1/StatefulSet", spec, with(status, change)), wanted);
}

#[rstest]
#[case::everywhere(json!({}), "current")]
#[case::nowhere_to_run(json!({"desiredNumberScheduled": 0}), "current")]
#[case::scheduling(json!({"currentNumberScheduled": 1}), "waits: 1 of 2 pods are scheduled")]
#[case::rolling(json!({"updatedNumberScheduled": 1}), "waits: 1 of 2 pods are updated")]
#[case::starting(json!({"numberAvailable": 0}), "waits: 0 of 2 pods are available")]
fn a_daemon_set(#[case] change: Value, #[case] wanted: &str) {
    let status = json!({
        "observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": 2,
    });
    assert_eq!(says("apps/v1/DaemonSet", json!({}), with(status, change)), wanted);
}

#[rstest]
#[case("apps/v1/ReplicaSet", json!({"replicas": 1}), json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1,
    "availableReplicas": 1}), "current")]
#[case("apps/v1/ReplicaSet", json!({"replicas": 1}), json!({"observedGeneration": 2, "replicas": 1}),
    "waits: 0 of 1 replicas are available")]
#[case("batch/v1/Job", json!({}), json!({"active": 1, "failed": 2}), "waits: 1 active, 0 succeeded, 2 failed")]
#[case("batch/v1/Job", json!({}), json!({"conditions": [{"type": "Complete", "status": "True"}]}), "current")]
#[case("batch/v1/Job", json!({"suspend": true}), json!({}), "current")]
#[case("batch/v1/Job", json!({}), json!({"conditions": [{"type": "Failed", "status": "True",
    "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}),
    "fails: BackoffLimitExceeded: Job has reached the specified backoff limit")]
#[case("batch/v1/CronJob", json!({}), json!({}), "current")]
#[case("v1/Pod", json!({}), json!({"phase": "Succeeded"}), "current")]
#[case("v1/Pod", json!({}), json!({"phase": "Failed", "reason": "Evicted", "message": "no room"}),
    "fails: Evicted: no room")]
#[case("v1/Pod", json!({}), json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), "current")]
#[case("v1/Pod", json!({}), json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False",
    "reason": "ContainersNotReady"}]}), "waits: ContainersNotReady")]
#[case("v1/Pod", json!({}), json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
    "reason": "Unschedulable", "message": "0/3 nodes"}]}), "waits: Unschedulable: 0/3 nodes")]
#[case("v1/PersistentVolumeClaim", json!({}), json!({"phase": "Bound"}), "current")]
#[case("v1/PersistentVolumeClaim", json!({}), json!({"phase": "Pending"}), "waits: it is Pending")]
#[case("v1/PersistentVolumeClaim", json!({}), json!({"phase": "Lost"}), "fails: its volume is lost")]
#[case("v1/Service", json!({"type": "ClusterIP"}), json!({}), "current")]
#[case("v1/Service", json!({"type": "LoadBalancer"}), json!({}), "waits: it has no load balancer address yet")]
#[case("v1/Service", json!({"type": "LoadBalancer"}), json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}), "current")]
#[case("v1/ConfigMap", json!({}), json!({}), "current")]
#[case("networking.k8s.io/v1/Ingress", json!({}), json!({}), "current")]
#[case("autoscaling/v2/HorizontalPodAutoscaler", json!({}), json!({}), "current")]
#[case("policy/v1/PodDisruptionBudget", json!({}), json!({}), "waits: its controller has not seen it yet")]
#[case("policy/v1/PodDisruptionBudget", json!({}), json!({"observedGeneration": 2}), "current")]
#[case("apiextensions.k8s.io/v1/CustomResourceDefinition", json!({}), json!({}), "waits: it is not established yet")]
#[case("apiextensions.k8s.io/v1/CustomResourceDefinition", json!({}), json!({"conditions": [
    {"type": "Established", "status": "True"}]}), "current")]
#[case("apiextensions.k8s.io/v1/CustomResourceDefinition", json!({}), json!({"conditions": [
    {"type": "NamesAccepted", "status": "False", "reason": "PluralConflict", "message": "taken"}]}),
    "fails: PluralConflict: taken")]
#[case("example.com/v1/Database", json!({}), json!({}), "current")]
#[case("example.com/v1/Database", json!({}), json!({"conditions": [{"type": "Ready", "status": "False",
    "message": "creating"}]}), "waits: creating")]
#[case("example.com/v1/Database", json!({}), json!({"observedGeneration": 1, "conditions": [{"type": "Ready",
    "status": "True"}]}), "waits: generation 2 is not observed yet, 1 is")]
#[case("example.com/v1/Database", json!({}), json!({"conditions": [{"type": "Stalled", "status": "True",
    "message": "no disk"}]}), "fails: no disk")]
#[case("example.com/v1/Database", json!({}), json!({"conditions": [{"type": "Reconciling", "status": "True"},
    {"type": "Ready", "status": "True"}]}), "waits: Reconciling is True")]
fn each_kind_says_how_it_is(#[case] kind: &str, #[case] spec: Value, #[case] status: Value, #[case] wanted: &str) {
    assert_eq!(says(kind, spec, status), wanted);
}

#[test]
fn what_is_being_deleted_is_not_current() {
    let mut going = object("v1/Service", json!({}), json!({}));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(judge(&going), Health::InProgress { message: "it is being deleted".to_owned() });
}
