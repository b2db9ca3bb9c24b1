//! A real Kubernetes control plane for a test: started in seconds, and gone with the test however that ends.
//!
//! A test asks for [`Plane::shared`], or for [`Plane::start`] where it needs one alone. The processes are run by the
//! program `plane`, which holds the test's pipe: a test that panics or is killed closes it, and so ends its plane.
mod access;
mod audit;
mod certificate;
mod command;
mod component;
mod end;
mod error;
mod folder;
mod ready;
mod source;
mod stage;
mod supervisor;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

pub use access::{Access, Answer};
pub use audit::{AuditLog, Write};
pub use error::PlaneError;
pub use source::Source;
pub use supervisor::{Request, running, up};

/// A control plane to test against. Dropping it ends it.
#[derive(Debug)]
pub struct Plane {
    access: Access,
    // Only dropped, never read.
    _supervisor: Option<Supervisor>,
}

impl Plane {
    /// Starts a plane of its own in a fresh folder. Blocks until it is ready: about 4 s, and minutes when the control
    /// plane must be built first.
    ///
    /// With `SLIPWAY_TEST_KUBECONFIG` set nothing is started and nothing ends: every plane is that cluster.
    pub fn start() -> Result<Self, PlaneError> {
        if let Source::Existing { kubeconfig } = Source::from_env() {
            return Ok(Self { access: Access::existing(&kubeconfig)?, _supervisor: None });
        }
        let (supervisor, access) = Supervisor::start()?;
        Ok(Self { access, _supervisor: Some(supervisor) })
    }

    /// The plane that all tests of this process share. It ends with the process; tests keep apart by namespace.
    pub fn shared() -> Result<&'static Self, &'static PlaneError> {
        static SHARED: OnceLock<Result<Plane, PlaneError>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A kubeconfig of a cluster administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.access.kubeconfig
    }

    /// Writes a kubeconfig of a service account to `path`, good for half a day.
    pub fn kubeconfig_of(&self, namespace: &str, account: &str, path: &Path) -> Result<(), PlaneError> {
        let wrong = |reason: String| PlaneError::Access { path: path.to_owned(), reason };
        let namespaced = format!("--namespace={namespace}");
        let token = self.kubectl(["create", "token", account, &namespaced, "--duration=12h"])?;
        if !token.status.success() {
            return Err(wrong(String::from_utf8_lossy(&token.stderr).into_owned()));
        }
        let admin = std::fs::read_to_string(self.kubeconfig()).map_err(error::file_error("read", self.kubeconfig()))?;
        let mut config: Value = serde_yaml::from_str(&admin).map_err(|error| wrong(error.to_string()))?;
        for user in config["users"].as_array_mut().into_iter().flatten() {
            user["user"] = json!({"token": String::from_utf8_lossy(&token.stdout).trim()});
        }
        std::fs::write(path, config.to_string()).map_err(error::file_error("write", path))
    }

    /// What a client of the account in a kubeconfig that [`Self::kubeconfig_of`] wrote is made from.
    pub async fn account(&self, kubeconfig: &Path) -> Result<kube::Config, PlaneError> {
        let access = Access { kubeconfig: kubeconfig.to_owned(), ..self.access.clone() };
        access.config().await
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.access.server
    }

    /// The API server's record of writes. A cluster that was there before has none that a test could read.
    pub fn audit_log(&self) -> Option<AuditLog> {
        self.access.audit_log.clone().map(AuditLog::new)
    }

    /// A client of the administrator. Each tokio runtime needs one of its own.
    pub async fn client(&self) -> Result<kube::Client, PlaneError> {
        self.access.client().await
    }

    /// What [`Self::client`] is made from, for a test that wants another user, a layer or a timeout.
    pub async fn config(&self) -> Result<kube::Config, PlaneError> {
        self.access.config().await
    }

    /// kubectl as the administrator, for whoever wants to change more of its surroundings than its arguments.
    pub fn kubectl_command(&self) -> Command {
        self.access.kubectl()
    }

    /// Runs kubectl as the administrator, with nothing on stdin.
    pub fn kubectl<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Output, PlaneError> {
        self.kubectl_with_input(arguments, "")
    }

    /// Runs kubectl with `input` on stdin, for `apply -f -`.
    pub fn kubectl_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Result<Output, PlaneError> {
        let failed = |source| PlaneError::Kubectl { program: self.access.kubectl.clone(), source };
        let mut command = self.access.kubectl();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // kubectl reads all of its input before it writes, and one that failed early has closed the pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output().map_err(failed)
    }
}

/// The running program `plane`. Its stdin is this process's end of the pipe.
#[derive(Debug)]
struct Supervisor(Child);

impl Supervisor {
    fn start() -> Result<(Self, Access), PlaneError> {
        let dir = tempfile::Builder::new().prefix("slipway-plane-").tempdir();
        // The supervisor removes it, also when this process cannot.
        let dir = dir.map_err(error::file_error("create a folder in", &std::env::temp_dir()))?.keep();
        let program = program()?;
        let child = Command::new(&program)
            .args(["up", "--owned", "--discard", "--dir"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| PlaneError::Start { component: "the plane", program, source })?;
        let mut supervisor = Self(child);
        let mut line = String::new();
        if let Some(stdout) = supervisor.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(error::file_error("read the answer of", &dir))?;
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Ready(access)) => Ok((supervisor, access)),
            Ok(Answer::Failed { error }) => Err(PlaneError::Refused(error)),
            Err(source) => Err(PlaneError::Answer { line, source }),
        }
    }
}

impl Drop for Supervisor {
    /// Closes the pipe and waits, so that nothing of the plane is left when the test has ended.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The program `plane`: where cargo says, or beside the test's own folder in `target`.
fn program() -> Result<PathBuf, PlaneError> {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_plane") {
        return Ok(path.into());
    }
    let test = std::env::current_exe().map_err(error::file_error("find", Path::new("this program")))?;
    let folder = test.parent().unwrap_or(Path::new("."));
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = profile.join("plane");
    if path.exists() { Ok(path) } else { Err(PlaneError::NoSupervisor { path }) }
}
