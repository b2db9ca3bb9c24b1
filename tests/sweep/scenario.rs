//! Stories that a controller is cut in: what people do, and what they wait for.
//!
//! Each story first does what comes `before` with a controller that is left alone; only then are effects numbered and cut.
//! A person acts when the story before has come to a known place, so that every run has the same effects.

use super::point::Point;
use super::step::{Rules, Step};

/// A release that becomes healthy, one that cannot be pulled, one that starts and is never ready.
const GOOD: &str = "web:1";
const BETTER: &str = "web:2";
const BROKEN: &str = "web:does-not-exist";
const SLOW: &str = "web:never-ready";

/// A story.
#[derive(Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What was done before, undisturbed.
    pub before: &'static [Step],
    /// What is cut.
    pub steps: &'static [Step],
    /// How often the Environment is given back in that.
    pub given_back: u32,
}

impl Scenario {
    /// An Environment in which the first release of a service runs.
    pub const FIRST: &[Step] = &V1;

    /// Why a run may have this effect or not, whatever is broken in it; None for one that every run has. Such an effect is
    /// not cut; what follows from it is compared.
    ///
    /// This is the only place that excuses an effect: one that is here by mistake is one that no sweep tries.
    pub(super) fn excused(&self, point: &Point) -> Option<&'static str> {
        let (needed, why) = match point.name.as_str() {
            "commit record environments" => (
                self.given_back,
                "an Environment that is given back is recorded by whoever gave it back, and by its own reconciler if the \
                 watch has told that one before the record was made; the second changes nothing",
            ),
            _ => return None,
        };
        (point.number > needed).then_some(why)
    }
}

const V1: [Step; 6] = [
    Step::Environment(Rules::Open),
    Step::Ready,
    Step::Release("web-v1", GOOD),
    Step::Known("web-v1"),
    Step::Deploy("web-v1"),
    Step::Settled("Active"),
];

/// What comes before an application that takes until somebody ends it.
const UNREADY: [Step; 5] = [
    Step::Environment(Rules::Open),
    Step::Ready,
    Step::Release("web-v1", SLOW),
    Step::Known("web-v1"),
    Step::Settled("Active"),
];

/// All of them.
pub const ALL: [Scenario; 11] = [
    Scenario { name: "succeeds", before: &[], steps: &V1, given_back: 1 },
    Scenario {
        name: "fails-and-is-rolled-back",
        before: &V1,
        steps: &[
            Step::Release("web-v2", BROKEN),
            Step::Known("web-v2"),
            Step::Deploy("web-v2"),
            Step::Settled("Active"),
        ],
        given_back: 1,
    },
    Scenario {
        name: "is-rolled-back-by-hand",
        before: &V1,
        steps: &[
            Step::Release("web-v2", BETTER),
            Step::Known("web-v2"),
            Step::Deploy("web-v2"),
            Step::Settled("Active"),
            Step::Rollback("web-v2"),
            Step::Phase("web-v2", "RolledBack"),
            Step::Settled("Active"),
        ],
        given_back: 2,
    },
    Scenario {
        name: "is-aborted-before-it-starts",
        before: &[Step::Environment(Rules::Confirmed), Step::Ready, Step::Settled("Active")],
        steps: &[
            Step::Release("web-v1", GOOD),
            Step::Known("web-v1"),
            Step::Deploy("web-v1"),
            Step::Phase("web-v1", "Previewed"),
            Step::Abort("web-v1"),
            Step::Phase("web-v1", "Aborted"),
            Step::Settled("Active"),
        ],
        given_back: 0,
    },
    Scenario {
        name: "is-aborted-in-the-queue-and-while-applying",
        before: &UNREADY,
        steps: &[
            Step::Deploy("web-v1"),
            Step::Phase("web-v1", "Applying"),
            Step::Workload(SLOW),
            Step::Release("web-v2", GOOD),
            Step::Known("web-v2"),
            Step::Deploy("web-v2"),
            Step::Phase("web-v2", "Approved"),
            Step::Abort("web-v2"),
            Step::Phase("web-v2", "Aborted"),
            Step::Abort("web-v1"),
            Step::Phase("web-v1", "Failed"),
            Step::Settled("Failed"),
            Step::Reset("web-v1"),
            Step::Settled("Active"),
        ],
        given_back: 1,
    },
    Scenario {
        name: "is-reviewed-and-so-is-its-rollback",
        before: &[
            Step::Environment(Rules::Reviewed),
            Step::Ready,
            Step::Settings("web-v1"),
            Step::Known("web-v1"),
            Step::Settings("web-v2"),
            Step::Known("web-v2"),
            Step::Deploy("web-v1"),
            Step::Phase("web-v1", "Previewed"),
            Step::Confirm("web-v1"),
            Step::Phase("web-v1", "PendingApproval"),
            Step::Approve("web-v1"),
            Step::Settled("Active"),
        ],
        steps: &[
            Step::Deploy("web-v2"),
            Step::Phase("web-v2", "Previewed"),
            Step::Confirm("web-v2"),
            Step::Phase("web-v2", "PendingApproval"),
            Step::Approve("web-v2"),
            Step::Settled("Active"),
            Step::Rollback("web-v2"),
            Step::Asked("web-v2"),
            Step::ApproveRollback("web-v2"),
            Step::Phase("web-v2", "RolledBack"),
            Step::Settled("Active"),
        ],
        given_back: 2,
    },
    Scenario {
        name: "is-rejected-and-another-breaks-the-glass",
        before: &[
            Step::Environment(Rules::ReviewedAndFrozen),
            Step::Ready,
            Step::Settings("web-v1"),
            Step::Known("web-v1"),
            Step::Settings("web-v2"),
            Step::Known("web-v2"),
            Step::Settled("Active"),
        ],
        steps: &[
            Step::Deploy("web-v1"),
            Step::Phase("web-v1", "Previewed"),
            Step::Confirm("web-v1"),
            Step::Phase("web-v1", "PendingApproval"),
            Step::Reject("web-v1"),
            Step::Phase("web-v1", "Rejected"),
            Step::Deploy("web-v2"),
            Step::Phase("web-v2", "Previewed"),
            Step::Confirm("web-v2"),
            Step::Phase("web-v2", "PendingApproval"),
            Step::BreakGlass("web-v2"),
            Step::Settled("Active"),
            Step::LookAfter("web-v2"),
            Step::Seen("web-v2"),
            Step::Settled("Active"),
        ],
        given_back: 1,
    },
    Scenario {
        name: "goes-through-a-freeze",
        before: &[
            Step::Environment(Rules::Frozen),
            Step::Ready,
            Step::Settings("web-v1"),
            Step::Known("web-v1"),
            Step::Settled("Active"),
        ],
        steps: &[
            Step::Deploy("web-v1"),
            Step::Phase("web-v1", "Approved"),
            Step::OverrideFreeze("web-v1"),
            Step::Phase("web-v1", "Succeeded"),
            Step::Settled("Active"),
        ],
        given_back: 1,
    },
    Scenario {
        name: "is-carried-out-by-hand",
        before: &[Step::Environment(Rules::ByHand), Step::Ready, Step::Settled("Active")],
        steps: &[
            Step::Record("web-v1"),
            Step::Phase("web-v1", "PendingApproval"),
            Step::Approve("web-v1"),
            Step::Phase("web-v1", "Approved"),
            Step::Start("web-v1"),
            Step::Phase("web-v1", "Applying"),
            Step::Succeed("web-v1"),
            Step::Phase("web-v1", "Succeeded"),
            Step::Rollback("web-v1"),
            Step::Phase("web-v1", "RolledBack"),
            Step::Settled("Active"),
        ],
        given_back: 0,
    },
    Scenario {
        name: "is-deleted-after-its-end",
        before: &V1,
        steps: &[Step::Delete("web-v1"), Step::Gone("web-v1"), Step::Settled("Active")],
        given_back: 0,
    },
    Scenario {
        name: "is-deleted-while-applying",
        before: &UNREADY,
        steps: &[
            Step::Deploy("web-v1"),
            Step::Phase("web-v1", "Applying"),
            Step::Workload(SLOW),
            Step::Delete("web-v1"),
            Step::Gone("web-v1"),
            Step::Settled("Failed"),
        ],
        given_back: 1,
    },
];
