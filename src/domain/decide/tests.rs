//! The life of a Deployment, decision by decision, in a world that carries out effects at once.

mod before;
mod by_hand;
mod clock;
mod deletion;
mod failing;
mod gates;
mod properties;
mod review;
mod rollback;
mod trust;
mod world;
