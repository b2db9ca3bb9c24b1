//! What the controller wrote about an Environment, as the domain knows it.

use slipway_domain::environment::{Claim, EnvironmentStatus, Service};

use super::{Reader, audit};
use crate::environment_status as wire;

impl Reader {
    pub(super) fn environment_status(&mut self, status: &wire::EnvironmentStatus) -> Option<EnvironmentStatus> {
        let claim = status.claim.as_ref().and_then(|claim| {
            let deployment = self.name("status.claim.deploymentUid", &claim.deployment_uid)?;
            Some(Claim { deployment, attempt: claim.attempt.clone(), epoch: claim.epoch })
        });
        let services = self.each("status.services", &status.services, Self::service);
        let failed = status.failed.as_ref().map(|failed| &failed.deployment_uid);
        let failed = self.option("status.failed.deploymentUid", failed);
        let policy_digest = self.option("status.policyDigest", status.policy_digest.as_ref());
        let reset_handled = self.option("status.resetHandled", status.reset_handled.as_ref());
        let guard = self.option("status.guard", status.guard.as_ref());
        Some(EnvironmentStatus {
            phase: status.phase,
            readiness: status.readiness,
            readiness_message: status.readiness_message.clone(),
            yields_to: status.yields_to.clone(),
            claim,
            operations: status.operations,
            services: services?,
            failed,
            policy_digest,
            reset_handled,
            guard,
            audit: audit(&status.audit),
        })
    }

    fn service(&mut self, field: &str, wire: &wire::Service) -> Option<Service> {
        let name = self.name(&format!("{field}.service"), &wire.service);
        let current = self.running(&format!("{field}.currentRelease"), wire.current_release.as_ref());
        let previous = self.running(&format!("{field}.previousRelease"), wire.previous_release.as_ref());
        let inventory = self.objects(&format!("{field}.inventory"), &wire.inventory);
        Some(Service { name: name?, current, previous, inventory: inventory? })
    }
}
