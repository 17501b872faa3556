//! A median with its interval and the number of values behind it.

use crate::stats::{RESAMPLES, median, median_interval};
use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// Values.
    pub n: usize,
    /// The figure.
    pub median: f64,
    /// 95 % interval; absent below fourteen values.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
}

impl Figure {
    /// Of values in the order in which they were measured. None of nothing.
    pub fn of(values: &[f64], seed: u64) -> Option<Self> {
        let interval = median_interval(values, RESAMPLES, seed);
        Some(Self {
            n: values.len(),
            median: median(values)?,
            low: interval.map(|i| i.low),
            high: interval.map(|i| i.high),
        })
    }
}
