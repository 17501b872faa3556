//! How many runs it takes to see an effect.

use super::random::Random;
use super::ranks::signed_rank;
use statrs::distribution::{ContinuousCDF, Normal};

/// Fewest pairs that can show anything at 5 %: the most extreme of 2^n assignments of signs, and its mirror image, have
/// the chance 2 / 2^n.
pub const FEWEST: usize = 6;

/// Pairs that a two-sided signed-rank test at 5 % needs to show a shift of `effect` with the chance `power`, where paired
/// differences have the standard deviation `spread`: the normal approximation with Guenther's small-sample correction ("Sample
/// Size Formulas for Normal Theory T Tests", 1981), over the test's efficiency of 3/pi at the normal distribution (Pitman).
/// Never below [`FEWEST`].
pub fn pairs_needed(spread: f64, effect: f64, power: f64) -> usize {
    let normal = Normal::standard();
    let (alpha, beta) = (normal.inverse_cdf(0.975), normal.inverse_cdf(power));
    let pairs =
        (((alpha + beta) * spread / effect).powi(2) + alpha * alpha / 2.0) / (3.0 / std::f64::consts::PI);
    (pairs.ceil().min(1e9) as usize).max(FEWEST)
}

/// The chance that `pairs` differences like `seen`, moved to the centre and shifted by `effect`, are told from zero at
/// 5 %: `rounds` resamples from `seed`.
pub fn power_of(seen: &[f64], effect: f64, pairs: usize, rounds: usize, seed: u64) -> f64 {
    let Some(centre) = super::describe::median(seen) else { return 0.0 };
    let mut random = Random::new(seed);
    let told = (0..rounds).filter(|_| {
        let again: Vec<f64> = (0..pairs).map(|_| seen[random.index(seen.len())] - centre + effect).collect();
        signed_rank(&again) < 0.05
    });
    told.count() as f64 / rounds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_pairs_are_enough_and_fewer_are_not() {
        let mut random = Random::new(5);
        let seen: Vec<f64> = (0..2000).map(|_| random.normal()).collect();
        let pairs = pairs_needed(1.0, 0.5, 0.8);
        let power = power_of(&seen, 0.5, pairs, 2000, 7);
        assert!((power - 0.8).abs() < 0.04, "{pairs} pairs: {power}");
        assert!(power_of(&seen, 0.5, pairs / 2, 2000, 7) < 0.6);
        assert_eq!(pairs_needed(0.0, 1.0, 0.8), FEWEST);
        assert_eq!(power_of(&seen, 100.0, FEWEST - 1, 200, 7), 0.0, "too few can show nothing");
    }
}
