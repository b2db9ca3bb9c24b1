//! The chart on a real API server, with a real helm: what it renders, what it refuses, that it installs, upgrades and goes
//! away; and that the rights in it are the ones that are needed.
//!
//! helm is built at first use, which takes about 3 minutes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails is a test that fails")]

mod chart {
    mod helm;
    mod installing;
    mod people;
    mod rendering;
    mod rights;
    mod site;
    mod upgrading;
    mod values;
}
