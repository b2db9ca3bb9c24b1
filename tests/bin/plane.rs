//! `plane`: a real Kubernetes control plane on loopback, for tests and for trying things out.
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use slipway_tests::plane::{self, Answer, PlaneError, Request};

/// A real Kubernetes control plane on loopback.
#[derive(Parser)]
#[command(name = "plane")]
enum Arguments {
    /// Start a plane, print one line of JSON when it is ready, and run it until SIGTERM or Ctrl-C
    Up {
        /// Folder for its keys, logs and data; emptied of an earlier plane
        #[arg(long, default_value = ".slipway/plane")]
        dir: PathBuf,
        /// End when stdin ends, and so with the process that holds its other end
        #[arg(long)]
        owned: bool,
        /// Remove the folder at the end
        #[arg(long)]
        discard: bool,
    },
    /// Run kubectl as the administrator of the plane that runs in a folder
    Kubectl {
        /// Folder of the plane
        #[arg(long, default_value = ".slipway/plane")]
        dir: PathBuf,
        /// What kubectl is given, after `--`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
}

// One thread: the plane's processes are tied to the thread that starts them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments::Up { dir, owned, discard } => {
            let outcome = plane::up(&Request { dir, owned, discard }).await;
            outcome.map_or_else(|error| fail(&error, owned), |()| ExitCode::SUCCESS)
        }
        Arguments::Kubectl { dir, arguments } => fail(&kubectl(&dir, arguments), false),
    }
}

/// Becomes kubectl; returns only when it cannot.
fn kubectl(dir: &Path, arguments: Vec<OsString>) -> PlaneError {
    match plane::running(dir) {
        Ok(access) => {
            let source = access.kubectl().args(arguments).exec();
            PlaneError::Kubectl { program: access.kubectl, source }
        }
        Err(error) => error,
    }
}

/// Tells the owner on stdout, in the form that it reads, and a person on stderr.
fn fail(error: &PlaneError, owned: bool) -> ExitCode {
    if owned {
        Answer::Failed { error: error.report() }.say();
    } else {
        let _ = writeln!(std::io::stderr().lock(), "plane: {}", error.report());
    }
    ExitCode::FAILURE
}
