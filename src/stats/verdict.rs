//! What may be said of two targets.

use super::bootstrap::{Interval, RESAMPLES};
use super::cluster::{Block, Contrast, cluster_bootstrap};
use super::describe::median;
use super::few::independent_interval;
use super::permutation::holm;
use super::power::FEWEST;
use super::ranks::signed_rank;
use super::unpaired::against;

/// See the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The difference lies above zero.
    More,
    /// It lies below zero.
    Less,
    /// Neither is shown.
    NoDifferenceShown,
    /// So few runs could not show a difference, however great.
    TooFew,
}

/// Gross against net.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Number of pairs, or of values in the smaller sample.
    pub pairs: usize,
    /// Median of the differences gross - net; of unpaired samples, the difference of the medians.
    pub tare: f64,
    /// Of it.
    pub tare_interval: Option<Interval>,
    /// Median of the ratios gross / net; none where a net is zero. Of series without blocks, the ratio of the medians.
    pub ratio: Option<f64>,
    /// Of it.
    pub ratio_interval: Option<Interval>,
    /// Chance of so clear a difference if there were none: [`signed_rank`], without blocks that of their intervals.
    pub p: f64,
    /// Least `p` that so many runs can give.
    pub least_p: f64,
    /// Of this comparison alone; [`judge`] gives those of a whole report.
    pub verdict: Verdict,
}

/// What is asked of p, once it is corrected: under the 5 % that are promised, so that the false alarms of a thousand
/// simulated sessions stay within them in spite of their own scatter.
const ALPHA: f64 = 0.04;

/// Compares pairs (net, gross) in the order of their blocks. Resampling pairs is resampling blocks: what hit a block hit
/// both of its runs, and leaves the difference; and the order within a block is drawn by lot, so that differences do not
/// depend on one another even where runs do. None of nothing.
pub fn compare(pairs: &[(f64, f64)], seed: u64) -> Option<Comparison> {
    let differences: Vec<f64> = pairs.iter().map(|(net, gross)| gross - net).collect();
    let ratios: Vec<f64> =
        pairs.iter().filter(|(net, _)| *net > 0.0).map(|(net, gross)| gross / net).collect();
    let whole = ratios.len() == pairs.len();
    let comparison = Comparison {
        pairs: pairs.len(),
        tare: median(&differences)?,
        tare_interval: independent_interval(&differences, seed),
        ratio: whole.then(|| median(&ratios)).flatten(),
        ratio_interval: whole.then(|| independent_interval(&ratios, seed.wrapping_add(1))).flatten(),
        p: signed_rank(&differences),
        least_p: least_of_pairs(pairs.len()),
        verdict: Verdict::TooFew,
    };
    Some(comparison.alone())
}

/// Compares blocks in their order, with any number of values on either side. Where each has one of either, these are pairs
/// ([`compare`]). Else values of one block are not independent of one another: difference and ratio are those of the
/// medians, whole blocks are resampled ([`cluster_bootstrap`]), and p is that of the blocks' own differences of medians.
/// Blocks without a value on one side are left out. None of nothing.
pub fn compare_blocks(blocks: &[Block], seed: u64) -> Option<Comparison> {
    let whole: Vec<Block> =
        blocks.iter().filter(|b| !b.base.is_empty() && !b.new.is_empty()).cloned().collect();
    let pairs: Vec<(f64, f64)> =
        whole.iter().filter_map(|b| Some((median(&b.base)?, median(&b.new)?))).collect();
    let mut comparison = compare(&pairs, seed)?;
    if whole.iter().all(|b| b.base.len() == 1 && b.new.len() == 1) {
        return Some(comparison);
    }
    let of = |contrast, seed| cluster_bootstrap(&whole, contrast, RESAMPLES, seed);
    (comparison.tare, comparison.tare_interval) = of(Contrast::Difference, seed)?;
    let positive = whole.iter().all(|b| b.base.iter().all(|v| *v > 0.0));
    let ratio = positive.then(|| of(Contrast::Ratio, seed.wrapping_add(1))).flatten();
    comparison.ratio = ratio.map(|r| r.0);
    comparison.ratio_interval = ratio.and_then(|r| r.1);
    if whole.len() < FEWEST {
        (comparison.tare_interval, comparison.ratio_interval) = (None, None);
    }
    comparison.verdict = comparison.verdict_at(comparison.p, comparison.least_p, 0.0);
    Some(comparison)
}

/// Compares two series that share no blocks, each in the order in which it was measured. Their intervals and p allow for
/// values that resemble their neighbours; what differs between the sessions as a whole (the host's mood) is in neither:
/// only a noise floor from A/A sessions knows it. Without intervals and p below [`super::FEWEST_IN_SERIES`] values on
/// either side. None of nothing.
pub fn compare_unpaired(net: &[f64], gross: &[f64], seed: u64) -> Option<Comparison> {
    compare_series(net, gross, RESAMPLES, seed)
}

pub(super) fn compare_series(net: &[f64], gross: &[f64], resamples: usize, seed: u64) -> Option<Comparison> {
    let (from, to) = (median(net)?, median(gross)?);
    let positive = net.iter().all(|v| *v > 0.0);
    let least_p = least_of_samples(net.len(), gross.len());
    let known = against(net, gross, least_p, resamples, seed);
    let comparison = Comparison {
        pairs: net.len().min(gross.len()),
        tare: to - from,
        tare_interval: known.map(|k| k.difference),
        ratio: positive.then_some(to / from),
        ratio_interval: known.filter(|_| positive).and_then(|k| k.ratio),
        p: known.map_or(1.0, |k| k.p),
        least_p: known.map_or(1.0, |_| least_p),
        verdict: Verdict::TooFew,
    };
    Some(comparison.alone())
}

/// Least p of [`signed_rank`] of so many pairs.
pub(super) fn least_of_pairs(pairs: usize) -> f64 {
    2.0 * 0.5_f64.powi(pairs.min(1000) as i32)
}

/// Least p of [`super::rank_sum`] of so many values on either side.
pub(super) fn least_of_samples(base: usize, new: usize) -> f64 {
    2.0 / ways(base + new, base)
}

/// n over k.
fn ways(n: usize, k: usize) -> f64 {
    (0..k.min(n - k)).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

impl Comparison {
    /// With the verdict of one that stands alone.
    pub(super) fn alone(self) -> Self {
        Self { verdict: self.verdict_at(self.p, self.least_p, 0.0), ..self }
    }

    /// A difference is said where the interval excludes zero, the corrected p is below 4 % and the ratio is farther from
    /// one than `floor` (a share: 0.02 is 2 %).
    fn verdict_at(&self, p: f64, least_p: f64, floor: f64) -> Verdict {
        let beyond = self.ratio.is_none_or(|r| (r - 1.0).abs() > floor);
        match self.tare_interval {
            _ if least_p >= ALPHA => Verdict::TooFew,
            None => Verdict::TooFew,
            Some(i) if p < ALPHA && beyond && i.low > 0.0 => Verdict::More,
            Some(i) if p < ALPHA && beyond && i.high < 0.0 => Verdict::Less,
            _ => Verdict::NoDifferenceShown,
        }
    }
}

/// Settles the verdicts of a family of comparisons together: p corrected by Holm's method, so that a family without any
/// true difference has a false alarm in at most 5 % of reports, and a noise floor that an effect has to exceed.
///
/// "Too few" means that even the clearest difference could not have survived the correction.
pub fn judge(family: &mut [Comparison], floor: f64) {
    let corrected = holm(&family.iter().map(|c| c.p).collect::<Vec<_>>());
    let size = family.len() as f64;
    for (comparison, p) in family.iter_mut().zip(corrected) {
        // The clearest of a family is corrected by its whole size, those after it by less: too few only if p itself fails.
        let least = if p < ALPHA { 0.0 } else { (comparison.least_p * size).min(1.0) };
        comparison.verdict = comparison.verdict_at(p, least, floor);
        comparison.p = p;
    }
}

/// The noise floor that pairs of the same target under two names show: the end of the 95 % interval of their ratio that
/// is farther from one, as a share. None below [`FEWEST`] blocks, or where a value is zero.
pub fn noise_floor(blocks: &[Block], seed: u64) -> Option<f64> {
    let comparison = compare_blocks(blocks, seed).filter(|c| c.pairs >= FEWEST)?;
    let interval = comparison.ratio_interval?;
    Some((interval.low - 1.0).abs().max((interval.high - 1.0).abs()))
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
        assert_eq!(compare(&[(1.0, 2.0); 5], 3).expect("comparison").verdict, Verdict::TooFew);
        let c = compare(&[(0.0, 2.0); 9], 3).expect("comparison");
        assert_eq!((c.ratio, c.tare), (None, 2.0));
    }

    #[test]
    fn several_values_of_a_block_are_one_block() {
        let block = |i: u32, n: u32| {
            let at = f64::from(i) * 10.0;
            let values = |from: f64| (0..n).map(|k| from + f64::from(k)).collect::<Vec<_>>();
            Block { base: values(at + 100.0), new: values(at + 105.0) }
        };
        let single: Vec<Block> = (0..9).map(|i| block(i, 1)).collect();
        let pairs: Vec<(f64, f64)> = single.iter().map(|b| (b.base[0], b.new[0])).collect();
        assert_eq!(compare_blocks(&single, 3), compare(&pairs, 3));
        let several: Vec<Block> = (0..9).map(|i| block(i, 3)).collect();
        let c = compare_blocks(&several, 3).expect("comparison");
        assert_eq!((c.pairs, c.tare, c.verdict), (9, 5.0, Verdict::More), "27 values, and nine blocks");
        assert!(c.least_p > 1e-3, "each block counts once: {}", c.least_p);
        let half = Block { base: vec![1.0], new: Vec::new() };
        assert_eq!(compare_blocks(&[several.clone(), vec![half]].concat(), 3), Some(c));
        assert_eq!(compare_blocks(&several[..5], 3).expect("comparison").tare_interval, None);
        assert_eq!(compare_blocks(&[], 3), None);
    }

    #[test]
    fn series_without_blocks_are_compared_too() {
        let net: Vec<f64> = (0..16).map(|i| 100.0 + f64::from(i * 5 % 7)).collect();
        let gross: Vec<f64> = net.iter().map(|v| v * 1.2).collect();
        let c = compare_unpaired(&net, &gross, 3).expect("comparison");
        assert_eq!(c.verdict, Verdict::More);
        assert!(c.ratio.is_some_and(|r| (r - 1.2).abs() < 1e-9));
        assert_eq!(compare_unpaired(&net, &net, 3).expect("comparison").verdict, Verdict::NoDifferenceShown);
        assert_eq!(compare_unpaired(&[1.0; 3], &[2.0; 3], 3).expect("comparison").verdict, Verdict::TooFew);
        assert_eq!(compare_unpaired(&[], &[2.0], 3), None);
        // Thirteen cannot tell how much they depend on one another, however far apart they are.
        let mut few = [compare_unpaired(&net[..13], &gross, 3).expect("comparison"); 2];
        judge(&mut few, 0.0);
        assert_eq!((few[0].tare_interval, few[0].verdict), (None, Verdict::TooFew));
    }

    #[test]
    fn a_family_is_judged_harder_than_one_and_below_the_floor_nothing_is_said() {
        let shift = |by: f64| (0..8).map(|i| (100.0, 100.0 + by + f64::from(i) * 0.01)).collect::<Vec<_>>();
        let one = compare(&shift(1.0), 3).expect("comparison");
        assert_eq!(one.verdict, Verdict::More);
        let mut family = vec![one; 10];
        judge(&mut family, 0.0);
        assert!(family.iter().all(|c| c.verdict == Verdict::TooFew), "2 / 2^8 * 10 is above 5 %");
        let mut family = [one; 2];
        judge(&mut family, 0.0);
        assert!(family.iter().all(|c| c.verdict == Verdict::More));
        judge(&mut family, 0.05);
        assert!(family.iter().all(|c| c.verdict == Verdict::NoDifferenceShown));
    }

    #[test]
    fn the_noise_floor_is_the_farther_end() {
        let block = |i: u32| Block { base: vec![100.0], new: vec![100.0 + f64::from(i * 7 % 11) - 5.0] };
        let same: Vec<Block> = (0..20).map(block).collect();
        let floor = noise_floor(&same, 1).expect("floor");
        assert!((0.005..0.05).contains(&floor), "{floor}");
        assert_eq!(noise_floor(&same[..5], 1), None);
    }
}
