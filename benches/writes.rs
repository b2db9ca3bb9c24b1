//! Figure 1: what a deployment costs the API server, from its audit log.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;
use crate::bed::Bed;
use crate::controller::Controller;
use crate::release;
use crate::report::{Goal, Report};
use crate::sample::number;
use crate::traffic::{self, SLIPWAY_AGENT, Traffic};

/// Long enough for a write that comes late.
const QUIET: Duration = Duration::from_secs(3);

pub(crate) async fn measure(binary: &Path, report: &mut Report) -> Outcome<()> {
    let bed = Bed::new(binary).await?;
    let controller = bed.controller().await?;
    let mut deployed = 0.0;
    for objects in [4, 20] {
        let (environment, name) = (format!("e{objects}"), format!("r{objects}"));
        bed.create_environments(std::iter::once(environment.clone())).await?;
        bed.create_release(release::plain(&name, objects)).await?;
        let deployment = |number: &str| {
            release::deployment(&format!("d{objects}-{number}"), &environment, &name, &format!("x{objects}"), "1")
        };

        deployed += 1.0;
        let first = one(&bed, &controller, &deployment("first"), deployed).await?;
        let goal = Goal::AtMost(number(objects + 5));
        // The Deployment itself is a write of its author's.
        let cost = number(first.cost() + 1);
        report.goal(format!("writes of a deployment, M={objects}, its creation included"), cost, "", goal);
        report.goal(format!("dry-runs of it, M={objects}"), number(first.dry_runs), "", Goal::AtMost(number(objects)));
        report.note(format!("what they are, M={objects}"), first.to_string());

        let again = one(&bed, &controller, &deployment("first"), deployed).await?;
        let any = number(again.cost() + again.events + again.dry_runs + again.refused);
        report.goal(format!("writes when the same file is applied again, M={objects}"), any, "", Goal::AtMost(0.0));

        deployed += 1.0;
        let second = one(&bed, &controller, &deployment("second"), deployed).await?;
        report.goal(
            format!("object writes of a deployment that changes nothing, M={objects}"),
            number(second.objects),
            "",
            Goal::AtMost(0.0),
        );
        report.note(format!("all of its writes, M={objects}"), second.to_string());
    }
    controller.stop()
}

/// What Slipway writes while a file is applied and until everything is quiet.
async fn one(bed: &Bed, controller: &Controller, deployment: &Value, deployed: f64) -> Outcome<Traffic> {
    let before = traffic::settled(&bed.audit, QUIET).await?.len();
    bed.kubectl_apply(&deployment.to_string())?;
    bed.deployed(controller, deployed).await?;
    let writes = traffic::settled(&bed.audit, QUIET).await?;
    Ok(Traffic::of(&writes[before..], SLIPWAY_AGENT))
}
