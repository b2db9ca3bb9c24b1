//! The words that a field may have are the domain's own, all of them and no others.

use schemars::{Schema, SchemaGenerator, json_schema};
use slipway_domain::environment::{EnvironmentPhase, Health, Readiness};
use slipway_domain::phase::Phase;
use slipway_domain::policy::Tier;
use slipway_domain::review::Verdict;
use slipway_domain::rollback::RollbackState;

fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    json_schema!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

/// The phase of a Deployment.
pub(crate) fn phase(_: &mut SchemaGenerator) -> Schema {
    one_of(Phase::ALL.map(Phase::as_str))
}

/// The phase of an Environment.
pub(crate) fn environment_phase(_: &mut SchemaGenerator) -> Schema {
    one_of(EnvironmentPhase::ALL.iter().map(|phase| phase.as_str()))
}

/// Whether an Environment could take a Deployment.
pub(crate) fn readiness(_: &mut SchemaGenerator) -> Schema {
    one_of(Readiness::ALL.iter().map(|readiness| readiness.as_str()))
}

/// The health of a release.
pub(crate) fn health(_: &mut SchemaGenerator) -> Schema {
    one_of(Health::ALL.iter().map(|health| health.as_str()))
}

/// How far a rollback is.
pub(crate) fn rollback_state(_: &mut SchemaGenerator) -> Schema {
    one_of(RollbackState::ALL.iter().map(|state| state.as_str()))
}

/// What a reviewer said.
pub(crate) fn verdict(_: &mut SchemaGenerator) -> Schema {
    one_of(Verdict::ALL.iter().map(|verdict| verdict.as_str()))
}

/// How much harm a mistake could do.
pub(crate) fn tier(_: &mut SchemaGenerator) -> Schema {
    one_of(Tier::ALL.iter().map(|tier| tier.as_str()))
}

/// Who confirms a preview.
pub(crate) fn confirm(_: &mut SchemaGenerator) -> Schema {
    one_of(["Auto", "Manual"])
}

/// What happens to an unhealthy release.
pub(crate) fn on_failure(_: &mut SchemaGenerator) -> Schema {
    one_of(["Rollback", "Hold"])
}

/// What a runtime is doing.
pub(crate) fn step(_: &mut SchemaGenerator) -> Schema {
    one_of(["BackingUp", "CheckingDrift", "Applying", "Verifying"])
}

/// How much could go wrong.
pub(crate) fn risk(_: &mut SchemaGenerator) -> Schema {
    one_of(["None", "Low", "Medium", "High"])
}
