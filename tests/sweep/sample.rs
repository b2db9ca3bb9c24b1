//! Fewer runs where there is less time: of the ways to cut an effect some are left out, and of the effects none.

use super::fault::{Fault, Mode};
use super::learn::Reference;

/// Which runs with one fault are made.
#[derive(Debug, Clone)]
pub struct Sample {
    rounds: usize,
    /// How many effects are cut once more than `rounds` times.
    more: usize,
    /// Which way comes first. One that is left out today has its turn another time.
    first: usize,
}

impl Sample {
    /// About `count` runs of all that there are, and at least one for each effect; None for all. Which ones, the seed says.
    pub fn of(references: &[Reference], count: Option<usize>, seed: u64) -> Self {
        let effects: usize = references.iter().map(|reference| reference.points.len()).sum();
        let all = effects * Mode::SWEPT.len();
        let count = count.unwrap_or(all).clamp(effects, all);
        let ways = Mode::SWEPT.len() as u64;
        Self {
            rounds: count.checked_div(effects).unwrap_or_default(),
            more: count.checked_rem(effects).unwrap_or_default(),
            first: usize::try_from(seed % ways).unwrap_or_default(),
        }
    }

    /// Whether the run with this fault is one of them, at the effect that is the `place`th of all.
    ///
    /// Each effect begins with another way than the one before it, so that every way is taken equally often.
    pub fn has(&self, place: usize, fault: &Fault) -> bool {
        let ways = Mode::SWEPT.len();
        let way = Mode::SWEPT.iter().position(|mode| *mode == fault.mode).unwrap_or_default();
        let turn = (way + place + self.first) % ways;
        turn < self.rounds + usize::from(place < self.more)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::point::Point;
    use super::super::scenario::ALL;
    use super::*;

    fn references(effects: usize) -> Vec<Reference> {
        let points = (0..effects).map(|number| Point { name: format!("patch web/{number}"), number: 1 }).collect();
        vec![Reference { scenario: &ALL[0], snapshot: json!({}), points }]
    }

    /// How often each effect is cut, and how often in each way.
    fn cuts(count: Option<usize>, effects: usize) -> (Vec<usize>, BTreeMap<Mode, usize>) {
        let references = references(effects);
        let sample = Sample::of(&references, count, 7);
        let (mut by_effect, mut by_mode) = (Vec::new(), BTreeMap::new());
        for (place, point) in references[0].points.iter().enumerate() {
            let made = Mode::SWEPT.map(|mode| Fault { point: point.clone(), mode });
            let made: Vec<_> = made.into_iter().filter(|fault| sample.has(place, fault)).collect();
            by_effect.push(made.len());
            for fault in made {
                *by_mode.entry(fault.mode).or_default() += 1;
            }
        }
        (by_effect, by_mode)
    }

    #[test]
    fn all_are_made_where_nobody_asks_for_fewer() {
        assert_eq!(cuts(None, 8).0, [4; 8]);
        assert_eq!(cuts(Some(99), 8).0, [4; 8]);
    }

    #[test]
    fn no_effect_and_no_way_is_left_out() {
        let (by_effect, by_mode) = cuts(Some(0), 8);
        assert_eq!(by_effect, [1; 8]);
        assert_eq!(by_mode.into_values().collect::<Vec<_>>(), [2; 4]);
        let (by_effect, by_mode) = cuts(Some(20), 8);
        assert_eq!(by_effect, [3, 3, 3, 3, 2, 2, 2, 2]);
        assert_eq!(by_mode.into_values().collect::<Vec<_>>(), [5; 4]);
    }
}
