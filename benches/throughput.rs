//! Figure 3: many deployments through Slipway, against a bare client that replays the same writes.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Client;
use serde_json::Value;

use crate::Outcome;
use crate::bed::Bed;
use crate::controller::{cpu_of, cpu_of_plane};
use crate::release;
use crate::replay::Script;
use crate::report::{Goal, Report};
use crate::sample::{Sample, number};
use crate::traffic::{self, BENCH_AGENT, SLIPWAY_AGENT, Traffic};

const QUIET: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Deployments, each with its Environment and four objects.
    #[arg(long, default_value_t = 1000)]
    deployments: usize,
    /// How often both sides are measured, in turn, each on a fresh plane.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// How many deployments the bare client has under way; Slipway reconciles 16 at a time.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { deployments: 1000, pairs: 3, concurrency: 16 }
    }
}

/// What one side took.
struct Taken {
    wall: f64,
    cpu: f64,
    plane: f64,
    traffic: Traffic,
}

pub(crate) async fn measure(binary: &Path, arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let (mut walls, mut cpus, mut planes) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 1..=arguments.pairs {
        let (slipway, script) = slipway(binary, arguments).await?;
        let bare = bare(binary, arguments, &script).await?;
        for (name, taken) in [("Slipway", &slipway), ("the bare client", &bare)] {
            report.note(
                format!("{} deployments, pair {pair}, {name}", arguments.deployments),
                format!(
                    "{:.2} s; CPU {:.2} s, the control plane's {:.2} s; {}",
                    taken.wall, taken.cpu, taken.plane, taken.traffic
                ),
            );
        }
        walls.push(slipway.wall / bare.wall);
        cpus.push(slipway.cpu / bare.cpu);
        planes.push(slipway.plane / bare.plane);
    }
    let (walls, cpus, planes) = (Sample::new(walls), Sample::new(cpus), Sample::new(planes));
    let title = format!("{} deployments ÷ a bare client with the same writes", arguments.deployments);
    report.goal(format!("{title}: time"), walls.median(), "", Goal::AtMost(1.25));
    report.note(format!("{title}: range of the times"), walls.range());
    report.note(format!("{title}: CPU of the client"), format!("{:.2} ({})", cpus.median(), cpus.range()));
    report.note(format!("{title}: CPU of the control plane"), format!("{:.2} ({})", planes.median(), planes.range()));
    Ok(())
}

fn name(n: usize) -> String {
    format!("x{n:05}")
}

fn deployment(n: usize) -> Value {
    release::deployment(&name(n), &name(n), "four", &name(n), "1")
}

async fn slipway(binary: &Path, arguments: &Arguments) -> Outcome<(Taken, Script)> {
    let bed = Bed::new(binary).await?;
    let controller = bed.controller().await?;
    bed.create_release(release::plain("four", 4)).await?;
    let script = Script::record(&bed, &controller, "four").await?;
    let count = arguments.deployments;
    bed.create_environments((0..count).map(name)).await?;
    let before = traffic::settled(&bed.audit, QUIET).await?.len();

    let (cpu, plane, start) = (controller.cpu()?, cpu_of_plane(bed.plane_folder()), Instant::now());
    bed.create_deployments((0..count).map(deployment)).await?;
    bed.deployed(&controller, number(count) + 1.0).await?;
    let wall = start.elapsed().as_secs_f64();
    // Events for people are written beside the work.
    let writes = traffic::settled(&bed.audit, QUIET).await?;
    let taken = Taken {
        wall,
        cpu: controller.cpu()? - cpu,
        plane: cpu_of_plane(bed.plane_folder()) - plane,
        traffic: Traffic::of(&writes[before..], SLIPWAY_AGENT),
    };
    controller.stop()?;
    Ok((taken, script))
}

async fn bare(binary: &Path, arguments: &Arguments, script: &Script) -> Outcome<Taken> {
    let bed = Bed::new(binary).await?;
    // Environments are settled by a controller, as they were for Slipway.
    let controller = bed.controller().await?;
    bed.create_release(release::plain("four", 4)).await?;
    let count = arguments.deployments;
    bed.create_environments((0..count).map(name)).await?;
    controller.stop()?;
    let before = traffic::settled(&bed.audit, QUIET).await?.len();

    let client = Client::try_from(bed.config().await?)?;
    let (cpu, plane, start) = (cpu_of("self")?, cpu_of_plane(bed.plane_folder()), Instant::now());
    let (told, mut events) = tokio::sync::mpsc::unbounded_channel::<String>();
    let (publisher, to_publish) = (client.clone(), script.clone());
    let announcing = tokio::spawn(async move {
        while let Some(name) = events.recv().await {
            to_publish.play_events(&publisher, &name).await?;
        }
        Outcome::Ok(())
    });
    let each = (0..count).map(|n| {
        let (client, script, told) = (client.clone(), script.clone(), told.clone());
        async move {
            let played = tokio::spawn(async move {
                script.play(&client, &name(n), &deployment(n)).await?;
                told.send(name(n)).map_err(|_| "nobody writes Events")?;
                Outcome::Ok(())
            });
            played.await?
        }
    });
    stream::iter(each).buffer_unordered(arguments.concurrency).try_collect::<Vec<()>>().await?;
    let wall = start.elapsed().as_secs_f64();
    drop(told);
    announcing.await??;
    let cpu = cpu_of("self")? - cpu;
    let writes = traffic::settled(&bed.audit, QUIET).await?;
    let plane = cpu_of_plane(bed.plane_folder()) - plane;
    let traffic = Traffic::of(&writes[before..], BENCH_AGENT);
    let expected = count * script.writes();
    if traffic.cost() != expected || traffic.refused > 0 {
        return Err(format!("the bare client wrote {traffic} where {expected} writes were recorded").into());
    }
    Ok(Taken { wall, cpu, plane, traffic })
}
