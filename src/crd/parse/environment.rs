//! Where things run and how carefully: the tier's defaults with what the Environment says itself in their place.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use slipway_domain::blank::is_blank;
use slipway_domain::digest::Digest;
use slipway_domain::environment::{Environment, EnvironmentStatus, Reset, RuntimeKind};
use slipway_domain::policy::{FreezeWindow, Overrides, Policy, Retry};
use slipway_domain::runtime::{HealthCheck, Probe};
use slipway_domain::safeguard::Reach;

use super::{FieldError, Reader};
use crate::target::{Host, Runtime};
use crate::{EnvironmentSpec, environment as wire, health_check};

/// How long one try may take where the Environment does not say.
const TIMEOUT: Duration = Duration::from_mins(30);
/// The port of an SSH server where the Environment does not say.
const SSH_PORT: u16 = 22;
/// How long one try of a health check may take where it does not say.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// How many more tries a health check has where it does not say.
pub(crate) const CHECK_RETRIES: u32 = 1;
/// The status that a health check expects where it does not say.
pub(crate) const CHECK_STATUS: u16 = 200;

/// Reads an Environment.
pub fn environment(wire: &crate::Environment) -> Result<Environment, Vec<FieldError>> {
    let mut reader = Reader::default();
    let spec = &wire.spec;
    let id = reader.id(&wire.metadata);
    let created_at = wire.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let created_at = reader.present("metadata.creationTimestamp", created_at);
    reader.group("spec.project", &spec.project);
    reader.group("spec.team", &spec.team);
    let runtime = kind(&spec.runtime);
    let policy = reader.overrides(spec).map(|overrides| Policy::effective(spec.tier, runtime, overrides));
    let health_checks = reader.each("spec.healthChecks", &spec.health_checks, Reader::health_check);
    let timeout = reader.period_option("spec.timeout", spec.timeout.as_ref()).unwrap_or(TIMEOUT);
    let retry = reader.retry(spec.retry.as_ref());
    let changed_by = spec.changed_by.as_ref().and_then(|by| reader.person("spec.changedBy", by));
    let reset = reader.reset(spec.reset.as_ref());
    let status = match &wire.status {
        Some(status) => reader.environment_status(status),
        None => Some(EnvironmentStatus::default()),
    };
    let read = || {
        let (policy, health_checks, retry) = (policy?, health_checks?, retry?);
        Some(Environment {
            id: id?,
            created_at: created_at?,
            project: spec.project.clone(),
            team: spec.team.clone(),
            tier: spec.tier,
            runtime,
            reach: reach(&spec.runtime, wire.metadata.namespace.as_deref().unwrap_or_default()),
            digest: digest(spec, &policy, &health_checks, timeout, &retry),
            policy,
            health_checks,
            timeout,
            retry,
            changed_by,
            reset,
            deleting: wire.metadata.deletion_timestamp.is_some(),
            status: status?,
        })
    };
    let value = read();
    reader.finish(value)
}

/// Covers everything that says how carefully, as it is in force: a default that is written out changes nothing.
fn digest(
    spec: &EnvironmentSpec,
    policy: &Policy,
    health_checks: &[HealthCheck],
    timeout: Duration,
    retry: &Retry,
) -> Digest {
    Digest::of_json(&json!({
        "tier": spec.tier,
        "runtime": spec.runtime,
        "policy": policy,
        "healthChecks": health_checks,
        "timeout": timeout.as_secs(),
        "retry": retry,
    }))
}

fn kind(runtime: &Runtime) -> RuntimeKind {
    match runtime {
        Runtime::K8s(_) => RuntimeKind::Kubernetes,
        Runtime::Ssh(_) => RuntimeKind::Ssh,
        Runtime::Manual(_) => RuntimeKind::Manual,
    }
}

/// Where releases go and as whom is compared as a whole; of the kinds, one less is not the same as one more. `home` is the
/// Environment's own namespace, whose accounts it uses.
fn reach(runtime: &Runtime, home: &str) -> Reach {
    let mut place = json!(runtime);
    let kinds = match runtime {
        Runtime::K8s(kubernetes) => kubernetes.allowed_kinds.as_slice(),
        Runtime::Ssh(_) | Runtime::Manual(_) => &[],
    };
    if let Some(kubernetes) = place.get_mut("k8s").and_then(serde_json::Value::as_object_mut) {
        kubernetes.remove("allowedKinds");
    }
    let allowed_kinds = kinds.iter().map(|allowed| format!("{}/{}", allowed.group, allowed.kind)).collect();
    Reach { place: Digest::of_json(&place), allowed_kinds, targets: targets(runtime, home) }
}

/// What releases change. People who work by hand say themselves what they change.
fn targets(runtime: &Runtime, home: &str) -> BTreeSet<String> {
    match runtime {
        Runtime::K8s(kubernetes) => {
            let cluster = kubernetes.cluster_ref.as_ref().map(|cluster| format!(" of {}", json!(cluster)));
            let (namespace, account) = (&kubernetes.namespace, &kubernetes.service_account_name);
            [format!("namespace {namespace}{} as {home}/{account}", cluster.unwrap_or_default())].into()
        }
        Runtime::Ssh(ssh) => {
            let port = |host: &Host| host.port.unwrap_or(SSH_PORT);
            ssh.hosts.iter().map(|host| format!("host {} port {}", host.address.to_lowercase(), port(host))).collect()
        }
        Runtime::Manual(_) => BTreeSet::new(),
    }
}

impl Reader {
    fn group(&mut self, field: &str, text: &str) {
        if is_blank(text) {
            self.wrong(field, "must not be blank");
        }
    }

    fn overrides(&mut self, spec: &EnvironmentSpec) -> Option<Overrides> {
        let policy = spec.policy.clone().unwrap_or_default();
        let approval = policy.approval.unwrap_or_default();
        let expires_after = self.period_option("spec.policy.approval.expiresAfter", approval.expires_after.as_ref());
        let sla = self.period_option("spec.policy.sla", policy.sla.as_ref());
        let freeze_windows = self.each("spec.policy.freezeWindows", &policy.freeze_windows, |reader, field, window| {
            if window.start >= window.end {
                reader.wrong(format!("{field}.end"), "must be later than start");
            }
            Some(FreezeWindow { start: window.start, end: window.end, reason: window.reason.clone() })
        });
        Some(Overrides {
            required: approval.required,
            count: approval.count,
            expires_after,
            confirm: policy.confirm,
            sla,
            on_failure: policy.on_failure,
            freeze_windows: freeze_windows?,
        })
    }

    fn health_check(&mut self, field: &str, wire: &health_check::HealthCheck) -> Option<HealthCheck> {
        let timeout = self.period_option(&format!("{field}.timeout"), wire.timeout.as_ref());
        let probe = match &wire.probe {
            health_check::Probe::Http(http) => {
                Some(Probe::Http { url: http.url.clone(), expect_status: http.expect_status.unwrap_or(CHECK_STATUS) })
            }
            health_check::Probe::Exec(exec) => Some(Probe::Exec { command: exec.command.clone() }),
            health_check::Probe::Database(_) => self.unsupported(&format!("{field}.database")),
            health_check::Probe::WpCli(_) => self.unsupported(&format!("{field}.wpCli")),
        };
        Some(HealthCheck {
            probe: probe?,
            timeout: timeout.unwrap_or(CHECK_TIMEOUT),
            retries: wire.retries.unwrap_or(CHECK_RETRIES),
        })
    }

    fn unsupported<T>(&mut self, field: &str) -> Option<T> {
        self.wrong(field, "is not part of this version: use http or exec");
        None
    }

    fn retry(&mut self, wire: Option<&wire::Retry>) -> Option<Retry> {
        let default = Retry::default();
        let Some(wire) = wire else { return Some(default) };
        let backoff = match &wire.backoff {
            Some(backoff) => self.each("spec.retry.backoff", backoff, |reader, field, text| reader.period(field, text)),
            None => Some(default.backoff),
        };
        Some(Retry { max_attempts: wire.max_attempts.unwrap_or(default.max_attempts).max(1), backoff: backoff? })
    }

    fn reset(&mut self, wire: Option<&wire::Reset>) -> Option<Reset> {
        let wire = wire?;
        let of = self.name("spec.reset.of", &wire.of);
        let actor = self.person("spec.reset.actor", &wire.actor);
        let note = self.name("spec.reset.note", &wire.note);
        Some(Reset { of: of?, actor: actor?, note: note? })
    }
}
