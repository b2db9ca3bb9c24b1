//! The folder of one plane: its keys, configuration, logs and data. One plane at a time, and each starts empty.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use k8s_openapi::ByteString;
use serde_json::json;

use super::access::{Access, KUBECTL_CACHE};
use super::certificate::{Authority, Certified, Identity, TokenKey};
use super::error::{PlaneError, file_error};
use super::stage;

/// What the API server records: writes, once they are answered. What it is asked but does not store is left out.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
omitManagedFields: true
rules:
  - level: None
    resources:
      - group: authentication.k8s.io
      - group: authorization.k8s.io
      - group: ''
        resources: [serviceaccounts/token]
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: None
";

/// Who has a kubeconfig. kwok plays every node and every kubelet, and so may do anything, as the administrator may.
const CLIENTS: [(&str, Identity); 4] = [
    ("admin", Identity { user: "plane-admin", groups: &["system:masters"] }),
    ("kwok", Identity { user: "plane-kwok", groups: &["system:masters"] }),
    ("kube-controller-manager", Identity { user: "system:kube-controller-manager", groups: &[] }),
    ("kube-scheduler", Identity { user: "system:kube-scheduler", groups: &[] }),
];

/// Who has a log.
const COMPONENTS: [&str; 5] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];

const ADDRESS: &str = "plane.json";

/// A plane's folder, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder, and removes what an earlier plane left in it.
    pub(super) fn take(dir: &Path) -> Result<Self, PlaneError> {
        fs::create_dir_all(dir).map_err(file_error("create", dir))?;
        let dir = dir.canonicalize().map_err(file_error("find", dir))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(file_error("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PlaneError::InUse { dir }),
            Err(TryLockError::Error(source)) => return Err(file_error("lock", &path)(source)),
        }
        let folder = Self { dir, _lock: lock };
        folder.clear()?;
        Ok(folder)
    }

    /// Removes only what a plane writes: `--dir` may name a folder that holds something else.
    pub(super) fn clear(&self) -> Result<(), PlaneError> {
        for tree in [self.etcd_data(), self.dir.join(KUBECTL_CACHE)] {
            if tree.exists() {
                fs::remove_dir_all(&tree).map_err(file_error("remove", &tree))?;
            }
        }
        for path in self.files().filter(|path| path.exists()) {
            fs::remove_file(&path).map_err(file_error("remove", &path))?;
        }
        Ok(())
    }

    /// Every file that a plane writes here, but for the lock.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let own = [
            self.address(),
            self.authority(),
            self.server_certificate(),
            self.server_key(),
            self.token_key(),
            self.token_public_key(),
            self.audit_policy(),
            self.audit_log(),
            self.stages(),
        ];
        let logs = COMPONENTS.map(|component| self.log(component));
        let kubeconfigs = CLIENTS.map(|(client, _)| self.kubeconfig(client));
        own.into_iter().chain(logs).chain(kubeconfigs)
    }

    /// Removes the folder with all that is in it.
    pub(super) fn discard(self) -> Result<(), PlaneError> {
        fs::remove_dir_all(&self.dir).map_err(file_error("remove", &self.dir))
    }

    /// Writes the keys, certificates, kubeconfigs and configuration of a plane whose API server will be `server`.
    pub(super) fn furnish(&self, server: &str) -> Result<(), PlaneError> {
        let authority = Authority::new()?;
        write(&self.authority(), &authority.pem())?;
        let Certified { certificate, key } = authority.server()?;
        write(&self.server_certificate(), &certificate)?;
        write(&self.server_key(), &key)?;
        let tokens = TokenKey::new()?;
        write(&self.token_key(), &tokens.private_pem())?;
        write(&self.token_public_key(), &tokens.public_pem())?;
        for (client, identity) in CLIENTS {
            let text = kubeconfig(server, &authority.pem(), &authority.client(&identity)?)?;
            write(&self.kubeconfig(client), &text)?;
        }
        write(&self.audit_policy(), AUDIT_POLICY)?;
        write(&self.stages(), &stage::all())
    }

    /// How to reach the plane, as `plane up` prints it, for other programs to find.
    fn address(&self) -> PathBuf {
        self.dir.join(ADDRESS)
    }

    /// Says that the plane is up.
    pub(super) fn open(&self, access: &Access) -> Result<(), PlaneError> {
        let text = serde_json::to_string(access).unwrap_or_default();
        write(&self.address(), &text)
    }

    /// The plane that runs in `dir` now. What a killed supervisor left does not count: its lock is free.
    pub(super) fn access(dir: &Path) -> Result<Access, PlaneError> {
        let absent = || PlaneError::NoPlane { dir: dir.to_owned() };
        let lock = File::open(dir.join("lock")).map_err(|_| absent())?;
        if lock.try_lock_shared().is_ok() {
            return Err(absent());
        }
        let path = dir.join(ADDRESS);
        let line = fs::read_to_string(&path).map_err(|_| absent())?;
        serde_json::from_str(&line).map_err(|source| PlaneError::Answer { line, source })
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.dir.join("etcd")
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    pub(super) fn server_certificate(&self) -> PathBuf {
        self.dir.join("kube-apiserver.crt")
    }

    pub(super) fn server_key(&self) -> PathBuf {
        self.dir.join("kube-apiserver.key")
    }

    pub(super) fn token_key(&self) -> PathBuf {
        self.dir.join("service-account.key")
    }

    pub(super) fn token_public_key(&self) -> PathBuf {
        self.dir.join("service-account-public.key")
    }

    pub(super) fn kubeconfig(&self, component: &str) -> PathBuf {
        self.dir.join(format!("{component}.kubeconfig"))
    }

    pub(super) fn audit_policy(&self) -> PathBuf {
        self.dir.join("audit-policy.yaml")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    pub(super) fn stages(&self) -> PathBuf {
        self.dir.join("stages.yaml")
    }

    pub(super) fn log(&self, component: &str) -> PathBuf {
        self.dir.join(format!("{component}.log"))
    }
}

/// Writes a file that only its owner reads: most of them hold a key.
fn write(path: &Path, text: &str) -> Result<(), PlaneError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(file_error("write", path))
}

/// One file that is enough to reach the plane from anywhere on this machine.
fn kubeconfig(server: &str, authority: &str, client: &Certified) -> Result<String, PlaneError> {
    let base64 = |pem: &str| ByteString(pem.as_bytes().to_vec());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "plane", "cluster": {
            "server": server,
            "certificate-authority-data": base64(authority),
        }}],
        "users": [{"name": "plane", "user": {
            "client-certificate-data": base64(&client.certificate),
            "client-key-data": base64(&client.key),
        }}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "plane"}}],
        "current-context": "plane",
    });
    serde_yaml::to_string(&config).map_err(|error| PlaneError::Kubeconfig(error.to_string()))
}
