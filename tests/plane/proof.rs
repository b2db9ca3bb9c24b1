//! A plane behaves as a cluster does, and ends with its owner. An integration test of its own: it needs the program
//! `plane`, which cargo builds before these.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
use std::net::TcpStream;
use std::process::Output;

use slipway_tests::plane::Plane;

/// The shared plane, if it is one of ours: a cluster that was there before has its own pods and its own end.
fn ours() -> Option<&'static Plane> {
    let plane = Plane::shared().unwrap();
    plane.audit_log().map(|_| plane)
}

fn text(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Creates a pod and waits until kubectl's JSON path has the value.
fn pod_shows(name: &str, image: &str, annotations: &str, path: &str, value: &str) {
    let Some(plane) = ours() else { return };
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, annotations: {{{annotations}}}}},
          spec: {{containers: [{{name: main, image: '{image}'}}]}}}}"
    );
    text(&plane.kubectl_with_input(["apply", "-f", "-"], &pod).unwrap());
    let condition = format!("--for=jsonpath={{{path}}}={value}");
    text(&plane.kubectl(["wait", &format!("pod/{name}"), &condition, "--timeout=30s"]).unwrap());
}

const REASON: &str = ".status.containerStatuses[0].state.waiting.reason";
const READY: &str = ".status.conditions[?(@.type==\"Ready\")].status";

#[test]
fn a_deployment_of_three_becomes_available() {
    let Some(plane) = ours() else { return };
    text(&plane.kubectl(["create", "deployment", "three", "--image=shop:1", "--replicas=3"]).unwrap());
    let wait = ["wait", "deployment/three", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=30s"];
    text(&plane.kubectl(wait).unwrap());
}

#[test]
fn an_image_that_does_not_exist_is_never_pulled() {
    pod_shows("absent", "registry.example.com/shop:does-not-exist", "", REASON, "ImagePullBackOff");
    pod_shows("missing", "localhost:5000/shop:missing", "", REASON, "ImagePullBackOff");
    pod_shows("pull", "shop:1", "slipway.dev/simulate: ImagePullBackOff", REASON, "ImagePullBackOff");
}

#[test]
fn a_crashing_container_has_restarted_five_times() {
    let Some(plane) = ours() else { return };
    pod_shows("crashing", "shop:crashing", "", REASON, "CrashLoopBackOff");
    pod_shows("crash", "shop:1", "slipway.dev/simulate: CrashLoopBackOff", REASON, "CrashLoopBackOff");
    let path = "jsonpath={.status.containerStatuses[0]['restartCount','lastState.terminated.exitCode']}";
    assert_eq!(text(&plane.kubectl(["get", "pod", "crash", "-o", path]).unwrap()), "5 1");
}

#[test]
fn a_pod_may_run_and_never_be_ready() {
    pod_shows("never-ready", "shop:never-ready", "", ".status.phase", "Running");
    pod_shows("never", "shop:1", "slipway.dev/simulate: NeverReady", READY, "False");
}

#[test]
fn readiness_comes_late_and_goes_when_asked_to() {
    pod_shows("late", "shop:1", "slipway.dev/ready-after: 1s", READY, "True");
    pod_shows("brief", "shop:1", "slipway.dev/unready-after: 1s", READY, "False");
}

#[test]
fn mutating_policies_are_served() {
    let Some(plane) = ours() else { return };
    let served = text(&plane.kubectl(["api-resources", "--api-group=admissionregistration.k8s.io"]).unwrap());
    assert!(served.contains("mutatingadmissionpolicies"), "{served}");
}

#[test]
fn the_audit_log_tells_what_was_stored_from_what_was_tried() {
    let Some(plane) = ours() else { return };
    let log = plane.audit_log().unwrap();
    let tried = ["create", "configmap", "counted", "--dry-run=server"];
    text(&plane.kubectl(tried).unwrap());
    text(&plane.kubectl(&tried[..3]).unwrap());
    text(&plane.kubectl(["delete", "configmap", "counted"]).unwrap());
    let counted = || {
        let writes = log.writes().unwrap().into_iter();
        let ours = writes.filter(|write| write.user_agent.starts_with("kubectl") && write.resource == "configmaps");
        ours.map(|write| (write.verb.clone(), write.is_persisted())).collect::<Vec<_>>()
    };
    let expected = [("create", false), ("create", true), ("delete", true)].map(|(verb, kept)| (verb.to_owned(), kept));
    // The server writes the line just after its answer.
    let seen = (0..10_000).any(|_| {
        std::thread::yield_now();
        counted() == expected
    });
    assert!(seen, "{:?}", counted());
}

#[test]
fn a_plane_ends_with_the_test_that_panics() {
    if ours().is_none() {
        return;
    }
    let (server, folder) = std::panic::catch_unwind(|| {
        let plane = Plane::start().unwrap();
        let reached = (plane.server().to_owned(), plane.kubeconfig().with_file_name(""));
        std::panic::panic_any(reached);
    })
    .map(|()| unreachable!("it panics"))
    .or_else(|reached| reached.downcast::<(String, std::path::PathBuf)>().map(|reached| *reached))
    .unwrap();
    TcpStream::connect(server.trim_start_matches("https://")).unwrap_err();
    assert!(!folder.exists());
}
