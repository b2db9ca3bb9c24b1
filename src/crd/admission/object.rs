//! What nobody but the controller does to any object of Slipway's, and how objects go.

use slipway_domain::admission::{CONTROLLER_ACCOUNT, NAMESPACE_CONTROLLER, NO_NEW_OWNER};
use slipway_domain::intent::Intent;
use slipway_domain::phase::Phase;
use slipway_domain::refusal::Refusal;

use super::caller::{self, CALLER};
use super::policy::Refusing;
use super::sentence::{fact, invalid, literal, stand_in, validation};
use crate::render::INVALID;
use crate::{AUDIT_FINALIZER, IN_USE_FINALIZER};

/// The kinds.
const KINDS: &[&str] = &["deployments", "environments", "releases"];
const STATUSES: &[&str] = &["deployments/status", "environments/status", "releases/status"];
const INDICES: &[&str] = &["environmentindexes"];

/// The policies about all objects.
pub(super) fn policies() -> Vec<Refusing> {
    vec![status(), finalizers(), owners(), index(), deletion()]
}

fn status() -> Refusing {
    let mut policy = Refusing::new("slipway-status", STATUSES, &["CREATE", "UPDATE"]);
    policy.variable("caller", CALLER);
    controller_only(&mut policy, "write status", &caller::is(CONTROLLER_ACCOUNT));
    policy
}

fn finalizers() -> Refusing {
    let mut policy = Refusing::new("slipway-finalizers", KINDS, &["UPDATE"]);
    policy.condition("has-finalizers", "has(oldObject.metadata.finalizers)");
    policy.variable("caller", CALLER);
    let stays = [AUDIT_FINALIZER, IN_USE_FINALIZER].map(|name| {
        let name = literal(name);
        format!(
            "(!({name} in oldObject.metadata.finalizers) || (has(object.metadata.finalizers) \
             && {name} in object.metadata.finalizers))"
        )
    });
    let holds = format!("{} || ({})", caller::is(CONTROLLER_ACCOUNT), stays.join(" && "));
    controller_only(&mut policy, "remove its finalizer", &holds);
    policy
}

/// Other policies believe the index. It goes with its namespace.
fn index() -> Refusing {
    let mut policy = Refusing::new("slipway-environment-index", INDICES, &["CREATE", "UPDATE", "DELETE"]);
    policy.variable("caller", CALLER);
    let holds = format!(
        "{} || (request.operation == 'DELETE' && {})",
        caller::is(CONTROLLER_ACCOUNT),
        caller::is(NAMESPACE_CONTROLLER)
    );
    controller_only(&mut policy, "write the index of Environments", &holds);
    policy
}

/// What has an owner is deleted by the garbage collector when the owner goes, whoever caused that. Owners may be taken off.
fn owners() -> Refusing {
    let mut policy = Refusing::new("slipway-owners", KINDS, &["CREATE", "UPDATE"]);
    let owned = "has(object.metadata.ownerReferences) && object.metadata.ownerReferences.size() > 0";
    policy.condition("has-owners", owned);
    let known = "oldObject != null && has(oldObject.metadata.ownerReferences) \
                 && object.metadata.ownerReferences.all(now, oldObject.metadata.ownerReferences.exists(then, then.uid == now.uid))";
    policy.refuse(invalid("metadata.ownerReferences", NO_NEW_OWNER, known));
    policy
}

fn controller_only(policy: &mut Refusing, what: &'static str, holds: &str) {
    let refusal = Refusal::ControllerOnly { actor: stand_in("CALLER"), what };
    policy.refuse(validation(holds, &refusal, &[fact("CALLER", "variables.caller")]));
}

/// A Deployment goes when it has ended. One that Slipway cannot read never ends, and may go; so may all of a namespace
/// that is going itself.
fn deletion() -> Refusing {
    let mut policy = Refusing::new("slipway-deployment-deleted", &["deployments"], &["DELETE"]);
    policy.variable("caller", CALLER);
    let status = "has(oldObject.status)";
    policy.variable("phase", format!("{status} && has(oldObject.status.phase) ? oldObject.status.phase : 'Pending'"));
    let ended = Phase::ALL.into_iter().filter(|phase| phase.ended()).map(|phase| literal(phase.as_str()));
    let ended = ended.collect::<Vec<_>>().join(", ");
    let unread = format!(
        "{status} && has(oldObject.status.conditions) && oldObject.status.conditions.exists(condition, \
         condition.type == 'Stalled' && condition.status == 'True' && condition.reason == '{INVALID}')"
    );
    let holds = format!(
        "variables.phase in [{ended}] || has(oldObject.metadata.deletionTimestamp) || {} || ({unread})",
        caller::is(NAMESPACE_CONTROLLER)
    );
    let refusal = Refusal::Unfinished { phase: Phase::RolledBack, first: Intent::Abort.as_str() };
    policy.refuse(validation(&holds, &refusal, &[fact(Phase::RolledBack.as_str(), "variables.phase")]));
    policy
}
