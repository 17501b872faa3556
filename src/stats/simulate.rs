//! Simulated benches whose truth is known: whether 95 % intervals cover 95 %, and how often a difference is said where
//! there is none. The tests run some rounds of it, `scripts/simulate-statistics` many.

use super::bootstrap::Interval;
use super::permutation::holm;
use super::random::Random;
use super::ranks::signed_rank;
use super::serial::median_interval;
use super::verdict::{Comparison, Verdict, compare, compare_series, judge};
use statrs::distribution::{ContinuousCDF, Normal};

/// What single values look like. All are of the order of 100 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Normal, standard deviation 10.
    Normal,
    /// Log-normal, standard deviation of the logarithm 0.5: skewed to the right as start-ups are.
    LogNormal,
    /// Seven of ten around 100, three around 140: a cache that is hit or missed.
    Bimodal,
    /// First-order autoregression with this correlation: a host whose mood lasts.
    Autocorrelated(f64),
}

/// Those of the tests and of docs/statistics.md.
pub const SHAPES: [Shape; 5] =
    [Shape::Normal, Shape::LogNormal, Shape::Bimodal, Shape::Autocorrelated(0.3), Shape::Autocorrelated(0.6)];

impl Shape {
    /// A series of `n` values.
    pub fn series(self, n: usize, random: &mut Random) -> Vec<f64> {
        let mut before = random.normal();
        (0..n)
            .map(|_| match self {
                Shape::Normal => 100.0 + 10.0 * random.normal(),
                Shape::LogNormal => 100.0 * (0.5 * random.normal()).exp(),
                Shape::Bimodal => {
                    let middle = if random.uniform() < 0.7 { 100.0 } else { 140.0 };
                    middle + 5.0 * random.normal()
                }
                Shape::Autocorrelated(r) => {
                    before = r * before + (1.0 - r * r).sqrt() * random.normal();
                    100.0 + 10.0 * before
                }
            })
            .collect()
    }

    /// Its true median.
    pub fn median(self) -> f64 {
        match self {
            // 0.7 F((m - 100) / 5) = 0.5; the second hill adds nothing there that a double could hold.
            Shape::Bimodal => 100.0 + 5.0 * Normal::standard().inverse_cdf(0.5 / 0.7),
            _ => 100.0,
        }
    }
}

/// Share of 95 % intervals of the median that hold the truth, over `rounds` series of `n` values.
pub fn coverage_of_median(shape: Shape, n: usize, rounds: usize, resamples: usize, seed: u64) -> f64 {
    share(rounds, |round| {
        let mut random = Random::new(seed.wrapping_add(round as u64 * 7919));
        let values = shape.series(n, &mut random);
        median_interval(&values, resamples, round as u64).is_some_and(|i| i.holds(shape.median()))
    })
}

/// A bench of `blocks` blocks: pairs (net, gross), gross being `ratio` times as great. The values come one after
/// another, two in each block, in an order that a coin decides, as the schedule does; and the
/// host drifts: all are multiplied by a mood that walks slowly, with a tenth of the level for its standard deviation.
pub fn bench(shape: Shape, blocks: usize, ratio: f64, random: &mut Random) -> Vec<(f64, f64)> {
    let values = shape.series(2 * blocks, random);
    let mood = Shape::Autocorrelated(0.9).series(2 * blocks, random);
    let slots: Vec<f64> = values.iter().zip(&mood).map(|(v, m)| v * m / 100.0).collect();
    let pair = |s: &[f64], turned: bool| if turned { (s[1], s[0] * ratio) } else { (s[0], s[1] * ratio) };
    slots.chunks_exact(2).map(|s| pair(s, random.coin())).collect()
}

/// Share of the 95 % intervals of the ratio that hold it.
pub fn coverage_of_ratio(shape: Shape, blocks: usize, rounds: usize, seed: u64) -> f64 {
    share(rounds, |round| {
        let mut random = Random::new(seed.wrapping_add(round as u64 * 7919));
        let c = compare(&bench(shape, blocks, 1.5, &mut random), round as u64);
        c.and_then(|c| c.ratio_interval).is_some_and(|i: Interval| i.holds(1.5))
    })
}

/// Resamples of each series where thousands of pairs are compared.
const FEWER: usize = 1000;

/// Share of the 95 % intervals of the ratio of two series without blocks that hold it: sessions one after the other, of `n`
/// runs each, the second 1.5 times as slow.
pub fn coverage_of_unpaired(shape: Shape, n: usize, rounds: usize, seed: u64) -> f64 {
    share(rounds, |round| {
        let mut random = Random::new(seed.wrapping_add(round as u64 * 7919));
        let base = shape.series(n, &mut random);
        let new: Vec<f64> = shape.series(n, &mut random).iter().map(|v| v * 1.5).collect();
        let c = compare_series(&base, &new, FEWER, round as u64);
        c.and_then(|c| c.ratio_interval).is_some_and(|i| i.holds(1.5))
    })
}

/// Share of pairs of A/A sessions, one after the other and of `comparisons` targets each, with a false alarm or more.
pub fn false_alarms_unpaired(shape: Shape, comparisons: usize, n: usize, sessions: usize, seed: u64) -> f64 {
    share(sessions, |session| {
        let mut random = Random::new(seed.wrapping_add(session as u64 * 7919));
        let mut family: Vec<Comparison> = (0..comparisons as u64)
            .filter_map(|i| {
                compare_series(&shape.series(n, &mut random), &shape.series(n, &mut random), FEWER, i)
            })
            .collect();
        judge(&mut family, 0.0);
        family.iter().any(|c| matches!(c.verdict, Verdict::More | Verdict::Less))
    })
}

/// Share of A/A sessions with a false alarm or more: each compares `comparisons` pairs of targets that are the same, over
/// `blocks` blocks, and judges them together as a report does.
pub fn false_alarms(shape: Shape, comparisons: usize, blocks: usize, sessions: usize, seed: u64) -> f64 {
    share(sessions, |session| {
        let mut random = Random::new(seed.wrapping_add(session as u64 * 7919));
        let benches: Vec<_> = (0..comparisons).map(|_| bench(shape, blocks, 1.0, &mut random)).collect();
        // No verdict without a corrected p below 5 %: most sessions are spared their bootstraps.
        if holm(&benches.iter().map(|b| p_of(b)).collect::<Vec<_>>()).iter().all(|p| *p >= 0.05) {
            return false;
        }
        let mut family: Vec<Comparison> = (0..).zip(&benches).filter_map(|(i, b)| compare(b, i)).collect();
        judge(&mut family, 0.0);
        family.iter().any(|c| matches!(c.verdict, Verdict::More | Verdict::Less))
    })
}

/// Share of sessions that tell a target that is `ratio` times as slow from the other, one comparison each.
pub fn detected(shape: Shape, ratio: f64, blocks: usize, sessions: usize, seed: u64) -> f64 {
    share(sessions, |session| {
        let mut random = Random::new(seed.wrapping_add(session as u64 * 7919));
        let pairs = bench(shape, blocks, ratio, &mut random);
        p_of(&pairs) < 0.05 && compare(&pairs, session as u64).is_some_and(|c| c.verdict == Verdict::More)
    })
}

fn p_of(pairs: &[(f64, f64)]) -> f64 {
    signed_rank(&pairs.iter().map(|(net, gross)| gross - net).collect::<Vec<_>>())
}

fn share(rounds: usize, mut holds: impl FnMut(usize) -> bool) -> f64 {
    (0..rounds).filter(|round| holds(*round)).count() as f64 / rounds.max(1) as f64
}
