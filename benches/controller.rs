//! A running controller: the `slipway` binary, as it is shipped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::bed::until;

/// Ticks a second of `/proc/<pid>/stat`, which Linux has fixed for user space.
const TICKS: f64 = 100.0;

/// Builds the release binaries of this workspace and says where `slipway` is.
pub(crate) fn build() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().ok_or("this program has no folder")?;
    let release = folder.ends_with("release");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--workspace", "--bin", "bench", "--bin", "slipway", "--bin", "plane"]);
    if release {
        cargo.arg("--release");
    } else {
        eprintln!("bench: this is a debug build: counts are right, times and memory mean nothing");
    }
    let status = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).status()?;
    if !status.success() {
        return Err(format!("the workspace could not be built: {status}").into());
    }
    Ok(folder.join("slipway"))
}

/// A controller that leads. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Controller {
    process: Child,
    listen: SocketAddr,
}

impl Controller {
    /// Starts `binary` and waits until it leads.
    pub(crate) async fn start(binary: &Path, kubeconfig: &Path, database: &Path, log: &Path) -> Outcome<Self> {
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = File::options().create(true).append(true).open(log)?;
        let process = Command::new(binary)
            .args(["controller", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--database")
            .arg(database)
            .args(["--listen", &listen.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let controller = Self { process, listen };
        until(Duration::from_secs(30), "a controller that leads", async || {
            Ok(controller.metric("slipway_leading").await.unwrap_or(0.0) > 0.5)
        })
        .await?;
        Ok(controller)
    }

    /// Asks it to stop, as a rolling update would, and waits.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("slipway ended with {status}").into()) }
    }

    /// The sum of one metric over its labels; `name` may name one series.
    pub(crate) async fn metric(&self, name: &str) -> Outcome<f64> {
        let mut stream = TcpStream::connect(self.listen).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: slipway\r\nconnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let values = text.lines().filter(|line| line.starts_with(name));
        let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// A size in `/proc/<pid>/status`, in bytes.
    pub(crate) fn memory(&self, name: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib: u64 = line.ok_or("the kernel does not say")?.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Seconds of CPU that it has used.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        cpu_of(&self.process.id().to_string())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It has ended already where `stop` was called.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Seconds of CPU that a process has used; `self` is this one.
pub(crate) fn cpu_of(pid: &str) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of proc(5), counted from the one after the name.
    Ok((ticks(11) + ticks(12)) / TICKS)
}

/// Seconds of CPU that the components of the plane in `folder` have used.
pub(crate) fn cpu_of_plane(folder: &Path) -> f64 {
    let folder = folder.to_string_lossy().into_owned();
    let component = |pid: &str| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = command.split('\0').next().unwrap_or_default();
        command.contains(&folder) && !program.ends_with("slipway")
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| component(pid)).filter_map(|pid| cpu_of(&pid).ok()).sum()
}
