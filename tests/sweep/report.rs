//! What a sweep has found. Nothing that went wrong, or that did not happen, is left out of it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::case::Outcome;
use super::error::{SweepError, Verdict};
use super::learn::Reference;
use super::point::Point;
use super::process::Journal;
use super::snapshot::differences;

/// What became of the history, over all runs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Events that should be there and are not.
    pub lost: usize,
    /// Events that are there more often than they should.
    pub doubled: usize,
    /// Runs that never came to where they could be compared. Each is a failure.
    pub unjudged: usize,
}

impl Tally {
    /// Counts a run that ended in an error.
    pub fn count(&mut self, error: &SweepError) {
        match error.verdict() {
            Verdict::Lost => self.lost += 1,
            Verdict::Doubled => self.doubled += 1,
            Verdict::Unjudged => self.unjudged += 1,
        }
    }

    /// Adds what others have found.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.unjudged += other.unjudged;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, unjudged } = self;
        write!(f, "{lost} lost, {doubled} doubled, {unjudged} not judged")
    }
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
    /// How many runs had every fault that they were to have.
    pub complete: usize,
    /// How often a controller was started in them.
    pub lives: usize,
    /// What became of the history.
    pub tally: Tally,
    /// Changes of objects of releases beyond those of the reference.
    pub repeated: usize,
    /// The faults that did not happen in a run whose first process ended before it came to them.
    pub unfired: Vec<String>,
    /// What was different, a text for each run that went wrong.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether every run ended like its reference.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// The lines that matter.
    pub fn summary(&self, what: &str) -> String {
        let Self { points, runs, faults, complete, lives, tally, repeated, unfired, failures } = self;
        let wrong = failures.len();
        let converged = if wrong == 0 { "all".to_owned() } else { format!("{wrong} did not; the others") };
        let missed = match unfired.as_slice() {
            [] => String::new(),
            names => format!("; {} faults did not happen: {}", names.len(), names.join(", ")),
        };
        format!(
            "{what}: {points} points, {runs} runs, {faults} faults, {complete} runs with all of theirs, {lives} lives; \
             {converged} converged to the reference, {tally}, {repeated} repeated changing applies{missed}"
        )
    }

    /// Compares what one run has come to. Returns what is wrong with it.
    pub fn judge(&mut self, reference: &Reference, outcome: &Outcome) -> Option<String> {
        self.runs += 1;
        self.faults += outcome.fired();
        self.lives += outcome.lives();
        let found = match &outcome.end {
            Ok(found) => found,
            // It says nothing, and so is made again.
            Err(SweepError::Starved(_)) => return None,
            Err(error) => {
                self.tally.count(error);
                return Some(error.to_string());
            }
        };
        let mut lines = differences(&reference.snapshot, found);
        if !lines.is_empty() {
            let (wanted, got) = (events(&reference.snapshot), events(found));
            self.tally.lost += surplus(&wanted, &got);
            self.tally.doubled += surplus(&got, &wanted);
            self.repeated += surplus(&changes(found), &changes(&reference.snapshot));
            if !outcome.relisted.is_empty() {
                let kinds = outcome.relisted.join(", ");
                lines.push(format!("the watch of {kinds} began anew meanwhile: not every change was seen"));
            }
        }
        // Until something is broken, every run has the effects of the reference.
        let first = outcome.journals.first().map(Journal::undisturbed).unwrap_or_default();
        let scenario = reference.scenario;
        let strange = |point: &&Point| !reference.points.contains(point) && scenario.excused(point).is_none();
        lines.extend(first.iter().filter(strange).map(|point| format!("{point}: no effect of the reference")));
        if lines.is_empty() { None } else { Some(format!("\n    {}", lines.join("\n    "))) }
    }
}

/// How often each resource's history has each action, in each environment.
fn events(snapshot: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (name, history) in snapshot["events"].as_object().into_iter().flatten() {
        for event in history.as_array().into_iter().flatten() {
            *counts.entry(format!("{name} {} {}", event["name"], event["action"])).or_default() += 1;
        }
    }
    counts
}

/// How often each object was changed.
fn changes(snapshot: &Value) -> BTreeMap<String, usize> {
    let all = snapshot["changes"].as_object().into_iter().flatten();
    let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or(0);
    all.map(|(name, value)| (name.clone(), number(value))).collect()
}

/// How many more there are in the one than in the other.
fn surplus(one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>) -> usize {
    one.iter().map(|(name, count)| count.saturating_sub(other.get(name).copied().unwrap_or(0))).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::scenario::ALL;
    use super::*;

    fn snapshot(actions: &[&str], changes: usize) -> Value {
        let events: Vec<Value> = actions.iter().map(|action| json!({"name": "web-v1", "action": action})).collect();
        json!({"events": {"<web-v1>": events}, "changes": {"ConfigMap/web": changes}})
    }

    fn point(name: &str) -> Point {
        Point { name: name.to_owned(), number: 1 }
    }

    fn judged(end: Result<Value, SweepError>, points: &[&str]) -> (Report, bool) {
        let snapshot = snapshot(&["release.created", "release.applied"], 1);
        let reference = Reference { scenario: &ALL[0], snapshot, points: vec![point("commit epoch")] };
        let journal = Journal { points: points.iter().map(|name| point(name)).collect(), fired: None };
        let mut report = Report::default();
        let outcome = Outcome { end, journals: vec![journal], relisted: Vec::new() };
        let wrong = report.judge(&reference, &outcome).is_some();
        (report, wrong)
    }

    #[test]
    fn what_is_lost_doubled_or_never_compared_is_counted_as_that() {
        let tally = |end| judged(end, &[]).0.tally;
        let of = |lost, doubled, unjudged| Tally { lost, doubled, unjudged };
        assert_eq!(tally(Ok(snapshot(&["release.created"], 1))), of(1, 0, 0));
        assert_eq!(tally(Ok(snapshot(&["release.created", "release.applied", "release.applied"], 1))), of(0, 1, 0));
        // As many events as there should be, but not those.
        assert_eq!(tally(Ok(snapshot(&["release.created", "release.created"], 1))), of(1, 1, 0));
        assert_eq!(tally(Err(SweepError::Lost("a gap".to_owned()))), of(1, 0, 0));
        assert_eq!(tally(Err(SweepError::Doubled("twice".to_owned()))), of(0, 1, 0));
        assert_eq!(tally(Err(SweepError::Wrong("it never ended".to_owned()))), of(0, 0, 1));
    }

    #[test]
    fn a_run_is_well_only_if_it_ends_as_the_reference_by_the_effects_of_the_reference() {
        let good = || Ok(snapshot(&["release.created", "release.applied"], 1));
        assert!(!judged(good(), &["commit epoch"]).1);
        assert!(judged(good(), &["commit epoch", "delete configmaps/web"]).1);
        assert!(judged(Err(SweepError::Wrong("it never ended".to_owned())), &[]).1);
        let (report, wrong) = judged(Ok(snapshot(&["release.created", "release.applied"], 2)), &[]);
        assert!(wrong && report.repeated == 1);
    }

    #[test]
    fn more_of_one_name_does_not_make_up_for_less_of_another() {
        let (one, other) = (BTreeMap::from([("a".to_owned(), 2)]), BTreeMap::from([("b".to_owned(), 2)]));
        assert_eq!((surplus(&one, &other), surplus(&other, &one)), (2, 2));
    }
}
