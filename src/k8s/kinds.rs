//! Which kinds the cluster serves, and which of them belong to a namespace, is the cluster's to say.
//!
//! What it said is kept for the life of the process; a kind that is not known is asked for again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::Request;
use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use slipway_domain::code::Code;
use slipway_domain::runtime::{Failure, ObjectRef};

use crate::client::{ask, built};
use crate::failure::{self, Asked, CallError};
use crate::render::Rendered;
use crate::scope;
use crate::target::Target;

/// A kind that the cluster serves, or will once the release's own definition of it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
    /// The release itself brings it: it may not be served yet.
    pub(crate) declared: bool,
}

impl Kind {
    /// `deployments.apps`, as RBAC and kubectl call it.
    pub(crate) fn plural(&self) -> String {
        let dot = if self.resource.group.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.resource.plural, self.resource.group)
    }

    /// `apps/v1/Deployment/web`.
    pub(crate) fn subject(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.resource.api_version, self.resource.kind)
    }
}

/// The kinds of one version of one group, by name.
type Served = HashMap<String, Kind>;

/// The kinds of one cluster, as far as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    known: Mutex<HashMap<String, Served>>,
}

impl Kinds {
    /// The kinds of a release's objects, in their order.
    ///
    /// # Errors
    /// All kinds that the cluster does not serve, and all that are outside the namespace and not listed.
    pub(crate) async fn of(&self, base: &Client, rendered: &Rendered, target: &Target) -> Result<Vec<Kind>, Failure> {
        let declared = declared(rendered);
        let mut kinds = Vec::with_capacity(rendered.objects.len());
        let mut refused = Vec::new();
        for one in &rendered.objects {
            let reference = &one.reference;
            let found = match declared.iter().find(|kind| serves(kind, reference)) {
                Some(kind) => Some(kind.clone()),
                None => self.find(base, &reference.api_version, &reference.kind, target).await?,
            };
            match found {
                None => refused.push(failure::refused(Code::NotFound, unserved(reference))),
                Some(kind) => {
                    let why = scope::outside(target, reference.group(), &reference.kind);
                    match why.filter(|_| !kind.namespaced) {
                        Some(why) => {
                            refused.push(failure::refused(Code::ValidationFailed, format!("{reference}: {why}")));
                        }
                        None => kinds.push(kind),
                    }
                }
            }
        }
        failure::all(refused).map_or(Ok(kinds), Err)
    }

    /// A kind in this version, if the cluster serves it.
    pub(crate) async fn find(
        &self,
        base: &Client,
        api_version: &str,
        kind: &str,
        target: &Target,
    ) -> Result<Option<Kind>, Failure> {
        if let Some(known) = self.known(api_version, kind) {
            return Ok(Some(known));
        }
        let url = if api_version.contains('/') { "/apis/" } else { "/api/" };
        let Some(list) = discover(base, &format!("{url}{api_version}"), target).await? else { return Ok(None) };
        let served = served(api_version, &list);
        let found = served.get(kind).cloned();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(api_version.to_owned(), served);
        Ok(found)
    }

    /// A kind of an inventory: in its version, or in another one where the cluster has moved on.
    pub(crate) async fn find_any(
        &self,
        base: &Client,
        reference: &ObjectRef,
        target: &Target,
    ) -> Result<Option<Kind>, Failure> {
        if let Some(kind) = self.find(base, &reference.api_version, &reference.kind, target).await? {
            return Ok(Some(kind));
        }
        if reference.group().is_empty() {
            return Ok(None);
        }
        let group = discover(base, &format!("/apis/{}", reference.group()), target).await?.unwrap_or_default();
        for version in group["versions"].as_array().into_iter().flatten() {
            let Some(api_version) = version["groupVersion"].as_str() else { continue };
            if let Some(kind) = self.find(base, api_version, &reference.kind, target).await? {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    fn known(&self, api_version: &str, kind: &str) -> Option<Kind> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(api_version)?.get(kind).cloned()
    }
}

async fn discover(base: &Client, url: &str, target: &Target) -> Result<Option<Value>, Failure> {
    match ask(base, || built(Request::get(url).body(Vec::new()))).await {
        Ok(list) => Ok(Some(list)),
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(undiscovered(&error, url, target)),
    }
}

fn undiscovered(error: &CallError, url: &str, target: &Target) -> Failure {
    failure::of_call(error, Asked { verb: "get", resource: url, subject: &format!("discovery of {url}") }, target)
}

fn unserved(reference: &ObjectRef) -> String {
    format!("{reference}: no kind {} in {} on this cluster", reference.kind, reference.api_version)
}

fn serves(kind: &Kind, reference: &ObjectRef) -> bool {
    kind.resource.api_version == reference.api_version && kind.resource.kind == reference.kind
}

fn served(api_version: &str, list: &Value) -> Served {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resources = list["resources"].as_array().into_iter().flatten();
    resources
        .filter_map(|entry| {
            let (plural, kind) = (entry["name"].as_str()?, entry["kind"].as_str()?);
            let gvk = GroupVersionKind::gvk(group, version, kind);
            let found = Kind {
                resource: ApiResource::from_gvk_with_plural(&gvk, plural),
                namespaced: entry["namespaced"].as_bool()?,
                declared: false,
            };
            (!plural.contains('/')).then(|| (kind.to_owned(), found))
        })
        .collect()
}

/// The kinds that the release's own `CustomResourceDefinition`s define.
fn declared(rendered: &Rendered) -> Vec<Kind> {
    let definitions = rendered.objects.iter().filter(|one| {
        one.reference.group() == "apiextensions.k8s.io" && one.reference.kind == "CustomResourceDefinition"
    });
    definitions
        .flat_map(|one| {
            let spec = &one.object["spec"];
            let versions = spec["versions"].as_array().into_iter().flatten();
            versions.filter_map(|version| {
                let gvk = GroupVersionKind::gvk(
                    spec["group"].as_str()?,
                    version["name"].as_str()?,
                    spec["names"]["kind"].as_str()?,
                );
                let resource = ApiResource::from_gvk_with_plural(&gvk, spec["names"]["plural"].as_str()?);
                Some(Kind { resource, namespaced: spec["scope"] == "Namespaced", declared: true })
            })
        })
        .collect()
}
