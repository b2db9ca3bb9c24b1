//! Slipway on the shared plane: what `slipway manifests` prints, applied once, and in force before anyone relies on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::wait::PATIENCE;
use crate::plane::Plane;

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
    });
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
    let token = say(plane, &["create", "token", "slipway", "--namespace=slipway-system", "--duration=12h"], "");
    let admin = std::fs::read_to_string(plane.kubeconfig()).unwrap();
    let mut config: Value = serde_yaml::from_str(&admin).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({"token": token.trim()});
    }
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

fn say(plane: &Plane, arguments: &[&str], input: &str) -> String {
    let output = plane.kubectl_with_input(arguments, input).unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
