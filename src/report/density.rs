//! What density figures say: what one more instance costs, by a line through the host's memory and by adding up, and how
//! starts slow one another down.

use super::charts::density as chart;
use super::error::ReportError;
use crate::record::density::{Density, Start};
use crate::stats::{Interval, median, theil_sen};
use serde::Serialize;
use std::path::Path;

/// Accounted and marginal figures that differ by more are marked.
pub const AGREE: f64 = 0.10;

/// See the fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Instances that ran at the same time.
    pub instances: usize,
    /// Fall of the host's MemAvailable for each instance (Theil and Sen).
    pub marginal_bytes: f64,
    /// 95 %.
    pub marginal_low_bytes: Option<f64>,
    /// 95 %.
    pub marginal_high_bytes: Option<f64>,
    /// The same by adding up: the next three.
    pub accounted_bytes: f64,
    /// Anonymous and shared memory charged to an instance's cgroup, median over instances.
    pub pages_bytes: f64,
    /// Growth of the kernel's memory for each instance (Theil and Sen), whoever it is charged to.
    pub kernel_bytes: f64,
    /// Growth of the harness for each instance.
    pub harness_bytes: f64,
    /// Of `kernel_bytes`, what is charged to an instance's cgroup, median over instances.
    pub kernel_charged_bytes: f64,
    /// Page cache charged to an instance's cgroup, median over instances; not in the sum: it can be had back.
    pub file_bytes: f64,
    /// Marginal over accounted, minus one.
    pub difference: f64,
    /// Median start, first and last tenth of the instances.
    pub startup_first_ms: f64,
    /// See there.
    pub startup_last_ms: f64,
    /// Several at once.
    pub together: Vec<Row>,
}

/// Several at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// How many.
    pub at_once: u32,
    /// Median start of one.
    pub startup_ms: f64,
    /// Starts a second, median of the rounds.
    pub per_second: f64,
}

/// None with fewer than two instances.
pub fn summary(density: &Density) -> Option<Summary> {
    let starts = &density.starts;
    let points: Vec<(f64, f64)> =
        starts.iter().map(|s| (f64::from(s.instance), -(s.available_bytes as f64))).collect();
    let line = theil_sen(&points)?;
    let growth = |of: fn(&Start) -> u64| {
        let points: Vec<(f64, f64)> = starts.iter().map(|s| (f64::from(s.instance), of(s) as f64)).collect();
        theil_sen(&points).map_or(0.0, |l| l.slope.max(0.0))
    };
    let middle = |of: fn(&Start) -> u64| median(&starts.iter().map(|s| of(s) as f64).collect::<Vec<_>>());
    let (harness_bytes, kernel_bytes) = (growth(|s| s.harness_bytes), growth(|s| s.host_kernel_bytes));
    let pages_bytes = middle(|s| s.cgroup_pages_bytes)?;
    let accounted_bytes = pages_bytes + kernel_bytes + harness_bytes;
    let tenth = starts.len().div_ceil(10);
    let of = |part: &[Start]| median(&part.iter().map(|s| s.startup_ms).collect::<Vec<_>>());
    let Interval { low, high } = line.slope_interval.unwrap_or(Interval { low: f64::NAN, high: f64::NAN });
    let known = |v: f64| Some(v).filter(|v| v.is_finite());
    Some(Summary {
        instances: starts.len(),
        marginal_bytes: line.slope,
        marginal_low_bytes: known(low),
        marginal_high_bytes: known(high),
        accounted_bytes,
        pages_bytes,
        kernel_bytes,
        harness_bytes,
        kernel_charged_bytes: middle(|s| s.cgroup_kernel_bytes)?,
        file_bytes: middle(|s| s.cgroup_file_bytes)?,
        difference: line.slope / accounted_bytes - 1.0,
        startup_first_ms: of(&starts[..tenth])?,
        startup_last_ms: of(&starts[starts.len() - tenth..])?,
        together: together(density),
    })
}

fn together(density: &Density) -> Vec<Row> {
    let mut counts: Vec<u32> = density.together.iter().map(|t| t.at_once).collect();
    counts.sort_unstable();
    counts.dedup();
    let row = |at_once: u32| {
        let of = |f: fn(&crate::record::density::Together) -> f64| {
            let rows = density.together.iter().filter(|t| t.at_once == at_once);
            median(&rows.map(f).collect::<Vec<_>>())
        };
        let all_ms = of(|t| t.all_ms)?;
        Some(Row {
            at_once,
            startup_ms: of(|t| t.startup_ms)?,
            per_second: f64::from(at_once) * 1e3 / all_ms,
        })
    };
    counts.into_iter().filter_map(row).collect()
}

/// Writes `summary.json` and the chart beside the record.
pub fn write(dir: &Path) -> Result<Option<Summary>, ReportError> {
    let density = Density::read(dir)?;
    let Some(summary) = summary(&density) else { return Ok(None) };
    let path = dir.join("summary.json");
    let json = serde_json::to_vec_pretty(&summary).unwrap_or_default();
    std::fs::write(&path, json).map_err(super::error::io("write", &path))?;
    chart::draw(dir, &density, &summary)?;
    Ok(Some(summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::density::{Header, Together};
    use crate::record::schema::TargetFacts;

    pub fn density() -> Density {
        let start = |n: u32| Start {
            instance: n,
            setup_ms: 1.0,
            startup_ms: 10.0 + f64::from(n),
            // One reading is far off: the line does not heed it.
            available_bytes: (10 << 30) - u64::from(n) * 1_000_000 - if n == 5 { 1 << 30 } else { 0 },
            cgroup_bytes: 950_000,
            cgroup_pages_bytes: 500_000,
            cgroup_file_bytes: 50_000,
            cgroup_kernel_bytes: 350_000,
            host_kernel_bytes: (200 << 20) + u64::from(n) * 400_000,
            pss_bytes: 800_000,
            harness_bytes: 5_000_000 + u64::from(n) * 50_000,
        };
        let together = |at_once, all_ms| Together { at_once, round: 1, startup_ms: 20.0, all_ms };
        let facts = TargetFacts {
            name: "microvm".into(),
            description: String::new(),
            accelerator: "tcg".into(),
            programs: Vec::new(),
            facts: Default::default(),
        };
        let header = Header {
            schema: 1,
            target: facts,
            workload: "idle".into(),
            cpus: 1,
            memory_bytes: 1,
            wanted: 20,
            host_bytes: 20 << 30,
            available_before_bytes: 10 << 30,
            available_after_bytes: 10 << 30,
            ended_by: "as many as were wanted".into(),
            stop_ms: 5.0,
            ksm_was_on: false,
            merged: None,
        };
        let together = vec![together(1, 20.0), together(4, 40.0), together(4, 40.0)];
        Density { header, starts: (1..=20).map(start).collect(), together }
    }

    #[test]
    fn the_line_and_the_sum_are_told() {
        let s = summary(&density()).expect("summary");
        assert_eq!((s.marginal_bytes, s.accounted_bytes, s.harness_bytes), (1e6, 950_000.0, 50_000.0));
        assert_eq!((s.pages_bytes, s.kernel_bytes), (500_000.0, 400_000.0));
        assert_eq!((s.kernel_charged_bytes, s.file_bytes), (350_000.0, 50_000.0));
        assert!((s.difference - 0.0526).abs() < 1e-3);
        assert!(
            s.marginal_low_bytes.is_some_and(|l| l <= 1e6) && s.marginal_high_bytes.is_some_and(|h| h >= 1e6)
        );
        assert_eq!((s.startup_first_ms, s.startup_last_ms), (11.5, 29.5));
        assert_eq!(s.together[1], Row { at_once: 4, startup_ms: 20.0, per_second: 100.0 });
        let mut one = density();
        one.starts.truncate(1);
        assert_eq!(summary(&one), None);
    }

    #[test]
    fn what_is_written_is_read_again_and_drawn() {
        let dir = tempfile::tempdir().expect("folder");
        density().write(dir.path()).expect("write");
        assert_eq!(Density::read(dir.path()).expect("read"), density());
        let written = write(dir.path()).expect("report").expect("summary");
        assert_eq!(Some(written), summary(&density()));
        let svg = std::fs::read_to_string(dir.path().join("density.svg")).expect("chart");
        assert!(svg.contains("microvm (tcg)") && svg.contains("20 instances"), "{svg}");
        assert!(dir.path().join("density.png").is_file());
    }
}
