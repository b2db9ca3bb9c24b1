//! Through kubectl itself, which finds the plugin and its completion on the PATH.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use slipway_tests::plane::Plane;
use slipway_tests::stage::{ALICE, Stage};

use super::{Said, programs, run};

#[tokio::test]
async fn kubectl_finds_the_plugin_and_completes_its_commands() {
    let stage = Stage::dark().await;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("kubectl_complete-slipway");
    std::fs::write(&script, run(&stage, ALICE, "completion kubectl").await.well()).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = [programs(), folder.path().to_owned()].into_iter().chain(std::env::split_paths(&others));
    let path = std::env::join_paths(path).unwrap();
    let kubectl = |arguments: &[&str]| {
        let mut command = Plane::shared().unwrap().kubectl_command();
        Said::of(&command.args(arguments).env("PATH", &path).output().unwrap())
    };
    let said = kubectl(&["slipway", "inbox", "--namespace", &stage.namespace, "--as", ALICE]);
    assert!(said.stderr.contains("Nothing waits for anyone"), "{said:?}");
    let usage = kubectl(&["slipway", "approve", "web", "--nonsense"]);
    assert!(usage.stderr.contains("--nonsense"), "{usage:?}");
    usage.misused();
    let completed = kubectl(&["__complete", "slipway", "app"]).well();
    assert!(completed.lines().any(|line| line.starts_with("approve")), "{completed}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&stage, ALICE, &format!("completion {shell}")).await.well();
        assert!(script.contains("break-glass"), "{shell}");
    }
}
