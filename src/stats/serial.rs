//! Intervals of a median whose values came one after another and are not independent: a host drifts, and a run
//! resembles the one before it. A bootstrap that shuffles them takes that likeness for information and is too narrow.

use super::bootstrap::{Interval, bca};
use super::describe::quantile_of_sorted;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::f64::consts::FRAC_2_PI;

/// Lag-one correlation of the normal scores of `values` (van der Waerden's: normal quantiles of rank / (n + 1)), so that
/// outliers and skew do not decide it, with its bias of -(1 + 4 r) / n taken off (Marriott and Pope 1954; Kendall 1954).
/// Zero below eight values. `more`: so many halves of a standard error more, and up to twice that in proportion to it.
pub(super) fn correlation(values: &[f64], more: f64) -> f64 {
    let n = values.len();
    if n < 8 {
        return 0.0;
    }
    let normal = Normal::standard();
    let scores: Vec<f64> =
        super::ranks::mid_ranks(values).iter().map(|r| normal.inverse_cdf(r / (n as f64 + 1.0))).collect();
    let squares: f64 = scores.iter().map(|s| s * s).sum();
    if squares == 0.0 {
        return 0.0;
    }
    let raw = scores.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / squares;
    let unbiased = raw + (1.0 + 4.0 * raw) / n as f64;
    (unbiased + more * (1.0 + unbiased.abs()) / (2.0 * (n as f64).sqrt())).clamp(-0.95, 0.95)
}

/// The same with half a standard error more, and up to a whole one: an interval suffers more from too little than from too
/// much of it.
pub fn serial_correlation(values: &[f64]) -> f64 {
    correlation(values, 1.0)
}

/// How many times fewer independent values would tell as much about the median, for a first-order autoregression of
/// correlation `r`: 1 + 2 sum of (2/pi) asin(r^k), because what counts for a median is on which side of it a value lies,
/// and that is the correlation of the signs of two normal values (Sheppard 1899). Never below 1: an alternating series is not
/// trusted to know more than an independent one.
pub fn dependence(r: f64) -> f64 {
    let terms = (1..200).map(|k| FRAC_2_PI * r.powi(k).asin());
    (1.0 + 2.0 * terms.sum::<f64>()).max(1.0)
}

/// Quantile of the normal distribution that leaves 2.5 % on either side.
pub(super) const NORMAL_95: f64 = 1.959_964;

/// Fewest values of a series whose median gets an interval: of fewer one cannot tell how much they depend on one another,
/// and where they do (first-order correlation 0.6), even the whole range of eight holds the median in 91 % only.
pub const FEWEST_IN_SERIES: usize = 14;

/// 95 % interval of the median of `values`, which stand in the order in which they were measured: the BCa interval
/// ([`bca`]), its ends moved away from the median by the square root of [`dependence`] and, because the correlation itself
/// is estimated, by Student's t over the normal quantile at the effective number of values. They are moved as ranks, not
/// as values: an interval of a median is a pair of order statistics (David and Nagaraja, "Order Statistics", 2003,
/// 7.1), whose ranks lie sqrt(n) apart for n independent values, so fewer effective ones put them farther apart in
/// proportion. It follows the sample's own skew, and never leaves the range of what was measured: where the ranks would,
/// the whole range stands. Independent values keep the BCa interval, but for a few per cent. None below
/// [`FEWEST_IN_SERIES`] values.
pub fn median_interval(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    if values.len() < FEWEST_IN_SERIES {
        return None;
    }
    let plain = bca(values, resamples, seed)?;
    let times = dependence(serial_correlation(values));
    let effective = (values.len() as f64 / times).max(3.0);
    widened(values, plain, times, effective - 1.0)
}

/// `plain` for values of which `times` fewer independent ones would tell as much, with so many degrees of freedom.
pub(super) fn widened(values: &[f64], plain: Interval, times: f64, freedom: f64) -> Option<Interval> {
    if times <= 1.0 {
        return Some(plain);
    }
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975);
    let wider = times.sqrt() * student / NORMAL_95;
    // The factor for Student's t fades in with the dependence, so that it is not charged to independent values.
    let wider = 1.0 + (wider - 1.0) * ((times - 1.0) / 0.5).min(1.0);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let moved = |end: f64| quantile_of_sorted(&sorted, 0.5 + (share_below(&sorted, end) - 0.5) * wider);
    // Equal values have many ranks: an end is never moved inwards.
    Some(Interval { low: moved(plain.low)?.min(plain.low), high: moved(plain.high)?.max(plain.high) })
}

/// Which quantile of type 7 `value` is, from 0 to 1: the inverse of [`quantile_of_sorted`], the middle where a range of
/// quantiles is.
fn share_below(sorted: &[f64], value: f64) -> f64 {
    let last = (sorted.len() - 1).max(1) as f64;
    let (below, upto) = (sorted.partition_point(|v| *v < value), sorted.partition_point(|v| *v <= value));
    let at = match (below.checked_sub(1), sorted.get(below)) {
        _ if upto > below => (below + upto - 1) as f64 / 2.0,
        (None, _) => 0.0,
        (_, None) => last,
        (Some(left), Some(right)) => left as f64 + (value - sorted[left]) / (right - sorted[left]),
    };
    at / last
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_under_load_gives_no_times_below_zero() {
        // 2.47 ms [-16.1, 111] was printed for such a session: quick at first, then hit by another's build.
        let values = [2.1, 2.2, 2.2, 2.3, 2.4, 2.4, 2.5, 2.6, 9.0, 14.0, 30.0, 41.0, 2.4, 2.5, 2.4, 2.3];
        let i = median_interval(&values, 2000, 1).expect("interval");
        assert!(i.low >= 2.1 && i.high <= 41.0 && i.holds(2.4), "{i:?}");
    }

    #[test]
    fn a_share_is_the_inverse_of_a_quantile() {
        let sorted = [1.0, 2.0, 2.0, 2.0, 5.0, 9.0];
        for p in [0.0, 0.1, 0.4, 0.7, 0.85, 1.0] {
            let value = quantile_of_sorted(&sorted, p).expect("quantile");
            assert!((share_below(&sorted, value) - p).abs() < 1e-12, "{p}");
        }
        assert_eq!((share_below(&sorted, 0.0), share_below(&sorted, 10.0)), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_median_within_the_range(
            values in prop::collection::vec(prop_oneof![0.0f64..1e3, Just(7.0), 1e6f64..1e9], 14..60),
            seed: u64,
        ) {
            let i = median_interval(&values, 300, seed).expect("interval");
            let least = values.iter().copied().fold(f64::MAX, f64::min);
            let most = values.iter().copied().fold(f64::MIN, f64::max);
            prop_assert!(least <= i.low && i.low <= i.high && i.high <= most, "{i:?}");
            let plain = bca(&values, 300, seed).expect("interval");
            prop_assert!(i.low <= plain.low && plain.high <= i.high, "{i:?} {plain:?}");
        }
    }
}
