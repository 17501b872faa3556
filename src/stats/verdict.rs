//! Paired comparison of two targets, block by block.

use super::bootstrap::{Interval, RESAMPLES, bca};
use super::describe::median;

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The interval of the difference lies above zero.
    More,
    /// It lies below zero.
    Less,
    /// It holds zero.
    NoDifferenceShown,
    /// Fewer than five blocks: an interval of so few says little.
    TooFew,
}

/// Gross against net over the blocks that have both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Number of pairs.
    pub pairs: usize,
    /// Median of the differences gross - net.
    pub tare: f64,
    /// Of it.
    pub tare_interval: Option<Interval>,
    /// Median of the ratios gross / net; none where a net is zero.
    pub ratio: Option<f64>,
    /// Of it.
    pub ratio_interval: Option<Interval>,
    /// See there.
    pub verdict: Verdict,
}

/// Fewest pairs for a verdict: five of the same sign are the least that a sign test can call at all (2^-4 two-sided).
const ENOUGH: usize = 5;

/// Compares pairs (net, gross). Resampling pairs is resampling blocks: what hit a block hit both of its runs, and
/// leaves the difference. None of nothing.
pub fn compare(pairs: &[(f64, f64)], seed: u64) -> Option<Comparison> {
    let differences: Vec<f64> = pairs.iter().map(|(net, gross)| gross - net).collect();
    let ratios: Vec<f64> =
        pairs.iter().filter(|(net, _)| *net > 0.0).map(|(net, gross)| gross / net).collect();
    let whole = ratios.len() == pairs.len();
    let tare_interval = bca(&differences, RESAMPLES, seed);
    let verdict = match tare_interval {
        _ if pairs.len() < ENOUGH => Verdict::TooFew,
        Some(i) if i.low > 0.0 => Verdict::More,
        Some(i) if i.high < 0.0 => Verdict::Less,
        _ => Verdict::NoDifferenceShown,
    };
    Some(Comparison {
        pairs: pairs.len(),
        tare: median(&differences)?,
        tare_interval,
        ratio: whole.then(|| median(&ratios)).flatten(),
        ratio_interval: whole.then(|| bca(&ratios, RESAMPLES, seed.wrapping_add(1))).flatten(),
        verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_that_hits_both_is_no_difference_and_a_shift_is_one() {
        let drift: Vec<(f64, f64)> =
            (0..20).map(|i| f64::from(i) * 10.0).map(|d| (100.0 + d, 102.0 + d)).collect();
        let c = compare(&drift, 3).expect("comparison");
        assert_eq!((c.tare, c.verdict), (2.0, Verdict::More));
        let noise: Vec<(f64, f64)> = (0..20).map(|i| (100.0, 100.0 + f64::from(i % 2) * 2.0 - 1.0)).collect();
        assert_eq!(compare(&noise, 3).expect("comparison").verdict, Verdict::NoDifferenceShown);
        assert_eq!(compare(&[(1.0, 2.0); 4], 3).expect("comparison").verdict, Verdict::TooFew);
        let c = compare(&[(0.0, 2.0); 9], 3).expect("comparison");
        assert_eq!((c.ratio, c.tare), (None, 2.0));
    }
}
