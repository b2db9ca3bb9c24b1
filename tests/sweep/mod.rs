//! Proof that nothing is lost and nothing is doubled: the same stories, told to a controller that is cut at each of its
//! effects, end as they end for one that is left alone.

mod case;
mod error;
mod fault;
mod held;
mod kills;
mod learn;
mod lease;
mod objects;
mod point;
mod process;
mod report;
mod restore;
mod sample;
mod scenario;
mod single;
mod site;
mod snapshot;
mod step;
mod takeover;
mod writes;

pub use case::{Case, Outcome};
pub use error::{SweepError, Verdict};
pub use fault::{Cut, Fault, Injector, Mode};
pub use held::Held;
pub use kills::{Killed, kill};
pub use learn::{Reference, learn};
pub use point::Point;
pub use process::{Faulty, Journal, Process, program};
pub use report::{Report, Tally};
pub use restore::Restorable;
pub use sample::Sample;
pub use scenario::{ALL, Scenario};
pub use single::{Recovery, pairs, single};
pub use site::{Site, forget_failures, until};
pub use snapshot::differences;
pub use step::{Rules, Step};
pub use takeover::{Thawed, take_over};
