//! Bootstrap intervals of one sample.

use super::describe::{median, quantile_of_sorted};
use super::random::Random;
use statrs::distribution::{ContinuousCDF, Normal};

/// Resamples for each interval.
pub const RESAMPLES: usize = 10_000;

/// Confidence of every interval of a report.
pub const LEVEL: f64 = 0.95;

/// Above so many values the bootstrap of a median is as good as its limit, which needs no resampling.
const LIMIT: usize = 4096;

/// An interval of confidence, 95 % where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it, ends included.
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Upper less lower end.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// 95 % interval of the median by the bias-corrected and accelerated bootstrap (Efron, "Better Bootstrap Confidence
/// Intervals", 1987, section 5), from `resamples` resamples drawn by ChaCha8 from `seed`, so that the same values give
/// the same interval. None below three values, where no resampling says anything.
///
/// For values that are independent; for a series in the order of time see [`super::median_interval`].
pub fn bca(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    if values.len() < 3 {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.len() > LIMIT {
        return by_ranks(&sorted);
    }
    let drawn = medians_of_resamples(values, resamples, seed);
    accelerated(drawn, median(values)?, &medians_without_one(&sorted), LEVEL)
}

/// The same for any statistic, at any level.
pub fn bca_of(
    values: &[f64],
    level: f64,
    resamples: usize,
    seed: u64,
    statistic: impl Fn(&[f64]) -> f64,
) -> Option<Interval> {
    if values.len() < 3 {
        return None;
    }
    let mut random = Random::new(seed);
    let mut resample = vec![0.0; values.len()];
    let drawn = (0..resamples)
        .map(|_| {
            resample.fill_with(|| values[random.index(values.len())]);
            statistic(&resample)
        })
        .collect();
    let without = |skip: usize| -> Vec<f64> {
        values.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, v)| *v).collect()
    };
    let jackknife: Vec<f64> = (0..values.len()).map(|i| statistic(&without(i))).collect();
    accelerated(drawn, statistic(values), &jackknife, level)
}

/// The interval from resampled statistics, the statistic itself and its jackknife. What is not finite (a ratio over a
/// resample of zeros) is left out; none where nothing is left.
pub(super) fn accelerated(
    mut drawn: Vec<f64>,
    centre: f64,
    jackknife: &[f64],
    level: f64,
) -> Option<Interval> {
    drawn.retain(|d| d.is_finite());
    if drawn.is_empty() || !centre.is_finite() {
        return None;
    }
    drawn.sort_by(f64::total_cmp);
    let below = drawn.partition_point(|d| *d < centre) as f64;
    let equal = drawn.partition_point(|d| *d <= centre) as f64 - below;
    let normal = Normal::standard();
    // Ties count half: a median of few values falls on the sample's own median often.
    let share = ((below + equal / 2.0) / drawn.len() as f64).clamp(1e-6, 1.0 - 1e-6);
    let bias = normal.inverse_cdf(share);
    let acceleration = acceleration(jackknife);
    let end = |z: f64| {
        let shifted = bias + z;
        let p = normal.cdf(bias + shifted / (1.0 - acceleration * shifted));
        quantile_of_sorted(&drawn, p)
    };
    let z = normal.inverse_cdf(0.5 + level / 2.0);
    let interval = Interval { low: end(-z)?, high: end(z)? };
    debug_assert!(interval.low <= interval.high);
    Some(interval)
}

/// Order statistics of rank n/2 -+ z sqrt(n)/2 (Serfling, "Approximation Theorems of Mathematical Statistics", 1980,
/// 2.6.1): the limit of the bootstrap of a median.
fn by_ranks(sorted: &[f64]) -> Option<Interval> {
    let half = Normal::standard().inverse_cdf(0.5 + LEVEL / 2.0) / (2.0 * (sorted.len() as f64).sqrt());
    let end = |p: f64| quantile_of_sorted(sorted, p);
    Some(Interval { low: end(0.5 - half)?, high: end(0.5 + half)? })
}

fn medians_of_resamples(values: &[f64], resamples: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut resample = vec![0.0; values.len()];
    (0..resamples)
        .map(|_| {
            resample.fill_with(|| values[random.index(values.len())]);
            median_in_place(&mut resample)
        })
        .collect()
}

/// Median of values whose order may be changed. Not for nothing.
pub(super) fn median_in_place(values: &mut [f64]) -> f64 {
    let even = values.len().is_multiple_of(2);
    let half = values.len() / 2;
    let (lower, middle, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    match even {
        false => *middle,
        true => (*middle + lower.iter().copied().fold(f64::MIN, f64::max)) / 2.0,
    }
}

/// The jackknife of a median.
pub(super) fn medians_without_one(sorted: &[f64]) -> Vec<f64> {
    let left = sorted.len() - 1;
    let at = |skip: usize, i: usize| sorted[i + usize::from(i >= skip)];
    let without = |skip| match left % 2 {
        1 => at(skip, left / 2),
        _ => (at(skip, left / 2 - 1) + at(skip, left / 2)) / 2.0,
    };
    (0..sorted.len()).map(without).collect()
}

/// Sum of cubes over 1.5th power of the sum of squares of the jackknife's deviations, over 6 (Efron 1987, 6.6).
fn acceleration(left_out: &[f64]) -> f64 {
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let squares: f64 = left_out.iter().map(|v| (mean - v).powi(2)).sum();
    let cubes: f64 = left_out.iter().map(|v| (mean - v).powi(3)).sum();
    if squares > 0.0 && cubes.is_finite() { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
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

    #[test]
    fn the_quick_way_for_a_median_is_the_general_way() {
        for n in [7, 10, 31] {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i * i % 37)).collect();
            let general = bca_of(&values, LEVEL, 3000, 5, |v| median(v).unwrap_or_default());
            assert_eq!(bca(&values, 3000, 5), general);
        }
    }

    #[test]
    fn many_values_have_the_limit_of_their_bootstrap() {
        let mut random = Random::new(9);
        let values: Vec<f64> = (0..LIMIT).map(|_| random.normal()).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (limit, drawn) = (by_ranks(&sorted).expect("limit"), bca(&values, 4000, 3).expect("drawn"));
        assert!((limit.width() / drawn.width() - 1.0).abs() < 0.1, "{limit:?} {drawn:?}");
    }

    /// Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, table 14.1 (26 spatial test scores) and section
    /// 14.3: the variance with divisor n is 171.5, and its BCa interval of 90 % from 2,000 resamples (115.8, 259.6).
    #[test]
    fn the_spatial_test_data_have_the_published_interval() {
        let scores = [
            48.0, 36.0, 20.0, 29.0, 42.0, 42.0, 20.0, 42.0, 22.0, 41.0, 45.0, 14.0, 6.0, 0.0, 33.0, 28.0,
            34.0, 4.0, 32.0, 24.0, 47.0, 41.0, 24.0, 26.0, 30.0, 41.0,
        ];
        let variance = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64
        };
        assert!((variance(&scores) - 171.5).abs() < 0.05);
        let i = bca_of(&scores, 0.90, 20_000, 1, variance).expect("interval");
        // The book's own figures carry the noise of 2,000 resamples: about 2 at the lower and 4 at the upper end.
        assert!((i.low - 115.8).abs() < 3.0 && (i.high - 259.6).abs() < 6.0, "{i:?}");
    }
}
