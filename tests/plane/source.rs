//! Where a plane's components come from. What the developer points at wins over what would be built.
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::error::PlaneError;

/// The cluster or the binaries to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `SLIPWAY_TEST_KUBECONFIG`: a cluster that may be dirtied. Nothing is started.
    Existing { kubeconfig: PathBuf },
    /// `KUBEBUILDER_ASSETS`: the envtest convention. What the folder lacks is built.
    Assets { dir: PathBuf },
    /// `tests/controlplane`, built at first use.
    Built,
}

impl Source {
    /// Chooses by the variables that `lookup` knows; an empty one counts as absent.
    pub fn choose(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(kubeconfig) = path("SLIPWAY_TEST_KUBECONFIG") {
            Self::Existing { kubeconfig }
        } else if let Some(dir) = path("KUBEBUILDER_ASSETS") {
            Self::Assets { dir }
        } else {
            Self::Built
        }
    }

    /// Chooses by this process's environment.
    pub fn from_env() -> Self {
        Self::choose(|name| std::env::var_os(name))
    }
}

/// The executables of one plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) etcd: PathBuf,
    pub(super) api_server: PathBuf,
    pub(super) controller_manager: PathBuf,
    pub(super) scheduler: PathBuf,
    pub(super) kwok: PathBuf,
    pub(super) kubectl: PathBuf,
}

const NAMES: [&str; 6] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl"];

impl Binaries {
    /// Those in `assets` where they exist, and otherwise those in `built`.
    fn pick(assets: Option<&Path>, built: &Path, exists: impl Fn(&Path) -> bool) -> Self {
        let one = |name: &str| {
            assets.map(|dir| dir.join(name)).filter(|path| exists(path)).unwrap_or_else(|| built.join(name))
        };
        let [etcd, api_server, controller_manager, scheduler, kwok, kubectl] = NAMES.map(one);
        Self { etcd, api_server, controller_manager, scheduler, kwok, kubectl }
    }

    /// Finds all six, building those that are lacking. The first build takes minutes and says so on stderr.
    pub(super) async fn find(assets: Option<&Path>) -> Result<Self, PlaneError> {
        let complete = assets.is_some_and(|dir| NAMES.iter().all(|name| dir.join(name).exists()));
        let built = if complete { PathBuf::new() } else { build().await? };
        Ok(Self::pick(assets, &built, Path::exists))
    }
}

/// Runs `build.sh`, which answers at once when there is nothing to do.
async fn build() -> Result<PathBuf, PlaneError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane/build.sh");
    let started = tokio::process::Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--"])
        .arg(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await;
    let output =
        started.map_err(|source| PlaneError::Start { component: "the build", program: "setpriv".into(), source })?;
    if !output.status.success() {
        return Err(PlaneError::Build { script, status: output.status });
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Source {
        Source::choose(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn an_existing_cluster_wins_over_everything() {
        let both = [("KUBEBUILDER_ASSETS", "/assets"), ("SLIPWAY_TEST_KUBECONFIG", "/kind")];
        assert_eq!(chosen(&both), Source::Existing { kubeconfig: "/kind".into() });
    }

    #[test]
    fn assets_win_over_a_build() {
        assert_eq!(chosen(&[("KUBEBUILDER_ASSETS", "/assets")]), Source::Assets { dir: "/assets".into() });
    }

    #[test]
    fn without_variables_the_plane_is_built() {
        assert_eq!(chosen(&[]), Source::Built);
        assert_eq!(chosen(&[("SLIPWAY_TEST_KUBECONFIG", ""), ("KUBEBUILDER_ASSETS", "")]), Source::Built);
    }

    #[test]
    fn what_the_assets_lack_is_taken_from_the_build() {
        let there = [Path::new("/assets/etcd"), Path::new("/assets/kube-apiserver"), Path::new("/assets/kubectl")];
        let picked = Binaries::pick(Some(Path::new("/assets")), Path::new("/built"), |path| there.contains(&path));
        let expected = Binaries {
            etcd: "/assets/etcd".into(),
            api_server: "/assets/kube-apiserver".into(),
            controller_manager: "/built/kube-controller-manager".into(),
            scheduler: "/built/kube-scheduler".into(),
            kwok: "/built/kwok".into(),
            kubectl: "/assets/kubectl".into(),
        };
        assert_eq!(picked, expected);
    }
}
