//! Intervals of a median whose values came one after another and are not independent: a host drifts, and a run
//! resembles the one before it. A bootstrap that shuffles them takes that likeness for information and is too narrow.

use super::bootstrap::{Interval, bca};
use super::describe::median;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::f64::consts::FRAC_2_PI;

/// Lag-one correlation of the normal scores of `values` (van der Waerden's: normal quantiles of rank / (n + 1)), so that
/// outliers and skew do not decide it, with its bias of -(1 + 4 r) / n taken off (Marriott and Pope 1954; Kendall 1954).
/// Zero below eight values.
pub fn serial_correlation(values: &[f64]) -> f64 {
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
    // Half a standard error more, and a whole one in proportion: an interval suffers more from too little of it than from
    // too much.
    (unbiased + (0.5 + unbiased.abs()) / (n as f64).sqrt()).clamp(-0.95, 0.95)
}

/// How many times fewer independent values would tell as much about the median, for a first-order autoregression of
/// correlation `r`: 1 + 2 sum of (2/pi) asin(r^k), because what counts for a median is on which side of it a value lies,
/// and that is the correlation of the signs of two normal values (Sheppard 1899). Never below 1: an alternating series is not
/// trusted to know more than an independent one.
pub fn dependence(r: f64) -> f64 {
    let terms = (1..200).map(|k| FRAC_2_PI * r.powi(k).asin());
    (1.0 + 2.0 * terms.sum::<f64>()).max(1.0)
}

/// 95 % interval of the median of `values`, which stand in the order in which they were measured: the BCa interval
/// ([`bca`]), widened about the median by the square root of [`dependence`] and, because the correlation itself is
/// estimated, by Student's t over the normal quantile at the effective number of values. Independent values keep the BCa
/// interval, but for a few per cent.
pub fn median_interval(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    let plain = bca(values, resamples, seed)?;
    let middle = median(values)?;
    let times = dependence(serial_correlation(values));
    if times <= 1.0 {
        return Some(plain);
    }
    let effective = (values.len() as f64 / times).max(3.0);
    let student = StudentsT::new(0.0, 1.0, effective - 1.0).ok()?.inverse_cdf(0.975);
    let wider = times.sqrt() * student / 1.959_964;
    // The factor for Student's t fades in with the dependence, so that it is not charged to independent values.
    let wider = 1.0 + (wider - 1.0) * ((times - 1.0) / 0.5).min(1.0);
    Some(Interval {
        low: middle - (middle - plain.low) * wider,
        high: middle + (plain.high - middle) * wider,
    })
}
