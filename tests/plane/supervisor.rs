//! Brings a plane up, watches it, and takes it down. Whatever happens, nothing of it is left running.
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{Access, Answer};
use super::command::{self, Ports};
use super::component::Components;
use super::end::End;
use super::error::PlaneError;
use super::folder::Folder;
use super::ready::Readiness;
use super::source::{Binaries, Source};

/// How often the processes of a running plane are looked at.
const WATCH: Duration = Duration::from_millis(200);
/// Starts with fresh ports, when others take those that were free a moment ago.
const STARTS: u32 = 3;

/// What `plane up` is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The folder of the plane.
    pub dir: PathBuf,
    /// End when stdin ends.
    pub owned: bool,
    /// Remove the folder at the end.
    pub discard: bool,
}

/// Runs a plane until it is told to end; says how to reach it, as one line of JSON, once it is ready.
///
/// It must run on the main thread with a current-thread runtime: its processes die with the thread that started them.
pub async fn up(request: &Request) -> Result<(), PlaneError> {
    let mut end = End::listen(request.owned)?;
    let assets = match Source::from_env() {
        Source::Existing { kubeconfig } => {
            Answer::Ready(Access::existing(&kubeconfig)?).say();
            end.wait().await;
            return Ok(());
        }
        Source::Assets { dir } => Some(dir),
        Source::Built => None,
    };
    let folder = Folder::take(&request.dir)?;
    let mut components = Components::default();
    let outcome = tokio::select! {
        biased;
        () = end.wait() => Ok(()),
        failure = run(&folder, &mut components, assets.as_deref()) => failure,
    };
    components.end().await;
    if request.discard {
        folder.discard()?;
    }
    outcome
}

/// Starts a plane and watches it. Returns only when something is wrong.
async fn run(folder: &Folder, components: &mut Components, assets: Option<&Path>) -> Result<(), PlaneError> {
    let binaries = Binaries::find(assets).await?;
    let access = start(folder, components, &binaries).await?;
    folder.open(&access)?;
    Answer::Ready(access).say();
    loop {
        tokio::time::sleep(WATCH).await;
        components.check()?;
    }
}

/// Starts until no port is taken by another process in between.
async fn start(folder: &Folder, components: &mut Components, binaries: &Binaries) -> Result<Access, PlaneError> {
    for _ in 1..STARTS {
        match start_once(folder, components, binaries).await {
            Err(error) if error.is_port_taken() => {
                components.end().await;
                folder.clear()?;
            }
            outcome => return outcome,
        }
    }
    start_once(folder, components, binaries).await
}

/// The order is that of dependence: what needs the API server starts when that is ready.
async fn start_once(folder: &Folder, components: &mut Components, binaries: &Binaries) -> Result<Access, PlaneError> {
    let ports = Ports::free()?;
    folder.furnish(&ports.server())?;
    let access = Access {
        kubeconfig: folder.kubeconfig("admin"),
        server: ports.server(),
        kubectl: binaries.kubectl.clone(),
        audit_log: Some(folder.audit_log()),
    };
    let client = access.client().await?;
    let readiness = Readiness::start();

    components.start(folder, "etcd", &binaries.etcd, &command::etcd(folder, ports))?;
    components.start(folder, "kube-apiserver", &binaries.api_server, &command::api_server(folder, ports))?;
    readiness.server(components, &client).await?;

    let controller_manager = &binaries.controller_manager;
    components.start(folder, "kube-controller-manager", controller_manager, &command::controller_manager(folder))?;
    components.start(folder, "kube-scheduler", &binaries.scheduler, &command::scheduler(folder))?;
    components.start(folder, "kwok", &binaries.kwok, &command::kwok(folder))?;
    readiness.node(components, &client).await?;
    readiness.service_account(components, &client).await?;
    Ok(access)
}

/// The plane that runs in `dir`.
pub fn running(dir: &Path) -> Result<Access, PlaneError> {
    Folder::access(dir)
}
