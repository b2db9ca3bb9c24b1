//! The custom resources, their parsing into the domain and their rendering back.
//!
//! What the API server can refuse, the schemas here make it refuse, with a sentence; what it cannot is refused where
//! the object is read ([`read`]), for that object alone.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")
)]
#![allow(unreachable_pub, reason = "kube's derive copies every struct into a function, where `pub` reaches nobody")]

mod admission;
pub mod audit;
mod chart;
pub mod condition;
pub mod deployment;
pub mod deployment_status;
pub mod environment;
pub mod environment_index;
pub mod environment_status;
pub mod guard;
pub mod health_check;
pub mod install;
pub mod intent;
pub mod likeness;
pub mod operation;
pub mod parse;
pub mod policy;
pub mod preview;
mod rbac;
pub mod reference;
pub mod release;
pub mod render;
mod rule;
pub mod running;
pub mod source;
mod stamp;
pub mod structural;
pub mod target;
mod text;
mod unreadable;
mod vocabulary;

pub use audit::Audit;
pub use deployment::{Deployment, DeploymentSpec};
pub use deployment_status::DeploymentStatus;
pub use environment::{Environment, EnvironmentSpec};
pub use environment_index::EnvironmentIndex;
pub use environment_status::EnvironmentStatus;
pub use release::{Release, ReleaseSpec, ReleaseStatus};
pub use unreadable::{Lenient, Unreadable, read};

/// The API group of every resource here.
pub const GROUP: &str = "slipway.dev";
/// The version of every resource here.
pub const VERSION: &str = "v1alpha1";
/// Holds a Deployment or an Environment until its deletion is archived.
pub const AUDIT_FINALIZER: &str = "slipway.dev/audit";
/// Holds a Release while a Deployment that has not ended names it, or an Environment may go back to it.
pub const IN_USE_FINALIZER: &str = "slipway.dev/in-use";

/// The highest number of an event or a term: all that JSON carries exactly everywhere.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;
/// The most confirmations of one Deployment.
pub const CONFIRMATIONS_MAX: usize = 50;
/// The most reviews of one Deployment.
pub const REVIEWS_MAX: usize = 50;
/// The most rollbacks by hand of one Deployment.
pub const ROLLBACKS_MAX: usize = 20;
/// The most objects of a Release that are written inline.
pub const MANIFESTS_MAX: usize = 200;
/// The most objects that a service of an Environment consists of.
pub const INVENTORY_MAX: usize = 500;
/// The most services in one Environment.
pub const SERVICES_MAX: usize = 100;
/// The most health checks of one Environment.
pub const HEALTH_CHECKS_MAX: usize = 20;
/// The most objects that a preview lists of each kind of change; it counts them all.
pub const OBJECTS_SHOWN_MAX: usize = 50;
/// The most checks that a preview lists.
pub const CHECKS_MAX: usize = 50;
