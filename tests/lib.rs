//! The planes that the scenarios run on, and what the scenarios share.
#![allow(clippy::disallowed_methods, reason = "tests start processes, and wait for values against a clock")]

pub mod plane;
pub mod stage;
pub mod sweep;
