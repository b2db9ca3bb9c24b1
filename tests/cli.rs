//! The `slipway` program as a person meets it: what it prints, what it refuses, and how it ends.
//!
//! The program must have been built: `cargo build -p slipway-cli`. Some refusals and the adoptions need the plane.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails is a test that fails")]
#![allow(clippy::disallowed_methods, reason = "a program is tested by starting it")]

mod cli {
    mod account;
    mod adoption;
    mod archive;
    mod binary;
    mod export;
    mod help;
    mod log;
    mod refusals;
    mod setup;
    mod verify;
}
