//! Bootstrap intervals of a median.

use super::describe::{median, quantile_of_sorted};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

/// Resamples for each interval.
pub const RESAMPLES: usize = 10_000;

/// An interval of confidence 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// 95 % interval of the median by the bias-corrected and accelerated bootstrap (Efron, "Better Bootstrap Confidence
/// Intervals", 1987, section 5), from `resamples` resamples drawn by ChaCha8 from `seed`, so that the same values give
/// the same interval. None below three values, where no resampling says anything.
pub fn bca(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    let centre = median(values)?;
    if values.len() < 3 {
        return None;
    }
    let drawn = medians_of_resamples(values, resamples, seed);
    let below = drawn.iter().filter(|d| **d < centre).count() as f64;
    let equal = drawn.iter().filter(|d| **d == centre).count() as f64;
    let normal = Normal::standard();
    // Ties count half: a median of few values falls on the sample's own median often.
    let share = ((below + equal / 2.0) / drawn.len() as f64).clamp(1e-6, 1.0 - 1e-6);
    let bias = normal.inverse_cdf(share);
    let acceleration = acceleration(values);
    let end = |z: f64| {
        let shifted = bias + z;
        let p = normal.cdf(bias + shifted / (1.0 - acceleration * shifted));
        quantile_of_sorted(&drawn, p)
    };
    let z = normal.inverse_cdf(0.975);
    let interval = Interval { low: end(-z)?, high: end(z)? };
    debug_assert!(interval.low <= interval.high);
    Some(interval)
}

fn medians_of_resamples(values: &[f64], resamples: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut resample = vec![0.0; values.len()];
    let half = values.len() / 2;
    let mut drawn: Vec<f64> = (0..resamples)
        .map(|_| {
            for slot in &mut resample {
                // Multiply-shift (Lemire 2019); its bias is below 2^-32 for any sample that fits in memory.
                *slot = values[((u64::from(random.next_u32()) * values.len() as u64) >> 32) as usize];
            }
            let (lower, middle, _) = resample.select_nth_unstable_by(half, f64::total_cmp);
            match values.len() % 2 {
                1 => *middle,
                _ => (*middle + lower.iter().copied().fold(f64::MIN, f64::max)) / 2.0,
            }
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    drawn
}

/// Sum of cubes over 1.5th power of the sum of squares of the jackknife's deviations, over 6 (Efron 1987, 6.6).
fn acceleration(values: &[f64]) -> f64 {
    let mut rest = Vec::with_capacity(values.len());
    let left_out: Vec<f64> = (0..values.len())
        .map(|skip| {
            rest.clear();
            rest.extend(values.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, v)| *v));
            median(&rest).unwrap_or_default()
        })
        .collect();
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let squares: f64 = left_out.iter().map(|v| (mean - v).powi(2)).sum();
    let cubes: f64 = left_out.iter().map(|v| (mean - v).powi(3)).sum();
    if squares == 0.0 { 0.0 } else { cubes / (6.0 * squares.powf(1.5)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_or_equal_values_are_no_trouble() {
        assert_eq!(bca(&[], 100, 1), None);
        assert_eq!(bca(&[1.0, 2.0], 100, 1), None);
        assert_eq!(bca(&[7.0; 9], 100, 1), Some(Interval { low: 7.0, high: 7.0 }));
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 37)).collect();
        assert_eq!(bca(&values, 2000, 5), bca(&values, 2000, 5));
    }

    /// Share of intervals that hold the true median, over simulated samples.
    fn coverage(n: usize, rounds: u64, draw: impl Fn(f64) -> f64) -> f64 {
        let truth = draw(0.5);
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let mut uniform = || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
        let held = (0..rounds).filter(|round| {
            let values: Vec<f64> = (0..n).map(|_| draw(uniform())).collect();
            let i = bca(&values, 999, *round).expect("interval");
            i.low <= truth && truth <= i.high
        });
        held.count() as f64 / rounds as f64
    }

    #[test]
    fn intervals_of_95_percent_cover_about_as_often() {
        let normal = Normal::standard();
        // 600 rounds: the standard error of a share of 95 % is 0.9 %; the band is three of them about 93 to 97 %.
        let normal_coverage = coverage(30, 600, |u| normal.inverse_cdf(u));
        assert!((0.92..=0.98).contains(&normal_coverage), "normal: {normal_coverage}");
        let skewed = coverage(30, 600, |u| normal.inverse_cdf(u).exp());
        assert!((0.92..=0.98).contains(&skewed), "log-normal: {skewed}");
    }
}
