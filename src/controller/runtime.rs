//! What carries out a Deployment, chosen by its Environment, and asked in the domain's words.
//!
//! Every call is idempotent: applying again what is there writes nothing.

use std::collections::BTreeMap;

use serde_json::Value;
use slipway_crd::source::Source;
use slipway_crd::target::{Kubernetes as KubernetesTarget, Runtime};
use slipway_crd::{Environment as WireEnvironment, Release};
use slipway_domain::code::Code;
use slipway_domain::decide::Planned;
use slipway_domain::deployment::{Operation, Request};
use slipway_domain::digest::{Digest, SecretKey};
use slipway_domain::environment::{Environment, RunningRelease};
use slipway_domain::guard::Guard;
use slipway_domain::name::{ReleaseName, ServiceName};
use slipway_domain::policy::Confirm;
use slipway_domain::preview::Plan;
use slipway_domain::runtime::{Applied, Content, Failure, Forecast, ObjectRef};
use slipway_domain::wait::Wait;
use slipway_k8s::fence::Fence;
use slipway_k8s::preview::Depth;
use slipway_k8s::probe::supported;
use slipway_k8s::render::{Rendered, failure, render};
use slipway_k8s::runtime::Runtime as Kubernetes;
use slipway_k8s::target::{GroupKind, Target};

/// The runtimes of this process.
#[derive(Debug, Clone)]
pub struct Runtimes {
    kubernetes: std::sync::Arc<Kubernetes>,
    key: SecretKey,
}

/// A release made ready for a target.
#[derive(Debug)]
pub struct Ready {
    target: Target,
    rendered: Rendered,
}

impl Ready {
    /// The objects it consists of.
    pub fn inventory(&self) -> &[ObjectRef] {
        &self.rendered.content.inventory
    }

    /// Covers all that would be applied.
    pub fn content(&self) -> &Content {
        &self.rendered.content
    }
}

impl Runtimes {
    /// The runtimes, reaching Kubernetes through `client`.
    pub fn new(client: kube::Client, key: SecretKey) -> Self {
        Self { kubernetes: std::sync::Arc::new(Kubernetes::new(client, key.clone())), key }
    }

    /// What a request would apply in an Environment, as far as the objects it names tell.
    pub fn plan(
        &self,
        request: &Request,
        environment: &Environment,
        wire: &WireEnvironment,
        guard: &Guard,
        release: impl Fn(&ReleaseName) -> Option<std::sync::Arc<Release>>,
    ) -> Planned {
        if let Operation::DeployVersion { version } = &request.operation {
            let content = Content { digest: Digest::of(version.as_bytes()), inventory: Vec::new() };
            return Planned::Ready(Plan::new(request, environment, None, content, guard));
        }
        let Some(name) = request.operation.release() else {
            return Planned::Refused(unsupported(&format!(
                "operation {} is not possible in environment {}: its runtime can deploy and roll back releases only",
                request.operation.as_str(),
                environment.id.name
            )));
        };
        let Some(release) = release(name) else {
            return Planned::Missing(Wait::Release { name: name.to_string() });
        };
        if release.spec.service != request.service.as_str() {
            return Planned::Refused(invalid(format!(
                "spec.operation: release {name} is a release of service {}, not of {}",
                release.spec.service, request.service
            )));
        }
        let digest = slipway_crd::parse::release_digest(&release);
        if matches!(wire.spec.runtime, Runtime::Manual(_)) {
            let content = Content { digest: digest.clone(), inventory: Vec::new() };
            return Planned::Ready(Plan::new(request, environment, Some((name.clone(), digest)), content, guard));
        }
        match self.ready(wire, &request.service, &release, &request.variables) {
            Ok(ready) => {
                let content = ready.content().clone();
                Planned::Ready(Plan::new(request, environment, Some((name.clone(), digest)), content, guard))
            }
            Err(failure) => Planned::Refused(failure),
        }
    }

    /// Makes a release ready for an Environment: placeholders resolved, scope checked.
    pub fn ready(
        &self,
        environment: &WireEnvironment,
        service: &ServiceName,
        release: &Release,
        variables: &BTreeMap<String, String>,
    ) -> Result<Ready, Failure> {
        let target = target(environment, service)?;
        let manifests = manifests(release)?;
        let rendered = render(manifests, variables, &target, &self.key).map_err(|errors| failure(&errors))?;
        Ok(Ready { target, rendered })
    }

    /// What applying it would change.
    pub async fn preview(
        &self,
        environment: &Environment,
        ready: &Ready,
        inventory: &[ObjectRef],
    ) -> Result<Forecast, Failure> {
        let depth = match environment.policy.confirm {
            Confirm::Auto => Depth::Auto,
            Confirm::Manual => Depth::Full,
        };
        self.kubernetes.preview(&ready.target, &ready.rendered, inventory, &environment.health_checks, depth).await
    }

    /// Applies it, and prunes what is no longer part of it.
    pub async fn apply(&self, ready: &Ready, inventory: &[ObjectRef], fence: &dyn Fence) -> Result<Applied, Failure> {
        self.kubernetes.apply(&ready.target, &ready.rendered, inventory, fence).await
    }

    /// Judges the health of what was applied. Writes nothing, and may be dropped at any time.
    pub async fn health(
        &self,
        environment: &Environment,
        ready: &Ready,
        progress: impl Fn(String) + Send + Sync,
    ) -> Result<(), Failure> {
        let (checks, timeout) = (&environment.health_checks, environment.timeout);
        self.kubernetes.health(&ready.target, &ready.rendered, checks, timeout, progress).await
    }

    /// Whether an Environment could take a Deployment.
    pub async fn readiness(&self, environment: &Environment, wire: &WireEnvironment) -> Result<(), Failure> {
        match &wire.spec.runtime {
            Runtime::Manual(_) => Ok(()),
            Runtime::Ssh(_) => Err(unsupported("the SSH runtime is not part of this version: use k8s or manual")),
            Runtime::K8s(_) => {
                let anyone: ServiceName = "readiness".parse().map_err(|_| unsupported("readiness"))?;
                // What nothing could pass is said before anybody asks for anything.
                supported(&environment.health_checks)?;
                self.kubernetes.ready(&target(wire, &anyone)?).await
            }
        }
    }
}

/// The objects of a release, where they are written inline.
fn manifests(release: &Release) -> Result<&[Value], Failure> {
    match &release.spec.source {
        Source::Manifests(manifests) => Ok(manifests),
        Source::Git(_)
        | Source::Oci(_)
        | Source::Helm(_)
        | Source::Kustomize(_)
        | Source::Compose(_)
        | Source::Upload(_) => Err(unsupported(
            "spec.source: the Kubernetes runtime of this version applies manifests only: write them inline",
        )),
    }
}

/// Where an Environment's releases go. The account is one of the Environment's own namespace: whoever may write
/// Environments there can use no other.
fn target(environment: &WireEnvironment, service: &ServiceName) -> Result<Target, Failure> {
    let home = environment.metadata.namespace.clone().unwrap_or_default();
    let name = environment.metadata.name.clone().unwrap_or_default();
    let Runtime::K8s(runtime) = &environment.spec.runtime else {
        return Err(unsupported(&format!("environment {name} has no Kubernetes runtime")));
    };
    let KubernetesTarget { namespace, service_account_name, cluster_ref, access: _, allowed_kinds } = runtime;
    if cluster_ref.is_some() {
        return Err(unsupported("spec.runtime.k8s.clusterRef: other clusters are not part of this version"));
    }
    Ok(Target {
        namespace: namespace.clone(),
        user: format!("system:serviceaccount:{home}:{service_account_name}"),
        // The server itself gives a service account its groups; naming them would take the right to impersonate groups.
        groups: Vec::new(),
        environment: format!("{home}/{name}"),
        service: service.to_string(),
        allow: allowed_kinds
            .iter()
            .map(|kind| GroupKind { group: kind.group.clone(), kind: kind.kind.clone() })
            .collect(),
    })
}

/// What a rollback needs that is not there any more.
pub fn release_gone(to: &RunningRelease) -> Failure {
    Failure {
        code: Code::ArtifactMissing,
        message: format!("release {} does not exist any more: create it again with the same content", to.name),
        detail: None,
        retryable: false,
        changed: false,
    }
}

fn unsupported(message: &str) -> Failure {
    Failure {
        code: Code::RuntimeUnsupported,
        message: message.to_owned(),
        detail: None,
        retryable: false,
        changed: false,
    }
}

fn invalid(message: String) -> Failure {
    Failure { code: Code::ValidationFailed, message, detail: None, retryable: false, changed: false }
}
