//! helm, with folders of its own: what the developer has configured is not looked at.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use slipway_tests::plane::Plane;
use tempfile::TempDir;

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The chart as it is.
pub fn chart() -> PathBuf {
    root().join("charts/slipway")
}

/// What helm answered.
pub struct Said {
    pub done: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Its answer, if it did what it was asked.
    pub fn done(self) -> String {
        assert!(self.done, "helm: {}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it said instead of doing it.
    pub fn refused(self) -> String {
        assert!(!self.done, "helm was to refuse that: {}", self.stdout);
        self.stderr
    }
}

/// helm without a cluster.
pub fn helm<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Said {
    run(Path::new("/dev/null"), arguments)
}

/// helm as the administrator of a plane.
pub fn helm_on<A: AsRef<OsStr>>(plane: &Plane, arguments: impl IntoIterator<Item = A>) -> Said {
    run(plane.kubeconfig(), arguments)
}

fn run<A: AsRef<OsStr>>(kubeconfig: &Path, arguments: impl IntoIterator<Item = A>) -> Said {
    static HOME: OnceLock<TempDir> = OnceLock::new();
    let home = HOME.get_or_init(|| tempfile::tempdir().unwrap()).path();
    let output = Command::new(program())
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env("HELM_CACHE_HOME", home)
        .env("HELM_CONFIG_HOME", home)
        .env("HELM_DATA_HOME", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        done: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = Command::new(root().join("tools/helm.sh")).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "tools/helm.sh failed; what it said is above");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// What the chart renders in `namespace` with these values on top of its own.
pub fn rendered(namespace: &str, values: &Value) -> Vec<Value> {
    let objects: Vec<Value> = serde_yaml::from_multiple(&template(namespace, values).done()).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// `helm template` with these values on top of the chart's own.
pub fn template(namespace: &str, values: &Value) -> Said {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(&file, values.to_string()).unwrap();
    let chart = chart();
    let [chart, file] = [chart.as_path(), file.path()].map(Path::as_os_str);
    let [command, name, to, values] = ["template", "slipway", "--namespace", "--values"].map(OsStr::new);
    helm([command, name, chart, to, OsStr::new(namespace), values, file])
}
