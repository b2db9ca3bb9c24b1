//! A controller as a process of its own, which ends with whoever holds it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use super::error::{SweepError, io_error};
use super::fault::{FIRED, Fault};
use super::point::Point;

/// A running controller. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    stdout: Option<BufReader<ChildStdout>>,
}

/// Finds a program beside this one, as cargo puts them.
pub fn program(name: &str) -> Result<PathBuf, SweepError> {
    let this = std::env::current_exe().map_err(io_error("this program cannot be found"))?;
    let folder = this.parent().unwrap_or(Path::new("."));
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = profile.join(name);
    if path.exists() { Ok(path) } else { Err(SweepError::NoProgram { path }) }
}

impl Process {
    /// Starts `program`; it dies with this thread at the latest. What it logs goes to `log`.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> Result<Self, SweepError> {
        let file = File::create(log).map_err(io_error(format!("{} cannot be written", log.display())))?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(io_error(format!("{} cannot be started", program.display())))?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { child, log: log.to_owned(), stdout })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, SweepError> {
        self.child.try_wait().map_err(io_error("a controller cannot be waited for"))
    }

    /// Sends it a signal by kill(1): `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, signal: &str) -> Result<(), SweepError> {
        let done = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status();
        done.map(|_| ()).map_err(io_error("kill cannot be run"))
    }

    /// Kills it, as the kernel does when memory is short.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where `/readyz` answers, once it has said so.
    pub fn address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let (_, rest) = log.split_once("address=")?;
        rest.split_whitespace().next()?.parse().ok()
    }

    /// The next line that it says on stdout.
    pub async fn says(&mut self) -> Result<String, SweepError> {
        let Some(mut stdout) = self.stdout.take() else { return Ok(String::new()) };
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (line, stdout))
        });
        let late = |_| SweepError::Late { what: "a line on stdout".to_owned(), seconds: 60, last: self.log() };
        let read = tokio::time::timeout(std::time::Duration::from_mins(1), reading).await.map_err(late)?;
        let read = read.map_err(|error| SweepError::Wrong(error.to_string()))?;
        let (line, stdout) = read.map_err(io_error("a controller cannot be heard"))?;
        self.stdout = Some(stdout);
        Ok(line)
    }

    /// Answers whatever it holds.
    pub fn go(&mut self) -> Result<(), SweepError> {
        let stdin = self.child.stdin.as_mut();
        stdin.map_or(Ok(()), |stdin| writeln!(stdin, "go")).map_err(io_error("a controller cannot be told to go on"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a faulty controller wrote to its journal: its points, and whether the fault has happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// In the order in which they were reached.
    pub points: Vec<Point>,
    /// Which of them the fault has happened at.
    pub fired: Option<usize>,
}

impl Journal {
    /// Reads a journal; one that was never begun is empty.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let points = text.lines().filter_map(|line| line.strip_prefix(FIRED).unwrap_or(line).parse().ok()).collect();
        Self { points, fired: text.lines().position(|line| line.starts_with(FIRED)) }
    }

    /// Those that were reached before anything was broken, and the one where it was.
    pub fn undisturbed(&self) -> &[Point] {
        let end = self.fired.map_or(self.points.len(), |at| at + 1);
        self.points.get(..end).unwrap_or(&self.points)
    }
}

/// The arguments of `faulty`.
#[derive(Debug, Clone)]
pub struct Faulty {
    /// The kubeconfig of the controller.
    pub kubeconfig: PathBuf,
    /// The archive.
    pub database: PathBuf,
    /// The namespace, and that of the lease.
    pub namespace: String,
    /// What it calls itself to the API server.
    pub agent: String,
}

impl Faulty {
    /// Starts it, with or without a fault.
    pub fn start(&self, fault: Option<&Fault>, journal: &Path, log: &Path) -> Result<Process, SweepError> {
        let mut arguments = vec![
            "--kubeconfig".to_owned(),
            self.kubeconfig.display().to_string(),
            "--database".to_owned(),
            self.database.display().to_string(),
            "--namespace".to_owned(),
            self.namespace.clone(),
            "--agent".to_owned(),
            self.agent.clone(),
            "--journal".to_owned(),
            journal.display().to_string(),
        ];
        if let Some(Fault { point, mode }) = fault {
            arguments.extend(["--fault".to_owned(), point.to_string(), "--mode".to_owned(), mode.to_string()]);
        }
        Process::start(&program("faulty")?, &arguments, log)
    }
}
