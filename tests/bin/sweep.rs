//! `sweep`: cuts a controller at each of its effects, and says whether anything was lost or doubled.
#![allow(clippy::print_stdout, reason = "it reports to a terminal")]

use std::process::ExitCode;

use clap::Parser;
use slipway_tests::plane::Plane;
use slipway_tests::sweep::{
    ALL, Fault, Sample, Scenario, Site, SweepError, forget_failures, kill, learn, pairs, single,
};

/// Cuts a controller at each of its effects, and compares how every story ends.
#[derive(Debug, Parser)]
#[command(name = "sweep")]
struct Arguments {
    /// Only the stories whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Only the faults whose name contains this, as in `before commit epoch #1`
    #[arg(long, default_value = "")]
    fault: String,
    /// How many runs at a time
    #[arg(long, default_value_t = 8)]
    width: usize,
    /// About how many runs are cut once, and at least one at each effect; left out: each effect in each way
    #[arg(long, env = "SLIPWAY_RUNS")]
    runs: Option<usize>,
    /// How many runs are cut twice, drawn from those that were cut once
    #[arg(long, env = "SLIPWAY_PAIRS", default_value_t = 60)]
    pairs: usize,
    /// How often the program that is shipped is killed
    #[arg(long, env = "SLIPWAY_KILLS", default_value_t = 100)]
    kills: usize,
    /// How many of those at a time
    #[arg(long, default_value_t = 3)]
    lanes: usize,
    /// What the random choices are made from; left out: chosen and printed
    #[arg(long)]
    seed: Option<u64>,
    /// Leave the archives, journals and logs of all runs where they are
    #[arg(long)]
    keep: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("sweep: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool, SweepError> {
    let Arguments { only, fault, width, runs, pairs: twice, kills, lanes, seed, keep } = arguments;
    let seed = seed.unwrap_or_else(rand::random);
    println!("sweep: --seed {seed}");
    forget_failures();
    let plane = Plane::start()?;
    let mut site = Site::open(&plane).await?;
    if keep {
        println!("sweep: everything is kept in {}", site.keep().display());
    }
    let say = |line: &str| println!("sweep: {line}");
    let stories: Vec<&Scenario> = ALL.iter().filter(|story| story.name.contains(&only)).collect();
    let references = learn(&site, &stories, width).await?;
    for reference in &references {
        println!("sweep: {}: {} points", reference.scenario.name, reference.points.len());
    }
    let sample = Sample::of(&references, runs, seed);
    let wanted = |place, each: &Fault| each.to_string().contains(&fault) && sample.has(place, each);
    let (once, recoveries) = single(&site, &references, width, wanted, say).await;
    let two = pairs(&site, &recoveries, width, (seed, twice), say).await;
    let killed = kill(&site, seed, kills, lanes.max(1), say).await;
    say(&once.summary("single faults"));
    say(&two.summary("pairs of faults"));
    say(&killed.summary());
    // Once more at the end, where whoever reads only the last lines of a log finds it.
    let wrong: Vec<&String> = [&once.failures, &two.failures, &killed.failures].into_iter().flatten().collect();
    for each in &wrong {
        say(&format!("WRONG {each}"));
    }
    say(if wrong.is_empty() { "nothing lost, nothing doubled" } else { "not every run ended like its reference" });
    Ok(wrong.is_empty())
}
