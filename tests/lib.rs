//! The planes that the scenarios run on, and what the scenarios share.

pub mod plane;
pub mod stage;
pub mod sweep;
