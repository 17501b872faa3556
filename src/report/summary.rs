//! Every figure of a record: a cell for each workload, target and metric.

use super::error::{ReportError, text};
use super::same_work::why_not;
use crate::record::reader::Record;
use crate::record::schema::{METRICS, SCHEMA, Sample, unit_of};
use crate::stats::{Block, Comparison, Interval, RESAMPLES, Verdict, compare_blocks, judge, mad, median};
use crate::stats::{FEWEST_IN_SERIES, median_interval, noise_floor, outliers};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The target that is the net of every comparison.
pub const NET: &str = "process";

/// Statistics of one metric of one workload on one target, over the measured runs that did not fail.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Cell {
    /// Version of this file's format.
    pub schema: u32,
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// Metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Values.
    pub n: usize,
    /// Measured runs that failed.
    pub failed: usize,
    /// The figure.
    pub median: f64,
    /// 95 % interval (BCa, widened where runs resemble their neighbours); absent below fourteen values.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
    /// Median absolute deviation.
    pub mad: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Beyond Tukey's inner fences.
    pub mild_outliers: usize,
    /// Beyond the outer ones.
    pub severe_outliers: usize,
    /// The same figure of the bare process.
    pub net: Option<f64>,
    /// Median of gross - net over the blocks.
    pub tare: Option<f64>,
    /// 95 % interval.
    pub tare_low: Option<f64>,
    /// See `tare_low`.
    pub tare_high: Option<f64>,
    /// Median of gross / net over the blocks.
    pub ratio: Option<f64>,
    /// 95 % interval.
    pub ratio_low: Option<f64>,
    /// See `ratio_low`.
    pub ratio_high: Option<f64>,
    /// `more`, `less`, `no difference shown`, `too few runs`, or why there is no comparison.
    pub verdict: String,
}

/// All cells, in the order of the plan.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// Version of this file's format.
    pub schema: u32,
    /// Resamples of each interval.
    pub resamples: usize,
    /// The target that is the net.
    pub net: String,
    /// The figures.
    pub cells: Vec<Cell>,
    /// What a reader has to know: failed runs, comparisons left out, phases that do not add up.
    pub notes: Vec<String>,
}

impl Summary {
    /// Computes it.
    pub fn of(record: &Record) -> Self {
        let mut cells = Vec::new();
        let mut notes = Vec::new();
        for workload in &record.plan.workloads {
            for target in &record.plan.targets {
                let refused = why_not(record, &workload.name, NET, &target.name);
                if let Some(why) = &refused {
                    notes.push(format!("{} on {} is not compared: {why}", workload.name, target.name));
                }
                for metric in METRICS.iter().map(|m| m.0) {
                    let made = cell(record, &workload.name, &target.name, metric, refused.as_deref());
                    cells.extend(made);
                }
            }
        }
        let cells = judged(record, cells);
        notes.extend(failures(record));
        notes.extend(residuals(record));
        notes.extend(few(&cells));
        Self { schema: SCHEMA, resamples: RESAMPLES, net: NET.into(), cells, notes }
    }

    /// One of them.
    pub fn cell(&self, workload: &str, target: &str, metric: &str) -> Option<&Cell> {
        self.cells.iter().find(|c| c.workload == workload && c.target == target && c.metric == metric)
    }

    /// summary.csv.
    pub fn to_csv(&self) -> Result<Vec<u8>, ReportError> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        for cell in &self.cells {
            csv.serialize(cell).map_err(text("summary.csv"))?;
        }
        csv.into_inner().map_err(|e| text("summary.csv")(e.to_string()))
    }

    /// summary.json.
    pub fn to_json(&self) -> Result<Vec<u8>, ReportError> {
        serde_json::to_vec_pretty(self).map_err(text("summary.json"))
    }
}

/// Values of a metric, with their blocks.
pub fn values<'a>(record: &'a Record, workload: &str, target: &str, metric: &str) -> Vec<&'a Sample> {
    let wanted = |s: &&Sample| {
        s.workload == workload
            && s.target == target
            && s.metric == metric
            && !s.warmup
            && s.value.is_some_and(f64::is_finite)
    };
    record.samples.iter().filter(wanted).collect()
}

/// Values by block, in the order of the blocks.
pub(super) fn blocks(base: &[&Sample], new: &[&Sample]) -> Vec<Block> {
    let mut by_block: BTreeMap<u32, Block> = BTreeMap::new();
    for (block, value) in base.iter().filter_map(|s| Some((s.block, s.value?))) {
        by_block.entry(block).or_default().base.push(value);
    }
    for (block, value) in new.iter().filter_map(|s| Some((s.block, s.value?))) {
        by_block.entry(block).or_default().new.push(value);
    }
    by_block.into_values().collect()
}

fn cell(
    record: &Record,
    workload: &str,
    target: &str,
    metric: &str,
    refused: Option<&str>,
) -> Option<(Cell, Option<Comparison>)> {
    let samples = values(record, workload, target, metric);
    let all: Vec<f64> = samples.iter().filter_map(|s| s.value).collect();
    let middle = median(&all)?;
    let seed = seed_of(record, workload, target, metric);
    let interval = median_interval(&all, RESAMPLES, seed);
    let net = if target == NET { Vec::new() } else { values(record, workload, NET, metric) };
    let blocks = blocks(&net, &samples);
    let compared = if refused.is_none() { compare_blocks(&blocks, seed) } else { None };
    let nets = || blocks.iter().filter(|b| !b.new.is_empty()).flat_map(|b| b.base.iter().copied());
    let class = outliers(&all);
    let failed = record
        .runs
        .iter()
        .filter(|r| r.workload == workload && r.target == target && !r.warmup && r.has_failed());
    let cell = Cell {
        schema: SCHEMA,
        workload: workload.to_owned(),
        target: target.to_owned(),
        accelerator: samples.first().map(|s| s.accelerator.clone()).unwrap_or_default(),
        metric: metric.to_owned(),
        unit: unit_of(metric).unwrap_or_default().to_owned(),
        n: all.len(),
        failed: failed.count(),
        median: middle,
        low: interval.map(|i| i.low),
        high: interval.map(|i| i.high),
        mad: mad(&all).unwrap_or_default(),
        min: all.iter().copied().fold(f64::INFINITY, f64::min),
        max: all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        mild_outliers: class.mild,
        severe_outliers: class.severe,
        net: compared.and_then(|_| median(&nets().collect::<Vec<_>>())),
        tare: compared.map(|c| c.tare),
        tare_low: compared.and_then(|c| c.tare_interval).map(|i: Interval| i.low),
        tare_high: compared.and_then(|c| c.tare_interval).map(|i| i.high),
        ratio: compared.and_then(|c| c.ratio),
        ratio_low: compared.and_then(|c| c.ratio_interval).map(|i| i.low),
        ratio_high: compared.and_then(|c| c.ratio_interval).map(|i| i.high),
        verdict: verdict(target, compared, refused, &all),
    };
    let open = compared.filter(|_| target != NET && refused.is_none() && all.len() > 1);
    Some((cell, open))
}

/// Settles the verdicts of each metric's comparisons together: corrected for their number, and against the noise floor of
/// the A/A pair where the record has one.
fn judged(record: &Record, mut cells: Vec<(Cell, Option<Comparison>)>) -> Vec<Cell> {
    for metric in METRICS.iter().map(|m| m.0) {
        let open = |c: &(Cell, Option<Comparison>)| c.0.metric == metric && c.1.is_some();
        let places: Vec<usize> = (0..cells.len()).filter(|i| open(&cells[*i])).collect();
        let mut family: Vec<Comparison> = places.iter().filter_map(|i| cells[*i].1).collect();
        judge(&mut family, floor(record, metric));
        for (place, comparison) in places.into_iter().zip(family) {
            cells[place].0.verdict = words(comparison.verdict).into();
        }
    }
    cells.into_iter().map(|c| c.0).collect()
}

/// The noise floor of a metric: the greatest that an A/A pair shows on any workload; 0 without such a pair.
fn floor(record: &Record, metric: &str) -> f64 {
    let twins = record.plan.targets.iter().filter_map(|t| Some((t.name.strip_suffix("#2")?, &t.name)));
    let floors = twins.flat_map(|(first, second)| {
        record.plan.workloads.iter().filter_map(move |w| {
            let (a, b) = (values(record, &w.name, first, metric), values(record, &w.name, second, metric));
            noise_floor(&blocks(&a, &b), seed_of(record, &w.name, second, metric))
        })
    });
    floors.fold(0.0, f64::max)
}

fn verdict(target: &str, compared: Option<Comparison>, refused: Option<&str>, all: &[f64]) -> String {
    if target == NET {
        return "net".into();
    }
    // A size is a fact of the image and has no spread; an interval would say nothing.
    if all.len() == 1 && refused.is_none() {
        return if compared.is_some() { "one value" } else { "" }.into();
    }
    match (compared.map(|c| c.verdict), refused) {
        (_, Some(why)) => why.to_owned(),
        (Some(verdict), _) => words(verdict).into(),
        (None, None) => String::new(),
    }
}

/// As tables show it.
pub(super) fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::More => "more",
        Verdict::Less => "less",
        Verdict::NoDifferenceShown => "no difference shown",
        Verdict::TooFew => "too few runs",
    }
}

/// Every cell has its own stream of random numbers, which hangs on the plan's seed and the cell's name alone.
fn seed_of(record: &Record, workload: &str, target: &str, metric: &str) -> u64 {
    let name = format!("{workload}\0{target}\0{metric}");
    // FNV-1a (Fowler, Noll, Vo): only that names differ matters.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    record.plan.seed ^ hash
}

fn failures(record: &Record) -> Option<String> {
    let failed = record.runs.iter().filter(|r| r.has_failed()).count();
    (failed > 0).then(|| {
        format!("{failed} of {} runs failed; each is a row with its reason in runs.csv", record.runs.len())
    })
}

/// Why there is no interval where there is none.
fn few(cells: &[Cell]) -> Option<String> {
    let without = |c: &&Cell| c.metric == "startup_ms" && c.n > 1 && c.low.is_none();
    (cells.iter().filter(without).count() > 0).then(|| {
        format!(
            "medians of fewer than {FEWEST_IN_SERIES} runs have no interval: so few do not tell how much they resemble their neighbours"
        )
    })
}

/// Phases have to add up to the start-up within 2 %.
fn residuals(record: &Record) -> Option<String> {
    let startups = record.samples.iter().filter(|s| s.metric == "startup_ms" && s.run > 0);
    let mut sums: HashMap<u32, f64> = HashMap::new();
    record.phases.iter().for_each(|p| *sums.entry(p.run).or_default() += p.duration_ms);
    let off = startups.filter(|s| {
        let sum = sums.get(&s.run).copied().unwrap_or_default();
        s.value.is_some_and(|v| (sum - v).abs() > v * 0.02)
    });
    let off = off.count();
    (off > 0).then(|| format!("in {off} runs the phases do not add up to the start-up within 2 %"))
}
