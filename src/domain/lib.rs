//! What Slipway decides: phases, gates, policies, previews, queues, events, admission.
//!
//! Nothing here waits, reads a clock, rolls dice, or knows Kubernetes, SQL or HTTP: every function is total and is given
//! all that it needs. What acts on the decisions lives in the other crates.
#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")
)]

pub mod admission;
pub mod attempt;
pub mod audit;
pub mod blank;
pub mod code;
pub mod decide;
pub mod deployment;
pub mod digest;
pub mod environment;
pub mod event;
#[cfg(test)]
mod fixture;
pub mod gate;
pub mod guard;
pub mod intent;
pub mod name;
pub mod neighbour;
pub mod phase;
pub mod policy;
pub mod preview;
pub mod queue;
pub mod refusal;
pub mod review;
pub mod rollback;
pub mod runtime;
pub mod safeguard;
pub mod upkeep;
pub mod wait;
