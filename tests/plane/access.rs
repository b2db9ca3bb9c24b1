//! How to reach a plane: what `plane up` prints, and what a harness reads.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::{Deserialize, Serialize};

use super::error::PlaneError;

/// The folder of kubectl's cache, beside the audit log.
pub(super) const KUBECTL_CACHE: &str = "kubectl-cache";

/// The address of a plane, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// A kubeconfig of a cluster administrator.
    pub kubeconfig: PathBuf,
    /// The URL of the API server.
    pub server: String,
    /// A kubectl of the server's version where the plane brings one.
    pub kubectl: PathBuf,
    /// The API server's audit log; none for a cluster that was there before.
    pub audit_log: Option<PathBuf>,
}

impl Access {
    /// A cluster that was there before, with the kubectl on `PATH`.
    pub fn existing(kubeconfig: &Path) -> Result<Self, PlaneError> {
        let refuse = |reason: String| PlaneError::Access { path: kubeconfig.to_owned(), reason };
        let config = Kubeconfig::read_from(kubeconfig).map_err(|error| refuse(error.to_string()))?;
        let context = config.contexts.iter().find(|context| Some(&context.name) == config.current_context.as_ref());
        let cluster = context.and_then(|context| context.context.as_ref()).map(|context| &context.cluster);
        let server = config
            .clusters
            .iter()
            .find(|entry| Some(&entry.name) == cluster)
            .and_then(|entry| entry.cluster.as_ref()?.server.clone())
            .ok_or_else(|| refuse("its current context names no cluster with a server".into()))?;
        Ok(Self { kubeconfig: kubeconfig.to_owned(), server, kubectl: "kubectl".into(), audit_log: None })
    }

    /// A client configuration of the administrator, to change before use: `auth_info.impersonate` makes it a user's.
    ///
    /// kube's own retries are off: a test sees each answer that the server gives.
    pub async fn config(&self) -> Result<Config, PlaneError> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).map_err(|error| self.refuse(&error))?;
        let options = KubeConfigOptions::default();
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| self.refuse(&error))?;
        config.default_retry = false;
        Ok(config)
    }

    /// A client of the administrator.
    pub async fn client(&self) -> Result<Client, PlaneError> {
        Client::try_from(self.config().await?).map_err(|error| self.refuse(&error))
    }

    /// kubectl as the administrator.
    ///
    /// Its discovery cache is keyed by host and port, and ports come again: each plane has a cache of its own.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig);
        if let Some(log) = &self.audit_log {
            command.env("KUBECACHEDIR", log.with_file_name(KUBECTL_CACHE));
        }
        command
    }

    fn refuse(&self, error: &dyn std::error::Error) -> PlaneError {
        PlaneError::Access { path: self.kubeconfig.clone(), reason: error.to_string() }
    }
}

/// The one line that a supervisor says to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Ready(Access),
    Failed { error: String },
}

impl Answer {
    /// Writes the line to stdout. An owner that is gone cannot read it, and its end is noticed elsewhere.
    pub fn say(&self) {
        if let Ok(line) = serde_json::to_string(self) {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}
