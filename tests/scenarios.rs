//! Governed deployments end to end: a real API server, the shipped program with its shipped rights, and people.
//!
//! Each scenario has a stage of its own on one shared plane. The program must have been built: `cargo build -p slipway-cli`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails is a test that fails")]

mod scenarios {
    mod attacks;
    mod bad_input;
    mod delivery;
    mod ending;
    mod failure;
    mod gitops;
    mod governance;
    mod limits;
    mod manual;
    mod neighbours;
    mod plugin;
    mod production;
    mod releases;
    mod restart;
    mod rollback;
    mod services;
}
