//! How each story ends when nobody cuts it, and by which effects: what every other run is compared with.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::case::{Case, Outcome};
use super::error::SweepError;
use super::point::Point;
use super::scenario::Scenario;
use super::site::Site;
use super::snapshot::differences;

/// How often a run that proves nothing is made again.
pub(super) const TRIES: usize = 3;

/// How a story ends when nobody cuts it, and where it can be cut.
#[derive(Debug)]
pub struct Reference {
    /// The story.
    pub scenario: &'static Scenario,
    /// Everything that is there at the end.
    pub snapshot: Value,
    /// Its effects, in the order of one run, without those that a run may do without.
    pub points: Vec<Point>,
}

/// Tells each story twice without a fault: the two must end the same, by the same effects.
pub async fn learn(site: &Site, stories: &[&'static Scenario], width: usize) -> Result<Vec<Reference>, SweepError> {
    let runs = stories.iter().flat_map(|story| (0..2).map(move |run| (*story, run)));
    let told = stream::iter(runs).map(async |(story, run)| undisturbed(site, story, run).await);
    let told: Vec<_> = told.buffered(width).collect().await;
    let mut told = told.into_iter();
    let mut references = Vec::new();
    for scenario in stories {
        let (Some(first), Some(second)) = (told.next(), told.next()) else { break };
        references.push(reference(scenario, first?, second?)?);
    }
    Ok(references)
}

/// A story as one process tells it, and its effects.
type Told = (Value, Vec<Point>);

/// Tells a story without a fault, in one life: one whose lease ran out on a busy machine says nothing about the story.
async fn undisturbed(site: &Site, story: &'static Scenario, run: usize) -> Result<Told, SweepError> {
    let mut said = String::new();
    for again in 0..=TRIES {
        let namespace = format!("learn-{}-{run}-{again}", story.name);
        let Outcome { end, mut journals, relisted } = Case::run(site, story, &namespace, &[]).await;
        if let Err(SweepError::Starved(times)) = end {
            said = format!("the lease was lost {times} times");
            continue;
        }
        let snapshot = end.map_err(|error| {
            let kept = site.set_aside(&namespace);
            SweepError::Wrong(format!("{} without a fault: {error}; see {}", story.name, kept.display()))
        })?;
        match (journals.pop(), journals.len()) {
            (Some(journal), 0) if relisted.is_empty() => return Ok((snapshot, journal.points)),
            (_, more) => said = format!("{} lives, watches begun anew: {relisted:?}", more + 1),
        }
    }
    let text = format!("{}: told {} times without a fault and never in one life: {said}", story.name, TRIES + 1);
    Err(SweepError::Wrong(text))
}

fn reference(scenario: &'static Scenario, first: Told, second: Told) -> Result<Reference, SweepError> {
    let ((snapshot, points), (other_end, others)) = (first, second);
    let differences = differences(&snapshot, &other_end);
    if !differences.is_empty() {
        let text = format!("{} ends in two ways by itself:\n    {}", scenario.name, differences.join("\n    "));
        return Err(SweepError::Wrong(text));
    }
    let needed = |points: &[Point]| -> BTreeSet<Point> {
        points.iter().filter(|point| scenario.excused(point).is_none()).cloned().collect()
    };
    let (one, other) = (needed(&points), needed(&others));
    let unsure: Vec<String> = one.symmetric_difference(&other).map(ToString::to_string).collect();
    if !unsure.is_empty() {
        let text = format!("{} has these effects in one run and not in another: {}", scenario.name, unsure.join(", "));
        return Err(SweepError::Wrong(text));
    }
    let points = points.into_iter().filter(|point| one.contains(point)).collect();
    Ok(Reference { scenario, snapshot, points })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scenario::ALL;
    use super::*;

    fn told(points: &[&str]) -> Told {
        (json!({}), points.iter().map(|name| Point { name: (*name).to_owned(), number: 1 }).collect())
    }

    #[test]
    fn a_story_that_has_an_effect_only_sometimes_is_refused_and_names_it() {
        let refused = reference(&ALL[0], told(&["commit epoch", "renew lease"]), told(&["commit epoch"]));
        assert!(refused.unwrap_err().to_string().ends_with("not in another: renew lease #1"));
        // One that is excused is no point, whether it was there or not.
        let mut more = told(&["commit epoch", "commit record environments"]);
        more.1.push(Point { name: "commit record environments".to_owned(), number: 2 });
        let less = told(&["commit epoch", "commit record environments"]);
        assert_eq!(reference(&ALL[0], more, less).unwrap().points.len(), 2);
    }
}
