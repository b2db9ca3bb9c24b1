//! The difference that a Deployment would make, worked out here and now with the caller's own rights.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::Api;
use serde_json::Value;
use slipway_crd::source::Source;
use slipway_crd::target::Runtime;
use slipway_crd::{Environment, Release, parse};
use slipway_domain::code::Code;
use slipway_domain::digest::SecretKey;
use slipway_domain::event::Action;
use slipway_domain::runtime::{Failure, ObjectRef};
use slipway_k8s::outlook::Outlook;
use slipway_k8s::render::{self, Rendered};
use slipway_k8s::runtime::Runtime as Kubernetes;
use slipway_k8s::target::{GroupKind, Target};

use super::access::Access;
use super::seen::{self, Seen};
use super::{refusal, table, variables};

/// What the difference is, or why it cannot be told.
pub(super) struct Difference {
    /// The outlook, or why there is none and what to do about that.
    pub(super) outlook: Result<Outlook, String>,
    /// What has changed since the preview was made.
    pub(super) since: Vec<String>,
}

/// Works it out. `caller` is who reads.
pub(super) async fn of(access: &Access, caller: &str, seen: &Seen) -> Difference {
    let mut since = Vec::new();
    let outlook = outlook(access, caller, seen, &mut since).await;
    Difference { outlook, since }
}

async fn outlook(access: &Access, caller: &str, seen: &Seen, since: &mut Vec<String>) -> Result<Outlook, String> {
    let name = &seen.object.spec.environment_ref.name;
    let environment: Environment = read(access.api(), "environment", name).await?;
    since.extend(changed(&environment, seen.status().and_then(|status| status.preview.as_ref()).map(|made| made.at)));
    let target = target(&environment, caller, &seen.object.spec.service)?;
    let (release, wanted) = wanted(seen)?;
    let release: Release = read(access.api(), "release", release).await?;
    if let Some(missing) = variables::missing(&release, wanted) {
        return Err(format!(
            "{}\nnext: what is asked never changes: create another Deployment with {}",
            missing.sentence, missing.flags
        ));
    }
    let previewed = seen.status().and_then(|status| status.preview.as_ref()?.release_digest.clone());
    let digest = parse::release_digest(&release).to_string();
    if seen::awaiting(&seen.object).is_none() && previewed.is_some_and(|previewed| previewed != digest) {
        since.push(format!(
            "release {} has been replaced since the preview was made: what is shown here is not what was previewed",
            release.metadata.name.as_deref().unwrap_or_default()
        ));
    }
    let key = SecretKey::new(rand::random());
    let rendered = rendered(&release, wanted, &target, &key)?;
    let service = environment.status.iter().flat_map(|status| &status.services);
    let service = service.into_iter().find(|service| service.service == seen.object.spec.service);
    let inventory: Vec<ObjectRef> =
        service.iter().flat_map(|service| &service.inventory).filter_map(|object| object.parse().ok()).collect();
    let current = service.and_then(|service| service.current_release.as_ref());
    let before = match current {
        None => None,
        // Without it the difference is only less exact: what the old release said is not known to go.
        Some(current) => match read::<Release>(access.api(), "release", &current.name).await {
            Ok(old) => rendered_quietly(&old, &current.variables, &target, &key),
            Err(_) => None,
        },
    };
    let runtime = Kubernetes::new(access.client.clone(), key);
    let outlook = runtime.outlook(&target, &rendered, before.as_ref(), &inventory).await;
    outlook.map_err(|failure| unread(&failure, caller, &target.namespace))
}

/// Why the objects could not be read. Who may not is told once, not object by object.
fn unread(failure: &Failure, caller: &str, namespace: &str) -> String {
    let what = format!("the objects of namespace {namespace} cannot be read as {}", table::plain(caller));
    if failure.code == Code::CredentialsRejected {
        return format!("{what}; the ClusterRole view, bound there, allows it for all but Secrets");
    }
    format!("{what}: {}", table::plain(failure.detail.as_ref().unwrap_or(&failure.message)))
}

async fn read<K>(api: Api<K>, what: &str, name: &str) -> Result<K, String>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    refusal::asked(&format!("reading {what} {name}"), api.get(name)).await.map_err(|failure| failure.to_string())
}

/// The release that would be put in place, and its variables.
fn wanted(seen: &Seen) -> Result<(&str, &BTreeMap<String, String>), String> {
    if let Some(to) = seen::awaiting(&seen.object).and_then(|rollback| rollback.to_release.as_ref()) {
        return Ok((&to.name, &to.variables));
    }
    let release = seen::release(&seen.object);
    let release =
        release.ok_or_else(|| format!("operation {} puts no release in place", seen::operation(&seen.object)))?;
    Ok((release, &seen.object.spec.variables))
}

/// What about the Environment is not as it was when the preview was made.
fn changed(environment: &Environment, previewed: Option<Timestamp>) -> Option<String> {
    let (name, status) = (environment.metadata.name.as_deref()?, environment.status.as_ref()?);
    let unseen = environment.metadata.generation != status.observed_generation;
    let recorded = previewed.is_some_and(|at| {
        let changes = status.audit.journal.iter().filter(|event| event.action == Action::EnvironmentPolicyChanged);
        changes.into_iter().any(|event| event.occurred_at > at)
    });
    (unseen || recorded).then(|| {
        format!("environment {name} has been changed since the preview was made: the controller previews anew where that matters")
    })
}

/// Where it would go. The user is the caller: nothing is done as the Environment's account here.
fn target(environment: &Environment, caller: &str, service: &str) -> Result<Target, String> {
    let name = environment.metadata.name.clone().unwrap_or_default();
    let home = environment.metadata.namespace.clone().unwrap_or_default();
    let runtime = match &environment.spec.runtime {
        Runtime::K8s(runtime) => runtime,
        Runtime::Manual(_) => {
            return Err(format!("people do the work in environment {name}: there are no objects to compare"));
        }
        Runtime::Ssh(_) => return Err(format!("environment {name} has hosts and no objects to compare")),
    };
    if runtime.cluster_ref.is_some() {
        return Err(format!("environment {name} is on another cluster, which is not asked from here"));
    }
    let allowed =
        |kind: &slipway_crd::target::AllowedKind| GroupKind { group: kind.group.clone(), kind: kind.kind.clone() };
    Ok(Target {
        namespace: runtime.namespace.clone(),
        user: caller.to_owned(),
        groups: Vec::new(),
        environment: format!("{home}/{name}"),
        service: service.to_owned(),
        allow: runtime.allowed_kinds.iter().map(allowed).collect(),
    })
}

fn rendered(
    release: &Release,
    variables: &BTreeMap<String, String>,
    target: &Target,
    key: &SecretKey,
) -> Result<Rendered, String> {
    let Source::Manifests(manifests) = &release.spec.source else {
        return Err("the release is not written inline, and only the controller fetches it".to_owned());
    };
    let manifests: &[Value] = manifests;
    render::render(manifests, variables, target, key).map_err(|errors| render::failure(&errors).message)
}

fn rendered_quietly(
    release: &Release,
    variables: &BTreeMap<String, String>,
    target: &Target,
    key: &SecretKey,
) -> Option<Rendered> {
    rendered(release, variables, target, key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_is_told_once_and_in_one_line() {
        let failure = |code: Code| Failure {
            code,
            message: "apps/v1/Deployment/web: bob may not get deployments.apps (and 2 more)".to_owned(),
            detail: Some("web: no\napi: no\nold: no".to_owned()),
            retryable: false,
            changed: false,
        };
        let forbidden = unread(&failure(Code::CredentialsRejected), "bob", "shop");
        assert!(!forbidden.contains('\n') && !forbidden.contains("api: no"), "{forbidden}");
        assert!(forbidden.contains("cannot be read as bob; the ClusterRole view"), "{forbidden}");
        assert!(unread(&failure(Code::ClusterUnreachable), "bob", "shop").contains("api: no"));
    }
}
