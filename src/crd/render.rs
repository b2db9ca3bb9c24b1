//! From the domain to the status that people and tools read. Rendering what was read changes nothing: the same status
//! gives the same bytes, so that a write which would change nothing can be seen and skipped.

mod conditions;
mod deployment;
mod environment;
mod refused;
mod release;

use slipway_domain::audit::Audit;
use slipway_domain::environment::RunningRelease;

pub use deployment::deployment;
pub use environment::environment;
pub(crate) use refused::INVALID;
pub use refused::{refused, refused_environment};
pub use release::release;

use crate::running;

fn audit(audit: &Audit) -> crate::Audit {
    crate::Audit { seq: audit.seq, epoch: audit.epoch, audited_seq: audit.audited_seq, journal: audit.journal.clone() }
}

fn running(release: &RunningRelease) -> running::RunningRelease {
    running::RunningRelease {
        name: release.name.to_string(),
        digest: release.digest.to_string(),
        deployment_uid: release.deployment.to_string(),
        health: release.health,
        since: release.since,
        variables: release.variables.clone(),
    }
}

/// A text as long as the schema lets it be: a failing part may say more than a status can hold.
fn clip(text: &str) -> String {
    const MAX: usize = crate::text::MESSAGE_MAX;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    text.chars().take(MAX - 1).chain(['…']).collect()
}
