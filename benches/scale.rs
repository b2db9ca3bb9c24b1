//! Figures 2 and 5: what many settled deployments cost in writes and in memory.

use std::path::Path;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::ListParams;
use serde::Serialize;

use crate::Outcome;
use crate::bed::Bed;
use crate::controller::Controller;
use crate::release;
use crate::report::{Goal, Report};
use crate::sample::{Sample, number};
use crate::traffic::{self, SLIPWAY_AGENT, Traffic};

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Deployments, each with its Environment and four objects.
    #[arg(long, default_value_t = 1000)]
    deployments: usize,
    /// How long nothing may be written, half of it before a restart.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { deployments: 1000, minutes: 10.0 }
    }
}

pub(crate) async fn measure(binary: &Path, arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let Arguments { deployments, minutes } = *arguments;
    let bed = Bed::new(binary).await?;
    let controller = bed.controller().await?;
    let idle = resident(&controller).await?;
    report.goal("memory, idle", idle / MIB, " MiB", Goal::AtMost(15.0));

    bed.create_environments((0..deployments).map(|n| format!("x{n:05}"))).await?;
    bed.create_release(release::plain("four", 4)).await?;
    let all = (0..deployments).map(|n| {
        let name = format!("x{n:05}");
        release::deployment(&name, &name, "four", &name, "1")
    });
    bed.create_deployments(all).await?;
    bed.deployed(&controller, number(deployments)).await?;
    let before = traffic::settled(&bed.audit, Duration::from_secs(5)).await?.len();
    let busy = resident(&controller).await?;

    let half = Duration::from_secs_f64(minutes * 30.0);
    tokio::time::sleep(half).await;
    let rested = resident(&controller).await?;
    controller.stop()?;
    let controller = bed.controller().await?;
    tokio::time::sleep(half).await;
    let restarted = resident(&controller).await?;
    let writes = traffic::settled(&bed.audit, Duration::from_secs(5)).await?;
    let traffic = Traffic::of(&writes[before..], SLIPWAY_AGENT);
    let any = number(traffic.cost() + traffic.events + traffic.dry_runs + traffic.refused);
    report.goal(
        format!("writes with {deployments} settled deployments in {minutes} minutes with a restart"),
        any,
        "",
        Goal::AtMost(0.0),
    );
    report.note("what they are", traffic.to_string());

    let pruned = pruned(&bed).await?;
    let slope = |resident: f64| (resident - idle) / number(deployments);
    report.note(
        format!("memory with {deployments} deployments"),
        format!(
            "{:.1} MiB after deploying them, {:.1} MiB later, {:.1} MiB after a restart",
            busy / MIB,
            rested / MIB,
            restarted / MIB
        ),
    );
    report.note("pruned JSON of a deployment and its Environment", format!("{pruned:.0} bytes"));
    let goal = Goal::AtMost(2.0);
    report.goal("memory a deployment ÷ its pruned JSON, after deploying them", slope(rested) / pruned, "", goal);
    report.goal("memory a deployment ÷ its pruned JSON, after a restart", slope(restarted) / pruned, "", goal);
    controller.stop()
}

/// The median of a few seconds.
async fn resident(controller: &Controller) -> Outcome<f64> {
    let mut values = Vec::new();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        values.push(number(controller.resident()?));
    }
    Ok(Sample::new(values).median())
}

/// What has to be kept of a Deployment and its Environment: their JSON without the sets of owned fields.
async fn pruned(bed: &Bed) -> Outcome<f64> {
    let page = ListParams::default().limit(200);
    let (deployments, environments) = (bed.deployments().list(&page).await?, bed.environments().list(&page).await?);
    Ok(mean(deployments.items)? + mean(environments.items)?)
}

fn mean<K: kube::Resource + Serialize>(mut objects: Vec<K>) -> Outcome<f64> {
    let mut bytes = 0;
    for object in &mut objects {
        for entry in object.managed_fields_mut() {
            entry.fields_v1 = None;
        }
        bytes += serde_json::to_vec(object)?.len();
    }
    Ok(number(bytes) / number(objects.len()))
}
