//! The object that a person adopts, as the cluster has it now.

use std::path::Path;
use std::time::Duration;

use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use slipway_crd::{Deployment, Environment, parse};
use slipway_domain::audit::{Audit, Subject};
use slipway_domain::name::Uid;
use slipway_store::AdoptedObject;

use crate::{Failure, cluster};

/// How long the whole look may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks for the Deployment or Environment with this uid, in all namespaces.
pub(super) fn find(kubeconfig: Option<&Path>, context: Option<String>, uid: &Uid) -> Result<AdoptedObject, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Usage(format!("the runtime cannot be started: {error}")))?;
    let found = runtime.block_on(async {
        let look = async { look(&cluster::client(kubeconfig, context).await?, uid).await };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| {
            Err(Failure::Usage(format!("the API server gave no answer within {} s", PATIENCE.as_secs())))
        })
    })?;
    found.ok_or_else(|| {
        Failure::Usage(format!(
            "the cluster has no Deployment and no Environment with uid {uid}; is it the right cluster?"
        ))
    })
}

async fn look(client: &Client, uid: &Uid) -> Result<Option<AdoptedObject>, Failure> {
    if let Some(wire) = one::<Deployment>(client, uid).await? {
        let deployment = parse::deployment(&wire).map_err(|errors| unreadable(&wire, &errors))?;
        let namespace = &deployment.id.namespace;
        let name = deployment.request.environment.as_str();
        let environment = Api::<Environment>::namespaced(client.clone(), namespace).get_opt(name).await;
        let environment = environment.map_err(|error| unlisted(&error))?;
        let environment = environment.and_then(|wire| parse::environment(&wire).ok());
        let (subject, status) = (deployment.subject(environment.as_ref()), deployment.status);
        return Ok(Some(adopted(subject, status.phase.status(), &status.audit)));
    }
    let Some(wire) = one::<Environment>(client, uid).await? else { return Ok(None) };
    let environment = parse::environment(&wire).map_err(|errors| unreadable(&wire, &errors))?;
    Ok(Some(adopted(environment.subject(), environment.status.phase.as_str(), &environment.status.audit)))
}

fn adopted(subject: Subject, status: &str, audit: &Audit) -> AdoptedObject {
    let Subject { resource_type, id, project, team, environment } = subject;
    AdoptedObject {
        resource_name: format!("{}/{}", id.namespace, id.name),
        uid: id.uid,
        resource_type,
        project_id: project,
        team_id: team,
        environment_id: environment,
        status: status.to_owned(),
        seq: audit.seq,
    }
}

/// The object of one kind with this uid. The server cannot be asked for a uid, so the names of all are listed.
async fn one<K>(client: &Client, uid: &Uid) -> Result<Option<K>, Failure>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let all = Api::<K>::all(client.clone());
    let mut page = ListParams::default().limit(500);
    loop {
        let list = all.list_metadata(&page).await.map_err(|error| unlisted(&error))?;
        let meant = |object: &&PartialObjectMeta<K>| object.metadata.uid.as_deref() == Some(uid.as_str());
        if let Some(found) = list.items.iter().find(meant) {
            let namespace = found.namespace().unwrap_or_default();
            let object = Api::namespaced(client.clone(), &namespace).get_opt(&found.name_any()).await;
            return object.map_err(|error| unlisted(&error));
        }
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page.continue_token = Some(token),
            Some(_) | None => return Ok(None),
        }
    }
}

fn unlisted(error: &kube::Error) -> Failure {
    Failure::Usage(format!("the cluster cannot be asked: {}", slipway_controller::explain(error)))
}

fn unreadable(object: &impl kube::ResourceExt, errors: &[parse::FieldError]) -> Failure {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let namespace = object.namespace().unwrap_or_default();
    Failure::Usage(format!("{namespace}/{} cannot be read: {}", object.name_any(), errors.join("; ")))
}
