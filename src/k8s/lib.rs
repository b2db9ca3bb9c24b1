//! The Kubernetes runtime: preview, apply, health.
//!
//! It acts on one cluster through the client it is given, as the account of each target. It keeps nothing between calls
//! but what the cluster serves, so every call may be repeated after a crash.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")
)]
// A test table reads better without references.
#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "cases are written as values"))]

mod address;
pub mod apply;
mod client;
mod compare;
mod diff;
mod failure;
pub mod fence;
pub mod health;
mod kinds;
pub mod kstatus;
mod mirror;
mod order;
pub mod outlook;
pub mod placeholder;
pub mod preview;
pub mod probe;
pub mod readiness;
pub mod render;
mod risk;
mod rollout;
pub mod runtime;
mod scope;
mod seal;
pub mod target;
