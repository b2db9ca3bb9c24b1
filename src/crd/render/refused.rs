//! The status of an object that was stored but is not right: it says what is wrong, and everything else stays.

use jiff::Timestamp;
use slipway_domain::code::Code;
use slipway_domain::environment::EnvironmentStatus;
use slipway_domain::guard::Guard;

use super::conditions::{Conditions, State};
use super::{clip, environment};
use crate::deployment_status::Diagnostics;
use crate::parse::FieldError;
use crate::{Deployment, DeploymentStatus, Environment};

/// The reason in the conditions of what Slipway cannot work with.
pub(crate) const INVALID: &str = "Invalid";

/// The status of a Deployment with these errors.
pub fn refused(wire: &Deployment, errors: &[FieldError], now: Timestamp) -> DeploymentStatus {
    let before = wire.status.clone().unwrap_or_default();
    let message = told(errors);
    let mut conditions = Conditions::new(&before.conditions, wire.metadata.generation, now);
    conditions.summary(State::Failed, INVALID, &message);
    DeploymentStatus {
        observed_generation: wire.metadata.generation,
        conditions: conditions.list(),
        diagnostics: Some(Diagnostics {
            code: Code::ValidationFailed.to_string(),
            message: clip(&message),
            detail: None,
        }),
        ..before
    }
}

/// The status of an Environment with these errors.
pub fn refused_environment(wire: &Environment, errors: &[FieldError], now: Timestamp) -> crate::EnvironmentStatus {
    let generation = wire.metadata.generation;
    let before = wire.status.clone();
    let unknown = Guard::Broken { breaches: Vec::new(), until: None };
    let before =
        before.unwrap_or_else(|| environment(&EnvironmentStatus::default(), None, &unknown, generation, None, now));
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    conditions.summary(State::Failed, INVALID, &told(errors));
    crate::EnvironmentStatus { observed_generation: generation, conditions: conditions.list(), ..before }
}

fn told(errors: &[FieldError]) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}
