//! What the log says of the policies.

use slipway_domain::code::Code;
use slipway_domain::digest::Digest;
use slipway_domain::guard::{Guard, message};

/// `stood` names the last ones that were in force.
pub(super) fn tell(now: &Guard, stood: Option<&Digest>) {
    match now {
        Guard::Broken { breaches, until } => {
            for breach in breaches {
                tracing::warn!("{}: {breach}", Code::PoliciesNotInForce);
            }
            tracing::warn!("{}", message(breaches, *until));
        }
        Guard::InForce { fingerprint, .. } if stood.is_none_or(|stood| stood == fingerprint) => {
            tracing::info!(guard = fingerprint.short(), "the policies that check who decides are in force");
        }
        Guard::InForce { fingerprint, .. } => tracing::warn!(
            guard = fingerprint.short(),
            "the policies that check who decides are in force, and have been changed: what waits is shown and asked anew"
        ),
    }
}
