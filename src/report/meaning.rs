//! What the figures mean: from when on the box's cost no longer matters, and how many boxes a host holds.

use super::summary::{Cell, NET, Summary, words};
use crate::stats::Verdict;
use serde::Serialize;

/// From when on the tare is under 5 % of the whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakEven {
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// What the box costs at start, milliseconds.
    pub startup_tare_ms: f64,
    /// And in memory, where it was weighed.
    pub memory_tare_bytes: Option<f64>,
    /// The test over all comparisons agrees; with few blocks it cannot, and the interval stands alone.
    pub tested: bool,
    /// A whole run longer than this pays less than 5 % for its start, milliseconds; none where the interval of the tare
    /// does not exclude zero.
    pub run_longer_than_ms: Option<f64>,
    /// A whole that needs more than this pays less than 5 % in memory.
    pub memory_more_than_bytes: Option<f64>,
}

/// Under this share a cost is said not to matter.
const SHARE: f64 = 0.05;

/// Its interval lies above zero, and nothing was said against it but that there are few blocks.
fn costs(cell: &Cell) -> bool {
    let said = ["more", words(Verdict::TooFew)].contains(&cell.verdict.as_str());
    said && cell.tare_low.is_some_and(|low| low > 0.0)
}

/// For each workload and box whose start-up was compared with the bare process.
pub fn break_even(summary: &Summary) -> Vec<BreakEven> {
    let starts = summary.cells.iter().filter(|c| c.metric == "startup_ms" && c.target != NET);
    starts
        .filter_map(|c| {
            let memory = summary.cell(&c.workload, &c.target, "pss_bytes").filter(|m| costs(m));
            let startup_tare_ms = c.tare?;
            let memory_tare_bytes = memory.and_then(|m| m.tare);
            Some(BreakEven {
                workload: c.workload.clone(),
                target: c.target.clone(),
                accelerator: c.accelerator.clone(),
                startup_tare_ms,
                memory_tare_bytes,
                tested: c.verdict == "more",
                run_longer_than_ms: costs(c).then_some(startup_tare_ms / SHARE),
                memory_more_than_bytes: memory_tare_bytes.map(|b| b / SHARE),
            })
        })
        .collect()
}

/// Instances that fit in a host's memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Density {
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// Memory of the host, GiB.
    pub host_gib: u32,
    /// By the median PSS of a single instance. PSS falls as instances share pages, so it is what fits at least.
    pub instances: u64,
    /// By the upper end of its interval.
    pub at_least: Option<u64>,
    /// By the lower end.
    pub at_most: Option<u64>,
}

/// For the hosts of so many GiB.
pub fn density(summary: &Summary, hosts_gib: &[u32]) -> Vec<Density> {
    let weighed = summary.cells.iter().filter(|c| c.metric == "pss_bytes" && c.median > 0.0);
    let fits = |gib: u32, bytes: f64| (f64::from(gib) * 1_073_741_824.0 / bytes) as u64;
    weighed
        .flat_map(|c| {
            hosts_gib.iter().map(move |gib| Density {
                workload: c.workload.clone(),
                target: c.target.clone(),
                accelerator: c.accelerator.clone(),
                host_gib: *gib,
                instances: fits(*gib, c.median),
                at_least: c.high.map(|b| fits(*gib, b)),
                at_most: c.low.filter(|b| *b > 0.0).map(|b| fits(*gib, b)),
            })
        })
        .collect()
}
