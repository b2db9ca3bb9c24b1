//! The controller trusts nobody while the API server does not check who says what.
//!
//! Policies are the whole cluster's: the plane is this program's own, and its tests take turns.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails is a test that fails")]

mod guard {
    mod alone;
    mod altered;
    mod everyone;
    mod gap;
    mod removed;
    mod unseen;
}
