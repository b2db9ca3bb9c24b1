//! What can go wrong with a plane. Each says what failed, where, and what to do next.
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why there is no plane, or no longer one.
#[derive(thiserror::Error)]
pub enum PlaneError {
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("another plane runs in {}; stop it, or choose another folder with --dir", dir.display())]
    InUse { dir: PathBuf },
    #[error("cannot make the plane's certificates")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot write a kubeconfig as YAML: {0}")]
    Kubeconfig(String),
    #[error("cannot find a free port on 127.0.0.1")]
    Port(#[source] std::io::Error),
    #[error("cannot start {} for {component}; setpriv is part of util-linux", program.display())]
    Start { component: &'static str, program: PathBuf, source: std::io::Error },
    #[error("{} ended with {status} and built no control plane; its last lines above say why", script.display())]
    Build { script: PathBuf, status: ExitStatus },
    #[error("{component} ended with {status}; the end of {}:\n{tail}", log.display())]
    Ended { component: &'static str, status: ExitStatus, log: PathBuf, tail: String },
    #[error(
        "{what} not seen within {seconds} s ({last}); {component} is in charge of it, and this is the end of {}:\n{tail}",
        log.display()
    )]
    NotReady { what: &'static str, seconds: u64, last: String, component: &'static str, log: PathBuf, tail: String },
    #[error("cannot use the kubeconfig {}: {reason}", path.display())]
    Access { path: PathBuf, reason: String },
    #[error(
        "the plane's answer is not what this harness understands ({line:?}); rebuild it: cargo build -p slipway-tests --bin plane"
    )]
    Answer { line: String, source: serde_json::Error },
    #[error("the supervisor {} is not built; run: cargo build -p slipway-tests --bin plane", path.display())]
    NoSupervisor { path: PathBuf },
    #[error("the plane did not start: {0}")]
    Refused(String),
    #[error("no plane runs in {}; start one with: plane up --dir {}", dir.display(), dir.display())]
    NoPlane { dir: PathBuf },
    #[error("cannot run {}", program.display())]
    Kubectl { program: PathBuf, source: std::io::Error },
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

impl PlaneError {
    /// The message and those of its causes, on one line each.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str("\n  because: ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// Whether another process took a port between its choice and its use. Fresh ports help then.
    pub(super) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Ended { tail, .. } if tail.contains("address already in use"))
    }
}

/// Tests unwrap: what they print is the report, with its lines as lines.
impl fmt::Debug for PlaneError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.report())
    }
}

/// Maps an I/O error to the file that it is about.
pub(super) fn file_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PlaneError {
    let path = path.to_owned();
    move |source| PlaneError::File { action, path, source }
}
