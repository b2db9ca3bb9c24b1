//! The flags of each component. Everything listens on loopback, on ports that the kernel chose.
use std::net::{Ipv4Addr, TcpListener};

use super::error::PlaneError;
use super::folder::Folder;

/// The ports of one plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
}

impl Ports {
    /// Three ports that nobody uses now. Another process may be faster: a component then says that its address is in
    /// use, and the plane starts again with others.
    pub(super) fn free() -> Result<Self, PlaneError> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(PlaneError::Port);
        // All three are held until all are chosen, so that they differ.
        let held = [listen()?, listen()?, listen()?];
        let port = |listener: &TcpListener| listener.local_addr().map(|at| at.port()).map_err(PlaneError::Port);
        Ok(Self { etcd: port(&held[0])?, etcd_peer: port(&held[1])?, api_server: port(&held[2])? })
    }

    pub(super) fn server(self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }
}

/// etcd without fsync: its data is thrown away with the plane, and envtest does the same.
pub(super) fn etcd(folder: &Folder, ports: Ports) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    vec![
        "--name=plane".into(),
        format!("--data-dir={}", folder.etcd_data().display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=plane={peer}"),
        "--unsafe-no-fsync=true".into(),
    ]
}

pub(super) fn api_server(folder: &Folder, ports: Ports) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={}", ports.api_server),
        format!("--client-ca-file={}", folder.authority().display()),
        format!("--tls-cert-file={}", folder.server_certificate().display()),
        format!("--tls-private-key-file={}", folder.server_key().display()),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", folder.token_public_key().display()),
        format!("--service-account-signing-key-file={}", folder.token_key().display()),
        "--service-cluster-ip-range=10.0.0.0/16".into(),
        "--authorization-mode=RBAC".into(),
        // There is no address that the `kubernetes` Service could point to.
        "--endpoint-reconciler-type=none".into(),
        format!("--audit-policy-file={}", folder.audit_policy().display()),
        format!("--audit-log-path={}", folder.audit_log().display()),
        // Megabytes. A benchmark counts in one file; a rotation in the middle would lose its start.
        "--audit-log-maxsize=4096".into(),
    ]
}

pub(super) fn controller_manager(folder: &Folder) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", folder.kubeconfig("kube-controller-manager").display()),
        format!("--service-account-private-key-file={}", folder.token_key().display()),
        format!("--root-ca-file={}", folder.authority().display()),
        // Without it each controller lacks its role's rights, creates nothing, and only the log says so.
        "--use-service-account-credentials=true".into(),
        "--leader-elect=false".into(),
        "--kube-api-qps=200".into(),
        "--kube-api-burst=400".into(),
        "--secure-port=0".into(),
        // The simulated node sends no heartbeats: without this its pods turn unready after a while.
        "--node-monitor-grace-period=240h".into(),
    ]
}

pub(super) fn scheduler(folder: &Folder) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", folder.kubeconfig("kube-scheduler").display()),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
    ]
}

pub(super) fn kwok(folder: &Folder) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", folder.kubeconfig("kwok").display()),
        format!("--config={}", folder.stages().display()),
        "--manage-all-nodes=true".into(),
        "--cidr=10.244.0.0/16".into(),
        "--node-ip=127.0.0.1".into(),
        // It would play the kubelet's own server on every interface.
        "--node-port=0".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_a_plane_differ() {
        let ports = Ports::free().unwrap();
        assert_ne!(ports.etcd, ports.etcd_peer);
        assert_ne!(ports.etcd, ports.api_server);
        assert_ne!(ports.etcd_peer, ports.api_server);
    }
}
