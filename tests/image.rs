//! The image: what is in it, and that it runs with nothing else around it. `SLIPWAY_IMAGE` names one that is there; without
//! it one is built first, by the script of `make image`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails is a test that fails")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = "usr/local/bin/slipway";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The image, unpacked.
struct Image {
    files: TempDir,
    config: Value,
}

impl Image {
    fn open() -> Self {
        let archive = archive();
        let (layout, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        unpack(archive, layout.path());
        let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let blob = |digest: &Value| {
            let (algorithm, hash) = digest.as_str().unwrap().split_once(':').unwrap();
            layout.path().join("blobs").join(algorithm).join(hash)
        };
        let index = read(layout.path().join("index.json"));
        let manifest = read(blob(&index["manifests"][0]["digest"]));
        let config = read(blob(&manifest["config"]["digest"]));
        for layer in manifest["layers"].as_array().unwrap() {
            unpack(&blob(&layer["digest"]), files.path());
        }
        Self { files, config: config["config"].clone() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Runs the program with the image as all that there is.
    fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        let root = format!("--root={}", self.files.path().display());
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", &root, "--", &format!("/{PROGRAM}")]).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap()
    }
}

/// The archive that `SLIPWAY_IMAGE` names, or else a new one. How it is linked is the same in every profile.
fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        if let Some(archive) = std::env::var_os("SLIPWAY_IMAGE") {
            return archive.into();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/image.sh");
        let built = Command::new(script).env("SLIPWAY_IMAGE_PROFILE", "dev").output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        String::from_utf8(built.stdout).unwrap().trim().into()
    })
}

fn unpack(archive: &Path, folder: &Path) {
    let done = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn files(folder: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, below, found);
        } else {
            found.insert(path.strip_prefix(below).unwrap().to_string_lossy().into_owned());
        }
    }
}

#[test]
fn it_holds_one_program_and_certificates_and_runs_as_nobody() {
    let image = Image::open();
    let mut found = BTreeSet::new();
    files(image.files.path(), image.files.path(), &mut found);
    assert_eq!(found, BTreeSet::from([PROGRAM.to_owned(), CERTIFICATES.to_owned()]));
    assert_eq!(image.config["User"], "65532:65532");
    assert_eq!(image.config["Entrypoint"], json!([format!("/{PROGRAM}")]));
    assert!(image.config["Cmd"].is_null(), "{}", image.config);
    assert!(fs::read_to_string(image.path(CERTIFICATES)).unwrap().contains("BEGIN CERTIFICATE"));
}

#[test]
fn the_program_needs_no_library() {
    let image = Image::open();
    let ldd = Command::new("ldd").arg(image.path(PROGRAM)).output().unwrap();
    let said = [ldd.stdout, ldd.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{said}");

    let version = image.run(["--version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), format!("slipway {}", env!("CARGO_PKG_VERSION")));
    let manifests = image.run(["manifests"]);
    assert_eq!(String::from_utf8(manifests.stdout).unwrap(), slipway_crd::install::everything().unwrap());
}

/// Pods are given `/etc/hosts` and `/etc/resolv.conf`, and the API server is known by a name.
#[test]
fn the_program_finds_the_api_server_by_its_name() {
    let image = Image::open();
    // Somebody listens there, and says nothing that is TLS.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let said = |host: &str| {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": format!("https://{host}:{port}")}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {"token": "none"}}],
        });
        fs::write(image.path("kubeconfig"), config.to_string()).unwrap();
        let output = image.run(["controller", "--kubeconfig", "/kubeconfig", "--database", "/slipway.db"]);
        String::from_utf8(output.stderr).unwrap()
    };
    fs::write(image.path("etc/hosts"), "127.0.0.1 hosts.test\n").unwrap();
    let unknown = said("unknown.test");
    assert!(unknown.contains("lookup") || unknown.contains("resolve") || unknown.contains("dns"), "{unknown}");
    let known = said("hosts.test");
    assert!(known.contains("the API server cannot be used") && !known.contains("lookup"), "{known}");
}
