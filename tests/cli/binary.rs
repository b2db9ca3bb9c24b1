//! The program, run as a person runs it: with nothing in its surroundings that names a cluster, and not for ever.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long a command may take that has nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a command.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program: where the environment says, or beside the test's own folder in `target`.
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os("SLIPWAY_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap_or(Path::new("."));
    let path = folder.join("slipway");
    assert!(path.exists(), "{} is not there: run `cargo build -p slipway-cli` first", path.display());
    path
}

/// The program, ready for its arguments.
pub fn command() -> Command {
    let mut command = Command::new(path());
    alone(&mut command);
    command
}

/// Runs the program to its end.
pub async fn slipway<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Said {
    let mut command = command();
    command.args(arguments);
    ended(command).await
}

/// Runs the program with arguments that hold no white space.
pub async fn say(line: &str) -> Said {
    slipway(line.split_whitespace()).await
}

/// Runs what was printed for a person to paste, as `bob`.
pub async fn paste(line: &str, kubeconfig: Option<&Path>) -> Said {
    let mut command = Command::new("sh");
    alone(&mut command);
    let programs = path().parent().unwrap().to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&others))).unwrap();
    command.arg("-c").arg(line).env("PATH", all).env("USER", "bob");
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    ended(command).await
}

fn alone(command: &mut Command) {
    command.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST").env("HOME", "/nonexistent");
    command.env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
}

/// Runs a command to its end.
pub async fn ended(mut command: Command) -> Said {
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("it has not ended: {command:?}")).unwrap();
    let said = Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!said.stderr.contains("panicked"), "{command:?}: {}", said.stderr);
    said
}

impl Said {
    /// What it printed, if it did what it was asked.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// What it said, if the answer was no.
    #[track_caller]
    pub fn no(self) -> String {
        self.refused(1)
    }

    /// What it said, if it could not be done as asked.
    #[track_caller]
    pub fn usage(self) -> String {
        self.refused(2)
    }

    /// One line on stderr, after what may have been logged, and nothing on stdout.
    #[track_caller]
    fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        let (logged, last) = self.stderr.trim_end().rsplit_once('\n').unwrap_or(("", self.stderr.trim_end()));
        let said = last.strip_prefix("slipway: ");
        let said = said.unwrap_or_else(|| panic!("its last line is not the reason: {}", self.stderr));
        let log = |line: &str| line.contains(" INFO ") || line.contains(" WARN ");
        assert!(logged.lines().all(log), "more than one line: {}", self.stderr);
        said.to_owned()
    }
}
