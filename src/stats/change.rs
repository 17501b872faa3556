//! Change points of a history: where the level of a figure moved.

use super::random::Random;
use super::ranks::mid_ranks;

/// Where a series changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Index of the first value of the new level.
    pub at: usize,
    /// Chance of so great a change were the order of its part of the series drawn at random.
    pub p: f64,
}

/// Fewest values on each side.
const SIDE: usize = 3;

/// Change points by binary segmentation (Scott and Knott 1974) with Pettitt's statistic ("A Non-Parametric Approach to
/// the Change-Point Problem", 1979): the split with the greatest |U| of Mann and Whitney is a change where a permutation test
/// gives it less than 1 %; both parts are then searched in turn. Ranks: a single outlier is no change.
pub fn changes(values: &[f64], resamples: usize, seed: u64) -> Vec<Change> {
    let mut found = Vec::new();
    let mut parts = vec![(0, values.len())];
    while let Some((from, to)) = parts.pop() {
        let Some((split, greatest)) = pettitt(&values[from..to]) else { continue };
        let mut random = Random::new(seed ^ (from as u64) << 32 ^ to as u64);
        let mut shuffled = values[from..to].to_vec();
        let hits = (0..resamples)
            .filter(|_| {
                random.shuffle(&mut shuffled);
                pettitt(&shuffled).is_some_and(|p| p.1 >= greatest)
            })
            .count();
        let p = (hits + 1) as f64 / (resamples + 1) as f64;
        if p < 0.01 {
            found.push(Change { at: from + split, p });
            parts.extend([(from, from + split), (from + split, to)]);
        }
    }
    found.sort_by_key(|c| c.at);
    found
}

/// The split with the greatest |U_t| = |2 sum of the first t ranks - t (n + 1)|, and that value.
pub(super) fn pettitt(values: &[f64]) -> Option<(usize, f64)> {
    let n = values.len();
    if n < 2 * SIDE {
        return None;
    }
    let ranks = mid_ranks(values);
    let mut sum = 0.0;
    let mut best: Option<(usize, f64)> = None;
    for (i, rank) in ranks.iter().enumerate().take(n - SIDE) {
        sum += rank;
        let t = i + 1;
        let u = (2.0 * sum - t as f64 * (n as f64 + 1.0)).abs();
        if t >= SIDE && best.is_none_or(|b| u > b.1) {
            best = Some((t, u));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_and_noise_and_a_single_outlier_are_not() {
        let mut random = Random::new(2);
        let mut level = |n: usize, at: f64| (0..n).map(|_| at + random.normal()).collect::<Vec<_>>();
        let steps = [level(15, 100.0), level(15, 110.0), level(15, 104.0)].concat();
        let at: Vec<usize> = changes(&steps, 999, 1).iter().map(|c| c.at).collect();
        assert!(matches!(at[..], [14..=16, 29..=31]), "{at:?}");
        let mut flat = level(40, 100.0);
        flat[20] = 900.0;
        assert_eq!(changes(&flat, 999, 1), []);
        assert_eq!(changes(&[1.0; 4], 99, 1), []);
    }
}
