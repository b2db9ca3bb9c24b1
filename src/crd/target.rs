//! What carries out an Environment's Deployments: exactly one runtime, with access that goes no further than it must.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::SecretKey;
use crate::text;

/// What carries out Deployments: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Runtime {
    /// A namespace of a Kubernetes cluster.
    K8s(Kubernetes),
    /// Hosts, reached by SSH.
    Ssh(Ssh),
    /// People. Slipway keeps the record and the rules.
    Manual(Manual),
}

/// A namespace of a Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubernetes {
    /// The namespace that everything is put into.
    #[schemars(schema_with = "text::label")]
    pub namespace: String,
    /// The service account that everything is done as, in the namespace of this Environment. What it may not do, no
    /// Deployment to this Environment can do.
    #[schemars(schema_with = "text::object_name")]
    pub service_account_name: String,
    /// How to reach the cluster. Left out: the cluster that Slipway runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ref: Option<Cluster>,
    /// Who looks after the cluster.
    #[serde(default)]
    pub access: Access,
    /// Kinds that are refused otherwise: of the cluster as a whole, of access rights, of admission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["group".into(), "kind".into()]))]
    pub allowed_kinds: Vec<AllowedKind>,
}

/// How to reach a cluster: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cluster {
    /// By a kubeconfig in a Secret, under the key `kubeconfig` unless another is named.
    KubeconfigSecret(SecretKey),
    /// By an address and what proves both sides.
    Endpoint(Endpoint),
}

/// A cluster by its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The address of its API server.
    #[schemars(schema_with = "text::https_url")]
    pub url: String,
    /// The certificate authority that proves the server, under the key `ca.crt` unless another is named.
    pub ca_secret: SecretKey,
    /// What proves Slipway to the server.
    pub credentials: Credentials,
}

/// What proves Slipway to a server: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Credentials {
    /// A bearer token, under the key `token` unless another is named.
    TokenSecret(SecretKey),
    /// A client certificate and its key: a Secret of the type `kubernetes.io/tls`.
    CertificateSecret(SecretKey),
}

/// Who looks after the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// The same platform that runs Slipway.
    #[default]
    PlatformManaged,
    /// Someone else.
    ExternalManaged,
}

/// A kind that may be applied although its like is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AllowedKind {
    /// Its API group; the core group is the empty text.
    #[schemars(schema_with = "text::api_group")]
    pub group: String,
    /// Its kind.
    #[schemars(schema_with = "text::kind")]
    pub kind: String,
}

/// Hosts, reached by SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ssh {
    /// The hosts.
    #[schemars(length(min = 1, max = 50))]
    pub hosts: Vec<Host>,
    /// The private key to log in with, under the key `ssh-privatekey` unless another is named.
    pub identity_secret_ref: SecretKey,
    /// What runs on the hosts.
    pub profile: Profile,
    /// The folder on each host that is Slipway's.
    #[schemars(schema_with = "text::absolute_path")]
    pub root: String,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Its name or IP address.
    #[schemars(schema_with = "text::address")]
    pub address: String,
    /// The port of its SSH server. Left out: 22.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The account to log in as.
    #[schemars(schema_with = "text::login")]
    pub user: String,
    /// The keys it may prove itself with, as `ssh-keyscan` prints them without the address.
    #[schemars(schema_with = "text::host_keys")]
    pub host_keys: Vec<String>,
    /// The Python on it. Left out: `/usr/bin/python3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::absolute_path")]
    pub python: Option<String>,
}

/// What runs on hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A Compose project.
    Compose,
    /// A `WordPress` site.
    Wordpress,
}

/// People do the work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manual {}
