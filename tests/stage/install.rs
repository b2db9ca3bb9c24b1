//! Slipway on the shared plane: what `slipway manifests` prints, applied once, and in force before anyone relies on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slipway_crd::likeness::{GROUP, KINDS, SELECTOR};

use super::wait::PATIENCE;
use crate::plane::Plane;

/// How long the controller waits for a policy to take effect.
const TAKES_EFFECT: Duration = Duration::from_secs(5);

/// The program `slipway`: where the environment says, or beside the test's own folder in `target`.
pub(super) fn slipway() -> PathBuf {
    if let Some(path) = std::env::var_os("SLIPWAY_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release")).unwrap();
    let path = folder.join("slipway");
    assert!(path.exists(), "{} is not there: run `cargo build -p slipway-cli`", path.display());
    path
}

/// Installs everything, the first time.
pub(super) fn once(plane: &Plane) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let manifests = Command::new(slipway()).arg("manifests").output().unwrap();
        assert!(manifests.status.success(), "{}", String::from_utf8_lossy(&manifests.stderr));
        let manifests = String::from_utf8(manifests.stdout).unwrap();
        let all = ["apply", "--server-side", "-f", "-"];
        say(plane, &all, &manifests);
        let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--selector"];
        say(plane, &[&established[..], &["app.kubernetes.io/name=slipway"]].concat(), "");
        stamped(plane);
        settled(plane);
    });
}

/// What is asked for earlier is not believed: a policy counts as in force some seconds after it was stored.
pub(crate) fn settled(plane: &Plane) {
    let kinds: Vec<String> = KINDS.iter().map(|kind| of_kind(kind)).collect();
    let shown =
        say(plane, &["get", &kinds.join(","), "--selector", SELECTOR, "--show-managed-fields", "-o", "json"], "");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let time = |text: &Value| text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let metadata = || shown["items"].as_array().unwrap().iter().map(|item| &item["metadata"]);
    let written = metadata().flat_map(|metadata| metadata["managedFields"].as_array().into_iter().flatten());
    let times = written.filter_map(|entry| time(&entry["time"]));
    let newest = times.chain(metadata().filter_map(|metadata| time(&metadata["creationTimestamp"]))).max().unwrap();
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clock", "namespace": "default"}});
    let dry = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let until = Instant::now() + PATIENCE;
    loop {
        let made: Value = serde_json::from_str(&say(plane, &dry, &probe.to_string())).unwrap();
        let now = time(&made["metadata"]["creationTimestamp"]).unwrap();
        if now >= newest + TAKES_EFFECT {
            return;
        }
        assert!(Instant::now() < until, "the policies were changed at {newest} and it is {now}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A kind of policies or bindings as kubectl names it.
pub(super) fn of_kind(kind: &str) -> String {
    let plural = match kind.strip_suffix("Policy") {
        Some(stem) => format!("{stem}Policies"),
        None => format!("{kind}s"),
    };
    format!("{}.{GROUP}", plural.to_lowercase())
}

/// Installs the definitions and what stamps, without what refuses: for a test of the schemas alone, on a plane of its own.
pub fn schemas(plane: &Plane) {
    let everything = slipway_crd::install::everything().unwrap();
    let refuses = |document: &&str| {
        document.contains("\nkind: ValidatingAdmissionPolicy") && !document.contains("name: slipway-release-stays")
    };
    let kept: Vec<&str> = everything.split("\n---\n").filter(|document| !refuses(document)).collect();
    say(plane, &["apply", "--server-side", "-f", "-"], &kept.join("\n---\n"));
    say(
        plane,
        &[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd",
            "--selector",
            "app.kubernetes.io/name=slipway",
        ],
        "",
    );
    stamped(plane);
}

/// A new admission policy is in force a second or two after it was accepted.
pub(super) fn stamped(plane: &Plane) {
    let environment = json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "e", "namespace": "default"},
        "spec": {"project": "p", "team": "t", "tier": "development", "runtime": {"manual": {}}},
    });
    let release = json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Release", "metadata": {"name": "r", "namespace": "default"},
        "spec": {"service": "s", "version": "1", "source": {"oci": {"url": "oci://registry.example/s:1"}}},
    });
    let deployment = super::objects::deployment("d", "s", "e", "r");
    let until = Instant::now() + PATIENCE;
    for object in [environment, release, deployment] {
        let dry = ["create", "--dry-run=server", "-o", "json", "-n", "default", "-f", "-"];
        loop {
            // A policy also needs a moment to see the definition of what it stamps, and the server refuses until then.
            let output = plane.kubectl_with_input(dry, &object.to_string()).unwrap();
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if !answer["metadata"]["finalizers"].is_null() {
                break;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(Instant::now() < until, "the policies that stamp are not in force: {answer} {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A kubeconfig of the controller's own service account, with the rights that are shipped.
pub(super) fn kubeconfig(plane: &Plane, folder: &Path) -> PathBuf {
    let path = folder.join("kubeconfig");
    plane.kubeconfig_of("slipway-system", "slipway", &path).unwrap();
    path
}

fn say(plane: &Plane, arguments: &[&str], input: &str) -> String {
    let output = plane.kubectl_with_input(arguments, input).unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
