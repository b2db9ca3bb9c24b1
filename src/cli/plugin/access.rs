//! Who asks, which cluster is asked, and in which namespace: kubectl's own flags, with kubectl's meaning.

use std::fmt::Debug;
use std::path::PathBuf;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, NamespaceResourceScope};
use kube::{Client, Resource};
use serde_json::Value;
use slipway_domain::admission::Verb;

use super::{name, refusal};
use crate::{Failure, cluster, connection};

/// The field manager of everything that people say through the plugin.
const FIELD_MANAGER: &str = "kubectl-slipway";

/// The flags that every command has.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct Globals {
    /// The namespace; left out: the one of the context.
    #[arg(short, long, global = true, value_name = "NAME", value_parser = name::namespace)]
    namespace: Option<String>,
    /// The kubeconfig; left out: KUBECONFIG, or the one in your home folder.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; left out: its current one.
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Act as this user, if you may.
    #[arg(long = "as", global = true, value_name = "USER", value_parser = name::subject)]
    act_as: Option<String>,
    /// Act as a member of this group; may be repeated.
    #[arg(long = "as-group", global = true, value_name = "GROUP", value_parser = name::subject)]
    act_as_group: Vec<String>,
}

impl Globals {
    /// The cluster that the flags name, asked by whoever they name.
    pub(super) async fn open(&self) -> Result<Access, Failure> {
        let mut config = cluster::config(self.kubeconfig.as_deref(), self.context.clone()).await?;
        match &self.act_as {
            Some(user) => {
                let groups = Some(self.act_as_group.clone()).filter(|groups| !groups.is_empty());
                config.auth_info.impersonate = Some(user.clone());
                config.auth_info.impersonate_groups = groups;
            }
            // Either may stand before or after the command, where the parser does not see both at once.
            None if !self.act_as_group.is_empty() => {
                return Err(Failure::Usage("--as-group needs --as: groups belong to a user".to_owned()));
            }
            None => {}
        }
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = connection::client(config).map_err(|error| {
            Failure::Usage(format!("the cluster cannot be used: {}", slipway_controller::explain(&error)))
        })?;
        Ok(Access { client, namespace })
    }

    /// The namespace that was named, for what needs no cluster.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
}

/// A cluster, as one person sees it.
pub(super) struct Access {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Access {
    /// The objects of a kind in the namespace.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The same, to the letter: with what this version does not know.
    pub(super) fn raw<K>(&self) -> Api<DynamicObject>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::erase::<K>(&()))
    }

    /// Merges `patch` into an object of the namespace, as what a person said.
    pub(super) async fn say<K>(&self, name: &str, patch: &Value) -> kube::Result<DynamicObject>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        refusal::timed(self.raw::<K>().patch(name, &params, &Patch::Merge(patch))).await
    }

    /// Creates an object in the namespace, as what a person said.
    pub(super) async fn create<K>(&self, object: &DynamicObject) -> kube::Result<DynamicObject>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        refusal::timed(self.raw::<K>().create(&params, object)).await
    }

    /// The objects of a kind, in the namespace or everywhere.
    pub(super) fn some<K>(&self, everywhere: bool) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        if everywhere { Api::all(self.client.clone()) } else { self.api() }
    }

    /// The caller's name, as the API server knows it.
    pub(super) async fn whoami(&self) -> Result<String, Failure> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let doing = "asking who you are";
        let (params, nothing) = (PostParams::default(), SelfSubjectReview::default());
        let answer = refusal::asked(doing, api.create(&params, &nothing)).await?;
        let user = answer.status.and_then(|status| status.user_info).and_then(|user| user.username);
        user.ok_or_else(|| {
            Failure::No(format!("{doing}: the API server gave no name; is it Kubernetes 1.28 or newer?"))
        })
    }

    /// Whether the caller holds a verb on an Environment.
    pub(super) async fn may(&self, verb: Verb, namespace: &str, environment: &str) -> Result<bool, Failure> {
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let asked = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(slipway_crd::GROUP.to_owned()),
                    resource: Some("environments".to_owned()),
                    namespace: Some(namespace.to_owned()),
                    name: Some(environment.to_owned()),
                    verb: Some(verb.as_str().to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let doing = format!("asking whether you may {verb} in environment {environment}", verb = verb.as_str());
        let answer = refusal::asked(&doing, api.create(&PostParams::default(), &asked)).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
