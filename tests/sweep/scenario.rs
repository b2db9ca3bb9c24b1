//! Stories that a controller is cut in: what people do, and what they wait for.
//!
//! Each story first does what comes `before` with a controller that is left alone; only then are effects numbered and cut.
//! A person acts when the story before has come to a known place, so that every run has the same effects.

use serde_json::json;

use super::error::SweepError;
use super::objects;
use super::point::Point;
use super::site::Site;

/// The Environment of every story.
pub const ENVIRONMENT: &str = "development";
const SERVICE: &str = "web";

/// A release that becomes healthy, one that cannot be pulled, one that starts and is never ready.
const GOOD: &str = "web:1";
const BETTER: &str = "web:2";
const BROKEN: &str = "web:does-not-exist";
const SLOW: &str = "web:never-ready";

/// One step of a story.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Creates the Environment, which previews are confirmed in by themselves, or by a person.
    Environment {
        /// A person confirms.
        manual: bool,
    },
    /// Waits until the Environment takes Deployments.
    Ready,
    /// Creates a release with an image.
    Release(&'static str, &'static str),
    /// Waits until a release is known by its digest: whoever writes that must not be left to chance.
    Known(&'static str),
    /// Asks for a Deployment of the release of the same name.
    Deploy(&'static str),
    /// Waits until a Deployment is in a phase.
    Phase(&'static str, &'static str),
    /// Waits until the workload of the service is there, with this image.
    Workload(&'static str),
    /// Aborts a Deployment.
    Abort(&'static str),
    /// Asks for a rollback of a Deployment.
    Rollback(&'static str),
    /// Deletes a Deployment.
    Delete(&'static str),
    /// Waits until a Deployment is gone.
    Gone(&'static str),
    /// Waits until everything has ended, the Environment is given back in this phase, and the archive knows it all.
    Settled(&'static str),
}

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
    Step::Environment { manual: false },
    Step::Ready,
    Step::Release("web-v1", GOOD),
    Step::Known("web-v1"),
    Step::Deploy("web-v1"),
    Step::Settled("Active"),
];

/// What comes before an application that takes until somebody ends it.
const UNREADY: [Step; 5] = [
    Step::Environment { manual: false },
    Step::Ready,
    Step::Release("web-v1", SLOW),
    Step::Known("web-v1"),
    Step::Settled("Active"),
];

/// All of them.
pub const ALL: [Scenario; 7] = [
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
        before: &[Step::Environment { manual: true }, Step::Ready, Step::Settled("Active")],
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
        ],
        given_back: 1,
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

impl Step {
    /// What a person does in this step. Nothing for one that waits.
    pub(super) async fn act(self, site: &Site, namespace: &str) -> Result<(), SweepError> {
        let said = || json!({"actor": site.actor, "note": "the sweep wants it"});
        match self {
            Self::Environment { manual } => {
                let policy = if manual { json!({"confirm": "Manual"}) } else { json!({}) };
                site.apply(namespace, objects::environment(ENVIRONMENT, namespace, &policy)).await
            }
            Self::Release(name, image) => site.apply(namespace, objects::release(name, SERVICE, image)).await,
            Self::Deploy(name) => site.apply(namespace, objects::deployment(name, SERVICE, ENVIRONMENT, name)).await,
            Self::Abort(name) => site.add("Deployment", namespace, name, json!({"abort": said()})).await,
            Self::Rollback(name) => {
                let mut request = said();
                request["id"] = json!("by-hand");
                site.add("Deployment", namespace, name, json!({"rollbacks": [request]})).await
            }
            Self::Delete(name) => site.delete("Deployment", namespace, name).await,
            Self::Ready | Self::Known(_) | Self::Phase(..) | Self::Workload(_) | Self::Gone(_) | Self::Settled(_) => {
                Ok(())
            }
        }
    }
}
