//! What the caller may do, verb by verb, on each Environment.

use kube::ResourceExt as _;
use slipway_crd::Environment;
use slipway_domain::admission::Verb;

use super::access::Access;
use crate::Failure;

/// The verbs on an Environment. Who may name another as requester is asked of people, not of Environments.
pub(super) const VERBS: [Verb; 7] =
    [Verb::Deploy, Verb::Approve, Verb::Rollback, Verb::Reset, Verb::Backup, Verb::BreakGlass, Verb::Govern];

/// The caller's rights on one Environment, in the order of [`VERBS`].
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) namespace: String,
    pub(super) environment: String,
    pub(super) held: Vec<bool>,
}

/// Asks for every verb on every Environment.
pub(super) async fn of(access: &Access, environments: &[Environment]) -> Result<Vec<Rights>, Failure> {
    let mut all = Vec::with_capacity(environments.len());
    for environment in environments {
        let (namespace, name) = (environment.namespace().unwrap_or_default(), environment.name_any());
        let mut held = Vec::with_capacity(VERBS.len());
        for verb in VERBS {
            held.push(access.may(verb, &namespace, &name).await?);
        }
        all.push(Rights { namespace, environment: name, held });
    }
    Ok(all)
}
