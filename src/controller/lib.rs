//! observe, decide, act, publish: the controller of Slipway's resources.
//!
//! The domain decides; this crate reads what decisions are made from, writes what they say, and carries out what they
//! name, in the order that loses no event and doubles no effect.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")
)]

mod account;
mod act;
mod adopt;
mod cache;
mod clock;
mod context;
mod deployment;
mod environment;
mod executor;
mod guard;
mod health;
mod index;
mod key;
mod kubernetes;
mod leader;
mod ledger;
mod metrics;
mod neighbours;
mod notice;
mod observe;
mod order;
mod patience;
mod publish;
mod release;
mod resources;
mod row;
mod run;
mod runtime;
mod streams;
mod term;

pub use leader::{HEAD_ANNOTATION, LeaseConfig};
pub use run::{Config, RunError, run};

/// The whole of an error in one line, without what a library repeats.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
