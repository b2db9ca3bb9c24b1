//! Figures 2 and 5: what many settled deployments cost in writes and in memory.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::ListParams;
use serde::Serialize;

use crate::Outcome;
use crate::bed::{APPLIED, Bed};
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
    let idle = memory(&controller).await?;
    report.goal("memory, idle", idle.resident / MIB, " MiB", Goal::AtMost(15.0));
    report.note("memory, idle, what it is", idle.to_string());
    bed.create_release(release::plain("four", 4)).await?;

    // What the first deployments need (connections, threads) is no slope: it is taken from the tenth part to the whole.
    let tenth = (deployments / 10).max(1);
    deploy(&bed, &controller, 0..tenth).await?;
    let few = memory(&controller).await?;
    controller.stop()?;
    let controller = bed.controller().await?;
    let few_restarted = memory(&controller).await?;
    deploy(&bed, &controller, tenth..deployments).await?;
    let before = traffic::settled(&bed.audit, Duration::from_secs(5)).await?.len();
    let many = memory(&controller).await?;

    let half = Duration::from_secs_f64(minutes * 30.0);
    tokio::time::sleep(half).await;
    controller.stop()?;
    let controller = bed.controller().await?;
    let many_restarted = memory(&controller).await?;
    tokio::time::sleep(half).await;
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
    report.note("pruned JSON of a deployment and its Environment", format!("{pruned:.0} bytes"));
    let goal = Goal::AtMost(2.0);
    for (when, few, many) in [("after deploying them", few, many), ("after a restart", few_restarted, many_restarted)] {
        report.note(format!("memory with {tenth} deployments, {when}"), few.to_string());
        report.note(format!("memory with {deployments} deployments, {when}"), many.to_string());
        let slope = (many.resident - few.resident) / number(deployments - tenth);
        report.goal(format!("memory a deployment ÷ its pruned JSON, {when}"), slope / pruned, "", goal);
    }
    controller.stop()
}

/// Deploys to as many Environments, and waits until all is settled.
async fn deploy(bed: &Bed, controller: &Controller, numbers: std::ops::Range<usize>) -> Outcome<()> {
    let applied = controller.metric(APPLIED).await? + number(numbers.len());
    bed.create_environments(numbers.clone().map(|n| format!("x{n:05}"))).await?;
    let all = numbers.map(|n| {
        let name = format!("x{n:05}");
        release::deployment(&name, &name, "four", &name, "1")
    });
    bed.create_deployments(all).await?;
    bed.deployed(controller, applied).await
}

/// What a process occupies.
#[derive(Debug, Clone, Copy)]
struct Memory {
    resident: f64,
    /// What it has written, as opposed to pages of its own program.
    own: f64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB, of it {:.1} MiB its own", self.resident / MIB, self.own / MIB)
    }
}

/// The median of a few seconds, once it has come to rest.
async fn memory(controller: &Controller) -> Outcome<Memory> {
    let (mut resident, mut own) = (Vec::new(), Vec::new());
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        resident.push(number(controller.memory("VmRSS")?));
        own.push(number(controller.memory("RssAnon")?));
    }
    Ok(Memory { resident: Sample::new(resident).median(), own: Sample::new(own).median() })
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
