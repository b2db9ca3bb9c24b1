//! The status of an Environment.

use jiff::Timestamp;
use slipway_domain::environment::{EnvironmentPhase, EnvironmentStatus, Readiness};
use slipway_domain::guard::{Guard, message};

use super::conditions::{Conditions, State};
use super::{audit, clip, running};
use crate::environment::Reset;
use crate::environment_status as wire;

/// Renders the status of an Environment.
///
/// `reset` is the one in its spec, `guard` says whether it is heard, `before` the status that stands, whose times of conditions are kept.
pub fn environment(
    status: &EnvironmentStatus,
    reset: Option<&Reset>,
    guard: &Guard,
    generation: Option<i64>,
    before: Option<&wire::EnvironmentStatus>,
    now: Timestamp,
) -> wire::EnvironmentStatus {
    let stood = before.map_or(&[][..], |before| &before.conditions);
    let (state, reason, message) = summary(status, reset, guard);
    wire::EnvironmentStatus {
        phase: status.phase,
        readiness: status.readiness,
        readiness_message: clip(&status.readiness_message),
        yields_to: status.yields_to.clone(),
        observed_generation: generation,
        conditions: Conditions::new(stood, generation, now).summary(state, reason, &message).list(),
        claim: status.claim.as_ref().map(|claim| wire::Claim {
            deployment_uid: claim.deployment.to_string(),
            attempt: claim.attempt.clone(),
            epoch: claim.epoch,
        }),
        operations: status.operations,
        services: status
            .services
            .iter()
            .map(|service| wire::Service {
                service: service.name.to_string(),
                current_release: service.current.as_ref().map(running),
                previous_release: service.previous.as_ref().map(running),
                inventory: service.inventory.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        failed: status.failed.as_ref().map(|failed| wire::Failed { deployment_uid: failed.to_string() }),
        policy_digest: status.policy_digest.as_ref().map(ToString::to_string),
        reset_handled: status.reset_handled.as_ref().map(ToString::to_string),
        reset_answered: used(status, reset),
        guard: status.guard.as_ref().map(ToString::to_string),
        audit: audit(&status.audit),
    }
}

/// Whether the reset that stands in the spec has counted already.
fn used(status: &EnvironmentStatus, reset: Option<&Reset>) -> bool {
    let read = |reset: &Reset| {
        let (of, actor, note) = (reset.of.parse().ok()?, reset.actor.parse().ok()?, reset.note.parse().ok()?);
        Some(slipway_domain::environment::Reset { of, actor, note }.digest())
    };
    let digest = reset.and_then(read);
    digest.is_some() && digest == status.reset_handled
}

fn summary(status: &EnvironmentStatus, reset: Option<&Reset>, guard: &Guard) -> (State, &'static str, String) {
    let why = status.readiness_message.clone();
    match (status.phase, status.readiness) {
        (EnvironmentPhase::Failed, _) => {
            let which = status.failed.as_ref().map_or_else(String::new, |failed| format!(" of deployment {failed}"));
            let hint = match (guard, reset) {
                (_, Some(_)) if used(status, reset) => {
                    "; the reset that stands there freed an earlier failure, named another one, or was said \
                    while nobody checked by whom, and does not count again: say anew what was found"
                        .to_owned()
                }
                (Guard::Broken { breaches, until }, Some(_)) => format!("; {}", message(breaches, *until)),
                (Guard::InForce { .. } | Guard::Broken { .. }, _) => String::new(),
            };
            let message =
                format!("the operation{which} failed: roll it back, or reset the environment with spec.reset{hint}");
            (State::Failed, "OperationFailed", message)
        }
        (EnvironmentPhase::Bootstrapping, _) => (State::InProgress, "Bootstrapping", why),
        (EnvironmentPhase::Cloning, _) => (State::InProgress, "Cloning", why),
        (EnvironmentPhase::Deploying, _) => (State::InProgress, "Deploying", why),
        (EnvironmentPhase::Restoring, _) => (State::InProgress, "Restoring", why),
        (EnvironmentPhase::Pending | EnvironmentPhase::Active, Readiness::NotReady) => {
            let reason = if status.yields_to.is_some() { "AsksForLess" } else { "NotReady" };
            (State::Failed, reason, why)
        }
        (EnvironmentPhase::Pending | EnvironmentPhase::Active, Readiness::BootstrapPending) => {
            (State::InProgress, "BootstrapPending", why)
        }
        (EnvironmentPhase::Pending, Readiness::Unknown | Readiness::Ready)
        | (EnvironmentPhase::Active, Readiness::Unknown) => (State::InProgress, "Pending", why),
        (EnvironmentPhase::Active, Readiness::Ready) => (State::Current, "Active", why),
    }
}
