//! Differences and ratios of two medians, with whole blocks resampled: what hit a block hit all of its runs, and values
//! of one block are not independent of one another.

use super::bootstrap::{Interval, LEVEL, accelerated, median_in_place};
use super::random::Random;

/// The values of one block.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// Of the target compared with.
    pub base: Vec<f64>,
    /// Of the target compared.
    pub new: Vec<f64>,
}

/// Which function of the two medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contrast {
    /// Median of new less median of base.
    Difference,
    /// Median of new over median of base.
    Ratio,
}

impl Contrast {
    fn of(self, mut base: Vec<f64>, mut new: Vec<f64>) -> f64 {
        if base.is_empty() || new.is_empty() {
            return f64::NAN;
        }
        self.between(median_in_place(&mut base), median_in_place(&mut new))
    }

    /// Of two medians.
    pub(super) fn between(self, base: f64, new: f64) -> f64 {
        match self {
            Contrast::Difference => new - base,
            Contrast::Ratio => new / base,
        }
    }
}

/// The contrast and its 95 % BCa interval, blocks drawn with replacement (Davison and Hinkley, "Bootstrap Methods and
/// their Application", 1997, section 3.8), the jackknife leaving out a block at a time. None where there is no figure; no
/// interval below three blocks.
pub fn cluster_bootstrap(
    blocks: &[Block],
    contrast: Contrast,
    resamples: usize,
    seed: u64,
) -> Option<(f64, Option<Interval>)> {
    let over = |chosen: &mut dyn Iterator<Item = usize>| {
        let (mut base, mut new) = (Vec::new(), Vec::new());
        for at in chosen {
            base.extend_from_slice(&blocks[at].base);
            new.extend_from_slice(&blocks[at].new);
        }
        contrast.of(base, new)
    };
    let centre = over(&mut (0..blocks.len()));
    if !centre.is_finite() {
        return None;
    }
    if blocks.len() < 3 {
        return Some((centre, None));
    }
    let mut random = Random::new(seed);
    let drawn =
        (0..resamples).map(|_| over(&mut (0..blocks.len()).map(|_| random.index(blocks.len())))).collect();
    let jackknife: Vec<f64> =
        (0..blocks.len()).map(|skip| over(&mut (0..blocks.len()).filter(|i| *i != skip))).collect();
    Some((centre, accelerated(drawn, centre, &jackknife, LEVEL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_between_blocks_widens_no_difference() {
        let block = |i: u32| {
            let drift = f64::from(i) * 100.0;
            Block { base: vec![drift, drift + 1.0], new: vec![drift + 5.0, drift + 6.0] }
        };
        let blocks: Vec<Block> = (0..20).map(block).collect();
        let (centre, interval) = cluster_bootstrap(&blocks, Contrast::Difference, 2000, 3).expect("contrast");
        assert_eq!((centre, interval.map(|i| (i.low, i.high))), (5.0, Some((5.0, 5.0))));
    }

    #[test]
    fn nothing_and_zero_are_no_trouble() {
        assert_eq!(cluster_bootstrap(&[], Contrast::Ratio, 10, 1), None);
        let zero = Block { base: vec![0.0], new: vec![1.0] };
        assert_eq!(cluster_bootstrap(&vec![zero; 5], Contrast::Ratio, 10, 1), None);
    }
}
