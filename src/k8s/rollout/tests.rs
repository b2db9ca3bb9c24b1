use std::collections::BTreeMap;

use super::*;
use crate::render::render;
use crate::target::Target;
use rstest::rstest;
use serde_json::json;
use slipway_domain::digest::SecretKey;

/// A release of one object of this kind, and what is live of it.
struct Stage {
    rendered: Rendered,
    scene: Scene,
}

impl Stage {
    fn new(live: Value) -> Self {
        let manifest = json!({"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {"name": "web"}});
        let target = Target::new("shop", "deployer", "shop/production", "payments", Vec::new());
        let rendered = render(&[manifest], &BTreeMap::new(), &target, &SecretKey::new([0; 32])).unwrap();
        let scene = Scene { kinds: vec![Mirror::of(vec![live])], ..Scene::default() };
        Self { rendered, scene }
    }

    fn with(mut self, replica_sets: Vec<Value>, pods: Vec<Value>) -> Self {
        self.scene.replica_sets = Mirror::of(replica_sets);
        self.scene.pods = Mirror::of(pods);
        self
    }

    fn verdict(&self) -> Verdict {
        self.scene.verdict(&[(&self.rendered.objects[0], 0)], &self.rendered)
    }

    /// The pod that stops the rollout, if one does.
    fn stuck(&self) -> Option<String> {
        match self.verdict() {
            Verdict::Stuck(pending) => Some(pending.pods.join("\n")),
            Verdict::Healthy | Verdict::Waiting(_) => None,
        }
    }
}

fn deployment(revision: &str, observed: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "uid": "d", "generation": 2, "annotations": {REVISION: revision}},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": observed, "replicas": 2, "updatedReplicas": 1},
    })
}

fn replica_set(name: &str, revision: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": "d"}], "annotations": {REVISION: revision}}})
}

fn pod(name: &str, owner: &str, reason: &str, restarts: i64) -> Value {
    json!({
        "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner}], "labels": {
            "controller-revision-hash": "web-2", "pod-template-generation": "2"}},
        "status": {"containerStatuses": [{
            "name": "app", "restartCount": restarts,
            "state": {"waiting": {"reason": reason, "message": "its own words"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "password=hunter22"}},
        }]},
    })
}

#[rstest]
#[case("ImagePullBackOff", 0, true)]
#[case("ErrImagePull", 0, true)]
#[case("InvalidImageName", 0, true)]
#[case("CreateContainerConfigError", 0, true)]
#[case("RunContainerError", 0, true)]
#[case("CrashLoopBackOff", 1, true)]
#[case("CrashLoopBackOff", 0, false)]
#[case("ContainerCreating", 0, false)]
#[case("PodInitializing", 0, false)]
fn a_container_that_cannot_go_on_stops_the_rollout(#[case] reason: &str, #[case] restarts: i64, #[case] stops: bool) {
    let stage = Stage::new(deployment("2", 2))
        .with(vec![replica_set("web-2", "2")], vec![pod("web-2-x", "web-2", reason, restarts)]);
    let words = format!("pod web-2-x, container app: {reason}: its own words (last exit code 1, Error)");
    assert_eq!(stage.stuck(), stops.then_some(words));
}

#[test]
fn old_pods_have_no_say() {
    let sets = vec![replica_set("web-1", "1"), replica_set("web-2", "2")];
    let stage = Stage::new(deployment("2", 2)).with(sets, vec![pod("web-1-x", "web-1", "CrashLoopBackOff", 9)]);
    assert_eq!(stage.stuck(), None);
}

#[test]
fn no_pod_has_a_say_before_the_controller_has_seen_the_change() {
    let sets = vec![replica_set("web-1", "1")];
    let stage = Stage::new(deployment("1", 1)).with(sets, vec![pod("web-1-x", "web-1", "CrashLoopBackOff", 9)]);
    assert_eq!(stage.stuck(), None);
}

#[test]
fn pods_of_others_have_no_say() {
    let mut foreign = replica_set("other-1", "2");
    foreign["metadata"]["ownerReferences"][0]["uid"] = json!("another deployment");
    let stage =
        Stage::new(deployment("2", 2)).with(vec![foreign], vec![pod("other-1-x", "other-1", "ImagePullBackOff", 0)]);
    assert_eq!(stage.stuck(), None);
}

#[test]
fn a_pod_that_is_leaving_has_no_say() {
    let mut leaving = pod("web-2-x", "web-2", "ImagePullBackOff", 0);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let stage = Stage::new(deployment("2", 2)).with(vec![replica_set("web-2", "2")], vec![leaving]);
    assert_eq!(stage.stuck(), None);
}

#[rstest]
#[case("web-2", true)]
#[case("web-3", false)]
fn a_stateful_set_listens_to_its_update_revision(#[case] revision: &str, #[case] stops: bool) {
    let live = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "uid": "d", "generation": 2},
        "status": {"observedGeneration": 2, "updateRevision": revision},
    });
    let stage = Stage::new(live).with(Vec::new(), vec![pod("web-0", "d", "ImagePullBackOff", 0)]);
    assert_eq!(stage.stuck().is_some(), stops);
}

#[rstest]
#[case("2", true)]
#[case("3", false)]
fn a_daemon_set_listens_to_its_template_generation(#[case] generation: &str, #[case] stops: bool) {
    let live = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "web", "uid": "d", "generation": 2, "annotations": {GENERATION: generation}},
        "status": {"observedGeneration": 2, "desiredNumberScheduled": 1},
    });
    let stage = Stage::new(live).with(Vec::new(), vec![pod("web-x", "d", "ImagePullBackOff", 0)]);
    assert_eq!(stage.stuck().is_some(), stops);
}

#[rstest]
#[case("ImagePullBackOff", true)]
#[case("CrashLoopBackOff", false)]
fn a_job_may_crash_but_must_start(#[case] reason: &str, #[case] stops: bool) {
    let live = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web", "uid": "d"}});
    let stage = Stage::new(live).with(Vec::new(), vec![pod("web-x", "d", reason, 2)]);
    assert_eq!(stage.stuck().is_some(), stops);
}

#[test]
fn a_failed_workload_is_told_with_its_pods_words_and_not_with_what_they_wrote() {
    let mut live = deployment("2", 2);
    live["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
    let mut waiting = pod("web-2-x", "web-2", "ContainerCreating", 0);
    waiting["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]);
    let stage = Stage::new(live).with(vec![replica_set("web-2", "2")], vec![waiting]);
    let Verdict::Stuck(pending) = stage.verdict() else { panic!("{:?}", stage.verdict()) };
    assert_eq!(pending.message, "ProgressDeadlineExceeded: timed out");
    assert_eq!(pending.pods, ["pod web-2-x: 0/3 nodes"]);
}

#[test]
fn an_object_that_vanished_is_waited_for_by_name() {
    let mut stage = Stage::new(deployment("2", 2));
    stage.scene.kinds = vec![Mirror::of(Vec::new())];
    let Verdict::Waiting(waiting) = stage.verdict() else { panic!("{:?}", stage.verdict()) };
    assert_eq!(waiting[0].object.to_string(), "apps/v1/Deployment/web");
    assert_eq!(waiting[0].message, "it does not exist");
}

#[test]
fn a_claim_that_nothing_mounts_may_stay_unbound() {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "web"}, "status": {"phase": "Pending"},
    });
    let mut stage = Stage::new(claim);
    assert_eq!(stage.verdict(), Verdict::Healthy);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "web"}}]},
    });
    let target = Target::new("shop", "deployer", "shop/production", "payments", Vec::new());
    let with_pod = render(&[pod], &BTreeMap::new(), &target, &SecretKey::new([0; 32])).unwrap();
    stage.rendered.objects.extend(with_pod.objects);
    assert!(matches!(stage.verdict(), Verdict::Waiting(_)));
}
