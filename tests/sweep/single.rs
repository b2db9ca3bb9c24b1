//! Every story, cut once at each of its effects in each way; and a sample of those cut twice.
//!
//! Every run is compared with its reference, also one whose fault did not happen. Only then is it asked whether it proved
//! what it was to prove: a first process that came to its end without its fault has effects other than the reference's,
//! and that is wrong; one whose lease ran out before it came to its fault has proved nothing, and the run is made again.

use std::collections::BTreeSet;
use std::time::Instant;

use futures::{StreamExt as _, stream};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::case::{Case, Outcome};
use super::fault::{Fault, Mode};
use super::learn::{Reference, TRIES};
use super::point::Point;
use super::process::Journal;
use super::report::Report;
use super::site::Site;

/// A process that recovered from a fault, and the effects that it had: where a second fault can happen.
#[derive(Debug)]
pub struct Recovery<'a> {
    /// How the story ends.
    pub reference: &'a Reference,
    /// What it recovered from.
    pub first: Fault,
    /// Its effects.
    pub points: Vec<Point>,
}

/// A run to be made.
#[derive(Debug, Clone)]
struct Run<'a> {
    reference: &'a Reference,
    faults: Vec<Fault>,
    name: String,
}

impl Run<'_> {
    fn title(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        format!("{} {}, {}", self.name, self.reference.scenario.name, faults.join(", then "))
    }
}

/// A run that was made, and in which nothing was wrong.
#[derive(Debug)]
struct Made<'a> {
    run: Run<'a>,
    journals: Vec<Journal>,
    /// It never came to its end, or not every change of an object was seen.
    blind: bool,
}

impl Made<'_> {
    fn fired(&self) -> usize {
        self.journals.iter().filter(|journal| journal.fired.is_some()).count()
    }

    /// The faults that did not happen: those of the processes that ended before they came to them.
    fn missed(&self) -> impl Iterator<Item = String> {
        let fired = |at: usize| self.journals.get(at).is_some_and(|journal| journal.fired.is_some());
        let missed = self.run.faults.iter().enumerate().filter(move |(at, _)| !fired(*at));
        missed.map(|(_, fault)| format!("{} {fault}", self.run.reference.scenario.name))
    }
}

/// What all runs of one kind are counted in.
struct Sweep<'a, P> {
    site: &'a Site,
    label: &'static str,
    started: Instant,
    progress: P,
    report: Report,
}

impl<'a, P: Fn(&str)> Sweep<'a, P> {
    fn new(site: &'a Site, label: &'static str, progress: P) -> Self {
        Self { site, label, started: Instant::now(), progress, report: Report::default() }
    }

    /// Makes runs, `width` at a time. Returns those with which nothing was wrong, in their order.
    async fn make<'r>(&mut self, runs: Vec<Run<'r>>, width: usize) -> Vec<Made<'r>> {
        let (site, total) = (self.site, self.report.runs + runs.len());
        let cases = stream::iter(runs.into_iter().enumerate()).map(async |(at, run)| {
            let outcome = Case::run(site, run.reference.scenario, &run.name, &run.faults).await;
            (at, run, outcome)
        });
        let mut cases = std::pin::pin!(cases.buffer_unordered(width));
        let mut made = Vec::new();
        while let Some((at, run, outcome)) = cases.next().await {
            made.extend(self.made(run, outcome).map(|made| (at, made)));
            let Report { runs, failures, .. } = &self.report;
            if runs.is_multiple_of(25) || *runs == total {
                let seconds = self.started.elapsed().as_secs();
                (self.progress)(&format!("{}: {runs}/{total} runs, {} wrong, {seconds} s", self.label, failures.len()));
            }
        }
        made.sort_by_key(|(at, _)| *at);
        made.into_iter().map(|(_, made)| made).collect()
    }

    fn made<'r>(&mut self, run: Run<'r>, outcome: Outcome) -> Option<Made<'r>> {
        let mut wrong = self.report.judge(run.reference, &outcome);
        let blind = outcome.end.is_err() || !outcome.relisted.is_empty();
        let made = Made { run, journals: outcome.journals, blind };
        if wrong.is_none() && outcome.end.is_ok() && made.fired() == 0 && made.journals.len() == 1 {
            wrong = Some("the controller was not cut: it never came to this point".to_owned());
        }
        if let Some(text) = wrong {
            let kept = self.site.set_aside(&made.run.name);
            if let Ok(found) = &outcome.end {
                // What it came to, and what it should have come to, whole.
                for (name, value) in [("found.json", found), ("expected.json", &made.run.reference.snapshot)] {
                    let _ = std::fs::write(kept.join(name), format!("{value:#}\n"));
                }
            }
            self.wrong(format!("{}: {text}\n    see {}", made.run.title(), kept.display()));
            return None;
        }
        let complete = made.fired() == made.run.faults.len() && !made.blind;
        self.report.complete += usize::from(complete);
        self.report.unfired.extend(made.missed());
        Some(made)
    }

    fn wrong(&mut self, text: String) {
        (self.progress)(&format!("WRONG {text}"));
        self.report.failures.push(text);
    }
}

/// Cuts each story once at each point in each way that is `wanted`, which is told the how-many-th of all points it is;
/// `width` at a time. Returns also what recovered, for [`pairs`].
pub async fn single<'a>(
    site: &Site,
    references: &'a [Reference],
    width: usize,
    wanted: impl Fn(usize, &Fault) -> bool,
    progress: impl Fn(&str),
) -> (Report, Vec<Recovery<'a>>) {
    let mut sweep = Sweep::new(site, "cut", progress);
    let mut runs = Vec::new();
    let mut place = 0;
    for reference in references {
        for point in &reference.points {
            let before = runs.len();
            for mode in Mode::SWEPT {
                let fault = Fault { point: point.clone(), mode };
                if wanted(place, &fault) {
                    runs.push(Run { reference, faults: vec![fault], name: format!("cut-{}", runs.len()) });
                }
            }
            sweep.report.points += usize::from(runs.len() > before);
            place += 1;
        }
    }
    let mut recoveries = Vec::new();
    let mut at_once = width;
    for again in 1..=TRIES + 1 {
        let mut unproven = Vec::new();
        for made in sweep.make(runs, at_once).await {
            if made.fired() == 0 || made.blind {
                unproven.push(made.run);
            } else {
                recoveries.extend(recovery(made));
            }
        }
        // Alone, so that nothing but the story keeps the machine busy.
        at_once = 1;
        if again > TRIES {
            for run in unproven {
                sweep.report.tally.unjudged += 1;
                sweep.wrong(format!("{}: made {again} times, and proved nothing in any of them", run.title()));
            }
            break;
        }
        if unproven.is_empty() {
            break;
        }
        let renamed = unproven.into_iter().map(|run| Run { name: format!("{}-{again}", run.name), ..run });
        runs = renamed.collect();
    }
    (sweep.report, recoveries)
}

/// Where a run that was cut once can be cut a second time: in the process that recovers, if it was only one.
fn recovery(made: Made<'_>) -> Option<Recovery<'_>> {
    let [_, second] = made.journals.as_slice() else { return None };
    let first = made.run.faults.into_iter().next().filter(|fault| matches!(fault.mode, Mode::Before | Mode::After))?;
    let reference = made.run.reference;
    let needed = |point: &&Point| reference.scenario.excused(point).is_none();
    let points: Vec<Point> = second.points.iter().filter(needed).cloned().collect();
    (!points.is_empty()).then_some(Recovery { reference, first, points })
}

/// Cuts `count` runs twice: somewhere, and the process that recovers at one of the effects that it is known to have.
///
/// A process that recovers may have other effects the next time; pairs are drawn until `count` runs were cut twice.
pub async fn pairs(
    site: &Site,
    recoveries: &[Recovery<'_>],
    width: usize,
    (seed, count): (u64, usize),
    progress: impl Fn(&str),
) -> Report {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sweep = Sweep::new(site, "pair", progress);
    let mut cut = BTreeSet::new();
    let mut drawn = 0;
    let most = count * TRIES;
    while sweep.report.complete < count && drawn < most {
        let mut runs = Vec::new();
        while runs.len() < (count - sweep.report.complete).min(most - drawn) {
            let Some(Recovery { reference, first, points }) = recoveries.choose(&mut random) else { break };
            let Some(point) = points.choose(&mut random).cloned() else { break };
            let mode = Mode::SWEPT[random.random_range(0..Mode::SWEPT.len())];
            let second = Fault { point, mode };
            cut.extend([first, &second].map(|fault| (reference.scenario.name, fault.point.clone())));
            let name = format!("pair-{}", drawn + runs.len());
            runs.push(Run { reference, faults: vec![first.clone(), second], name });
        }
        if runs.is_empty() {
            break;
        }
        drawn += runs.len();
        sweep.make(runs, width).await;
    }
    sweep.report.points = cut.len();
    if sweep.report.complete < count {
        sweep.wrong(format!("only {} of {drawn} runs could be cut twice, of {count}", sweep.report.complete));
    }
    sweep.report
}
