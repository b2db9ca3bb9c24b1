//! The processes of a plane. None outlives its supervisor, however that ends.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

use super::error::{PlaneError, file_error};
use super::folder::Folder;

/// Lines of a log that an error quotes.
const TAIL: usize = 15;

/// The processes of one plane.
#[derive(Debug, Default)]
pub(super) struct Components(Vec<Component>);

impl Components {
    /// Starts one more, logging to `<name>.log` in the folder.
    pub(super) fn start(
        &mut self,
        folder: &Folder,
        name: &'static str,
        binary: &Path,
        arguments: &[String],
    ) -> Result<(), PlaneError> {
        self.0.push(Component::start(name, binary, arguments, folder.log(name))?);
        Ok(())
    }

    /// Fails when one has ended: a plane needs them all.
    pub(super) fn check(&mut self) -> Result<(), PlaneError> {
        self.0.iter_mut().try_for_each(Component::check)
    }

    /// The error for what has not come in time, with the log of the component that is in charge of it.
    pub(super) fn late(
        &self,
        component: &'static str,
        what: &'static str,
        limit: Duration,
        last: String,
    ) -> PlaneError {
        let found = self.0.iter().find(|running| running.name == component);
        let (log, tail) = found.map(|running| (running.log.clone(), running.tail())).unwrap_or_default();
        PlaneError::NotReady { what, seconds: limit.as_secs(), last, component, log, tail }
    }

    /// Ends all of them, the newest first, and waits until they are gone.
    pub(super) async fn end(&mut self) {
        while let Some(component) = self.0.pop() {
            component.end().await;
        }
    }
}

/// A running component and its log.
#[derive(Debug)]
struct Component {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Component {
    /// Starts `binary` with its output in `log`.
    ///
    /// `setpriv` has the kernel kill it when the thread that started it ends, so the supervisor must run on its main
    /// thread alone. A process group of its own keeps the terminal's Ctrl-C for the supervisor.
    fn start(name: &'static str, binary: &Path, arguments: &[String], log: PathBuf) -> Result<Self, PlaneError> {
        let output = File::create(&log).map_err(file_error("create", &log))?;
        let errors = output.try_clone().map_err(file_error("open", &log))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| PlaneError::Start { component: name, program: "setpriv".into(), source })?;
        Ok(Self { name, log, child })
    }

    /// Fails when the component has ended.
    fn check(&mut self) -> Result<(), PlaneError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(status)),
            Err(source) => Err(file_error("wait for the process that writes", &self.log)(source)),
        }
    }

    /// The last lines of the log.
    fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// Kills the component and waits until it is gone. Nothing that it could save is wanted, and an API server takes
    /// long over SIGTERM while watches are open.
    async fn end(mut self) {
        // It fails only for a process that has already been waited for.
        let _ = self.child.kill().await;
    }

    fn ended(&self, status: ExitStatus) -> PlaneError {
        PlaneError::Ended { component: self.name, status, log: self.log.clone(), tail: self.tail() }
    }
}
