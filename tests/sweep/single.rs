//! Every story, cut once at each of its effects in each way; and a sample of those cut twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures::{StreamExt as _, stream};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::case::{Case, Outcome};
use super::error::SweepError;
use super::fault::{Fault, Mode};
use super::point::Point;
use super::scenario::Scenario;
use super::site::Site;
use super::snapshot::differences;

/// How often a run that did not come to its point is made again.
const TRIES: usize = 2;

/// How a story ends when nobody cuts it, and where it can be cut.
#[derive(Debug)]
pub struct Reference {
    /// The story.
    pub scenario: &'static Scenario,
    /// Everything that is there at the end.
    pub snapshot: Value,
    /// Its effects, in the order of one run.
    pub points: Vec<Point>,
    /// Those that some runs do without: a request that was repeated, or skipped because nothing would change.
    pub optional: BTreeSet<Point>,
}

/// What a sweep has found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many effects were cut.
    pub points: usize,
    /// How many runs there were.
    pub runs: usize,
    /// How many faults happened in them.
    pub faults: usize,
    /// How often a controller was started in them.
    pub lives: usize,
    /// Events that should be there and are not.
    pub lost: usize,
    /// Events that are there more often than they should.
    pub doubled: usize,
    /// Changes of objects of releases beyond those of the reference.
    pub repeated: usize,
    /// What was different, a text for each run that went wrong.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether every run ended like its reference.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// The one line that matters.
    pub fn summary(&self, what: &str) -> String {
        let Self { points, runs, faults, lives, lost, doubled, repeated, failures } = self;
        let wrong = failures.len();
        let converged = if wrong == 0 { "all".to_owned() } else { format!("{wrong} did not; the others") };
        format!(
            "{what}: {points} points, {runs} runs, {faults} faults, {lives} lives; {converged} converged to the reference, \
             {lost} lost, {doubled} doubled, {repeated} repeated changing applies"
        )
    }

    /// Adds what one run has found.
    fn add(&mut self, title: &str, expected: &Value, outcome: Result<Outcome, SweepError>) -> bool {
        self.runs += 1;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.failures.push(format!("{title}: {error}"));
                return false;
            }
        };
        self.faults += outcome.fired;
        self.lives += outcome.lives;
        let differences = differences(expected, &outcome.snapshot);
        if differences.is_empty() {
            return true;
        }
        let (wanted, found) = (lengths(expected, "events"), lengths(&outcome.snapshot, "events"));
        self.lost += surplus(&wanted, &found);
        self.doubled += surplus(&found, &wanted);
        self.repeated += surplus(&lengths(&outcome.snapshot, "changes"), &lengths(expected, "changes"));
        self.failures.push(format!("{title}:\n    {}", differences.join("\n    ")));
        false
    }
}

/// How many there are of each, by name.
fn lengths(snapshot: &Value, of: &str) -> BTreeMap<String, usize> {
    let all = snapshot[of].as_object().into_iter().flatten();
    let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or(0);
    let count = |value: &Value| value.as_array().map_or_else(|| number(value), Vec::len);
    all.map(|(name, value)| (name.clone(), count(value))).collect()
}

/// How many more there are in the one than in the other.
fn surplus(one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>) -> usize {
    one.iter().map(|(name, count)| count.saturating_sub(other.get(name).copied().unwrap_or(0))).sum()
}

/// Tells each story twice without a fault: the two must end the same.
pub async fn learn(site: &Site, stories: &[&'static Scenario], width: usize) -> Result<Vec<Reference>, SweepError> {
    let runs = stories.iter().flat_map(|story| (0..2).map(move |run| (*story, run)));
    let told = stream::iter(runs).map(async |(story, run)| {
        let namespace = format!("learn-{}-{run}", story.name);
        Ok::<_, SweepError>((story.name, Case::run(site, story, &namespace, &[]).await?))
    });
    let told: Vec<_> = told.buffered(width).collect().await;
    let mut told = told.into_iter();
    let mut references = Vec::new();
    for scenario in stories {
        let (Some(first), Some(second)) = (told.next(), told.next()) else { break };
        let ((_, first), (_, second)) = (first?, second?);
        let differences = differences(&first.snapshot, &second.snapshot);
        if !differences.is_empty() {
            let text = format!("{} ends in two ways by itself:\n    {}", scenario.name, differences.join("\n    "));
            return Err(SweepError::Wrong(text));
        }
        let (one, other): (BTreeSet<Point>, BTreeSet<Point>) =
            (first.journal.points.iter().cloned().collect(), second.journal.points.into_iter().collect());
        let optional = one.symmetric_difference(&other).cloned().collect();
        let mut points = first.journal.points;
        points.extend(other.difference(&one).cloned());
        references.push(Reference { scenario, snapshot: first.snapshot, points, optional });
    }
    Ok(references)
}

/// Cuts each story once at each point in each way, `width` at a time.
pub async fn single(
    site: &Site,
    references: &[Reference],
    width: usize,
    wanted: impl Fn(&Reference, &Fault) -> bool,
    progress: impl Fn(&str),
) -> Report {
    let mut report = Report::default();
    let mut runs = Vec::new();
    for reference in references {
        for point in &reference.points {
            let before = runs.len();
            for mode in Mode::SWEPT {
                let fault = Fault { point: point.clone(), mode };
                if wanted(reference, &fault) {
                    runs.push((reference, vec![fault]));
                }
            }
            report.points += usize::from(runs.len() > before);
        }
    }
    run_all(site, runs, "cut", width, &mut report, progress).await;
    report
}

/// Cuts `count` runs twice: somewhere, and the process that follows somewhere too.
pub async fn pairs(
    site: &Site,
    references: &[Reference],
    width: usize,
    (seed, count): (u64, usize),
    progress: impl Fn(&str),
) -> Report {
    let mut random = StdRng::seed_from_u64(seed);
    let mut report = Report::default();
    let mut runs = Vec::new();
    let mut cut = BTreeSet::new();
    while runs.len() < count {
        let Some(reference) = references.choose(&mut random) else { break };
        let mut fault = |modes: &[Mode]| {
            let point = reference.points.choose(&mut random)?.clone();
            Some(Fault { point, mode: *modes.get(random.random_range(0..modes.len()))? })
        };
        // Only a process that ended is followed by another.
        let Some((first, second)) = fault(&[Mode::Before, Mode::After]).zip(fault(&Mode::SWEPT)) else { break };
        cut.extend([(reference.scenario.name, first.point.clone()), (reference.scenario.name, second.point.clone())]);
        runs.push((reference, vec![first, second]));
    }
    report.points = cut.len();
    run_all(site, runs, "pair", width, &mut report, progress).await;
    report
}

/// A single fault at an effect that every run has must happen, or nothing is proven.
fn missed(reference: &Reference, faults: &[Fault], outcome: &Result<Outcome, SweepError>) -> bool {
    faults.len() == 1
        && outcome.as_ref().is_ok_and(|outcome| outcome.fired == 0)
        && faults.iter().all(|fault| !reference.optional.contains(&fault.point))
}

async fn run_all(
    site: &Site,
    runs: Vec<(&Reference, Vec<Fault>)>,
    label: &str,
    width: usize,
    report: &mut Report,
    progress: impl Fn(&str),
) {
    let total = runs.len();
    let started = Instant::now();
    let cases = stream::iter(runs.into_iter().enumerate()).map(async |(number, (reference, faults))| {
        let mut namespace = format!("{label}-{number}");
        let mut outcome = Case::run(site, reference.scenario, &namespace, &faults).await;
        // On a busy machine a controller may lose its short lease before it comes to the point: then nothing was tried.
        for again in 1..=TRIES {
            if !missed(reference, &faults, &outcome) {
                break;
            }
            namespace = format!("{label}-{number}-{again}");
            outcome = Case::run(site, reference.scenario, &namespace, &faults).await;
        }
        (namespace, reference, faults, outcome)
    });
    let mut cases = std::pin::pin!(cases.buffer_unordered(width));
    while let Some((namespace, reference, faults, outcome)) = cases.next().await {
        let named: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let title = format!("{} {}, {}", namespace, reference.scenario.name, named.join(", then "));
        let missed = missed(reference, &faults, &outcome);
        let mut good = report.add(&title, &reference.snapshot, outcome);
        if good && missed {
            good = false;
            report.failures.push(format!("{title}: the run did not come to this point"));
        }
        if !good {
            let kept = site.set_aside(&namespace);
            if let Some(failure) = report.failures.last_mut() {
                failure.push_str(&format!("\n    see {}", kept.display()));
            }
            progress(&format!("WRONG {}", report.failures.last().map_or("", String::as_str)));
        }
        if report.runs.is_multiple_of(25) || report.runs == total {
            let seconds = started.elapsed().as_secs();
            progress(&format!("{label}: {}/{total} runs, {} wrong, {seconds} s", report.runs, report.failures.len()));
        }
    }
}
