//! How many blocks it would take to see a difference of 5 % in start-up, by the spread of this record's own.

use super::summary::{NET, Summary, blocks, values};
use crate::record::reader::Record;
use crate::stats::{FEWEST, mad, median, pairs_needed};
use serde::Serialize;

/// What is to be seen, as a share.
const EFFECT: f64 = 0.05;

/// The chance of seeing it.
const POWER: f64 = 0.8;

/// Of a normal distribution, the standard deviation over the median absolute deviation.
const SIGMA_OF_MAD: f64 = 1.4826;

/// For one workload on one target, against the bare process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// Blocks that show it four times of five.
    pub blocks: usize,
    /// Blocks of this record.
    pub here: usize,
}

/// Where there are blocks enough to tell a spread ([`FEWEST`]).
pub fn of(record: &Record, summary: &Summary) -> Vec<Needed> {
    let starts = summary.cells.iter().filter(|c| c.metric == "startup_ms" && c.target != NET);
    let compared = starts.filter(|c| c.ratio.is_some());
    compared
        .filter_map(|c| {
            let of = |target: &str| values(record, &c.workload, target, "startup_ms");
            let logs: Vec<f64> = blocks(&of(NET), &of(&c.target))
                .iter()
                .filter_map(|b| Some((median(&b.new)? / median(&b.base)?).ln()))
                .collect();
            let spread = mad(&logs).filter(|_| logs.len() >= FEWEST)? * SIGMA_OF_MAD;
            Some(Needed {
                workload: c.workload.clone(),
                target: c.target.clone(),
                accelerator: c.accelerator.clone(),
                blocks: pairs_needed(spread, (1.0 + EFFECT).ln(), POWER),
                here: logs.len(),
            })
        })
        .collect()
}
