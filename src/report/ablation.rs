//! What each of a chain of choices is worth: start-up of a target for each step, compared block by block.

use super::charts::waterfall;
use super::error::{ReportError, io};
use crate::record::reader::Record;
use crate::stats::{Comparison, LEVEL, bca_of, compare, median};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A target of the record, and what was chosen for it.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name in the record.
    pub target: String,
    /// For people.
    pub what: String,
}

/// What was measured for.
#[derive(Debug, Clone)]
pub struct Question {
    /// Each on top of those before it.
    pub chain: Vec<Choice>,
    /// Each compared with the target of this name.
    pub aside: Vec<(Choice, String)>,
}

/// Of one choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Name of its target.
    pub target: String,
    /// For people.
    pub what: String,
    /// What `change` is the change from; none for the first of the chain.
    pub against: Option<String>,
    /// Median start-up.
    pub startup_ms: f64,
    /// Median over the blocks of the difference from `against`.
    pub change_ms: Option<f64>,
    /// 95 % interval of it.
    pub change_interval_ms: Option<(f64, f64)>,
    /// Median over the blocks of the ratio to `against`.
    pub change_ratio: Option<f64>,
    /// 95 % interval of it.
    pub change_ratio_interval: Option<(f64, f64)>,
    /// Median over the blocks of the ratio to the chain's first.
    pub ratio: f64,
    /// 95 % interval of it.
    pub ratio_interval: Option<(f64, f64)>,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ablation {
    /// Raised with every change of these fields.
    pub schema: u32,
    /// Whether it was emulation, as the record says.
    pub accelerator: String,
    /// The chain, in its order; a target without a run is left out.
    pub steps: Vec<Step>,
    /// What stands beside it.
    pub aside: Vec<Step>,
    /// The chain's changes added up.
    pub sum_ms: f64,
    /// The difference of its ends' medians.
    pub whole_ms: f64,
    /// 95 % interval of by how much the sum is off, a share of the whole: medians of differences need not add
    /// up, and the busier others keep a host, the less they do.
    pub off_interval: Option<(f64, f64)>,
}

impl Ablation {
    /// By how much the sum is off, a share of the whole; negative where it is less.
    pub fn off(&self) -> f64 {
        if self.whole_ms == 0.0 { 0.0 } else { (self.sum_ms - self.whole_ms) / self.whole_ms }
    }
}

/// Start-up by block.
type Blocks = BTreeMap<u32, f64>;

/// None where the record holds no run of the chain's first.
pub fn of(record: &Record, question: &Question) -> Option<Ablation> {
    let by_target = startups(record);
    let none = Blocks::new();
    let blocks = |name: &str| by_target.get(name).unwrap_or(&none);
    let first = question.chain.first()?;
    let seed = record.plan.seed;
    let row = |choice: &Choice, against: Option<&str>| {
        step(choice, blocks(&choice.target), against.map(|a| (a, blocks(a))), blocks(&first.target), seed)
    };
    let mut steps: Vec<Step> = Vec::new();
    for choice in &question.chain {
        let before = steps.last().map(|s| s.target.clone());
        steps.extend(row(choice, before.as_deref()));
    }
    let aside = question.aside.iter().filter_map(|(choice, against)| row(choice, Some(against))).collect();
    let ends = steps.last()?.startup_ms - steps.first()?.startup_ms;
    let targets = &record.plan.targets;
    let accelerator = targets.iter().find(|t| t.name == first.target).map(|t| t.accelerator.clone());
    let chain: Vec<&Blocks> = steps.iter().map(|s| blocks(&s.target)).collect();
    Some(Ablation {
        schema: 3,
        off_interval: off_interval(&chain, seed),
        accelerator: accelerator.unwrap_or_default(),
        sum_ms: steps.iter().filter_map(|r| r.change_ms).sum(),
        whole_ms: ends,
        steps,
        aside,
    })
}

fn step(
    choice: &Choice,
    own: &Blocks,
    against: Option<(&str, &Blocks)>,
    first: &Blocks,
    seed: u64,
) -> Option<Step> {
    let paired = |other: &Blocks| -> Option<Comparison> {
        let pairs: Vec<_> = own.iter().filter_map(|(b, v)| Some((*other.get(b)?, *v))).collect();
        compare(&pairs, seed)
    };
    let change = against.and_then(|(_, blocks)| paired(blocks));
    let whole = paired(first)?;
    let ends = |i: Option<crate::stats::Interval>| i.map(|i| (i.low, i.high));
    Some(Step {
        target: choice.target.clone(),
        what: choice.what.clone(),
        against: against.map(|(name, _)| name.to_owned()),
        startup_ms: median(&own.values().copied().collect::<Vec<_>>())?,
        change_ms: change.map(|c| c.tare),
        change_interval_ms: change.and_then(|c| ends(c.tare_interval)),
        change_ratio: change.and_then(|c| c.ratio),
        change_ratio_interval: change.and_then(|c| ends(c.ratio_interval)),
        ratio: whole.ratio?,
        ratio_interval: ends(whole.ratio_interval),
    })
}

/// Resamples of [`off_interval`], each of which sorts the differences of every step.
const RESAMPLES: usize = 2_000;

/// The blocks that all have run are drawn with replacement, as for any figure of a report.
fn off_interval(chain: &[&Blocks], seed: u64) -> Option<(f64, f64)> {
    let (first, last) = (chain.first()?, chain.last()?);
    let whole: Vec<f64> =
        first.keys().filter(|b| chain.iter().all(|c| c.contains_key(b))).map(|b| f64::from(*b)).collect();
    let off = |drawn: &[f64]| {
        let of = |c: &Blocks| drawn.iter().map(|b| c[&(*b as u32)]).collect::<Vec<_>>();
        let middle = |values: &[f64]| median(values).unwrap_or(f64::NAN);
        let columns: Vec<Vec<f64>> = chain.iter().map(|c| of(c)).collect();
        let change = |pair: &[Vec<f64>]| {
            middle(&pair[1].iter().zip(&pair[0]).map(|(new, old)| new - old).collect::<Vec<_>>())
        };
        let sum: f64 = columns.windows(2).map(change).sum();
        let ends = middle(&of(last)) - middle(&of(first));
        (sum - ends) / ends
    };
    bca_of(&whole, LEVEL, RESAMPLES, seed, off).map(|i| (i.low, i.high))
}

/// Start-up by target and block, warm-up left out.
fn startups(record: &Record) -> BTreeMap<&str, Blocks> {
    let mut found: BTreeMap<&str, Blocks> = BTreeMap::new();
    for s in record.samples.iter().filter(|s| s.metric == "startup_ms" && !s.warmup && s.run > 0) {
        if let Some(value) = s.value {
            found.entry(&s.target).or_default().insert(s.block, value);
        }
    }
    found
}

/// Writes `ablation.json` and the chart (`ablation.svg`, `ablation.png`) into the record.
pub fn write(dir: &Path, ablation: &Ablation) -> Result<(), ReportError> {
    let path = dir.join("ablation.json");
    std::fs::write(&path, serde_json::to_vec_pretty(ablation).unwrap_or_default())
        .map_err(io("write", &path))?;
    waterfall::draw(dir, ablation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(values: &[f64]) -> Blocks {
        values.iter().enumerate().map(|(n, v)| (n as u32, *v)).collect()
    }

    fn choice(target: &str) -> Choice {
        Choice { target: target.into(), what: String::new() }
    }

    #[test]
    fn a_change_is_paired_by_block() {
        // As many blocks as an interval needs.
        let (a, b) = (
            blocks(&[100.0, 200.0, 110.0, 90.0, 120.0, 130.0, 95.0, 105.0]),
            blocks(&[50.0, 150.0, 60.0, 40.0, 70.0, 80.0, 45.0, 55.0]),
        );
        let row = step(&choice("b"), &b, Some(("a", &a)), &a, 1).expect("a row");
        // The blocks differ by much more than the targets; in pairs the change is the same in each.
        assert_eq!((row.change_ms, row.change_interval_ms), (Some(-50.0), Some((-50.0, -50.0))));
        assert_eq!((row.startup_ms, row.against.as_deref()), (57.5, Some("a")));
        let (low, high) = row.ratio_interval.expect("interval");
        assert!(low <= row.ratio && row.ratio <= high && low < high, "{row:?}");
        assert!(
            step(&choice("c"), &Blocks::new(), Some(("a", &a)), &a, 1).is_none(),
            "what was not run has no row"
        );
    }

    #[test]
    fn the_chart_names_each_step_and_bears_the_mark() {
        let (a, b) = (blocks(&[100.0, 101.0, 99.0]), blocks(&[20.0, 21.0, 19.0]));
        let steps =
            [step(&choice("typed"), &a, None, &a, 1), step(&choice("own"), &b, Some(("typed", &a)), &a, 1)];
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        let ablation = Ablation {
            schema: 3,
            accelerator: "tcg".into(),
            aside: Vec::new(),
            sum_ms: -80.0,
            whole_ms: -80.0,
            off_interval: None,
            steps,
        };
        let dir = tempfile::tempdir().expect("folder");
        write(dir.path(), &ablation).expect("write");
        let svg = std::fs::read_to_string(dir.path().join("ablation.svg")).expect("chart");
        for text in ["typed", "own", "(tcg)", "-80.0, now 20.0 ms", "within 0 %"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert!(dir.path().join("ablation.png").is_file());
        let json = std::fs::read_to_string(dir.path().join("ablation.json")).expect("figures");
        assert!(json.contains("\"against\": \"typed\""), "{json}");
    }

    #[test]
    fn it_says_by_how_much_the_sum_is_off() {
        let made = |sum_ms, whole_ms| Ablation {
            schema: 3,
            accelerator: "tcg".into(),
            steps: Vec::new(),
            aside: Vec::new(),
            sum_ms,
            whole_ms,
            off_interval: None,
        };
        assert_eq!((made(-90.0, -100.0).off(), made(5.0, 0.0).off()), (-0.1, 0.0));
    }

    #[test]
    fn it_says_how_surely_the_sum_is_off() {
        let quiet: [Blocks; 3] = [100.0, 60.0, 20.0].map(|ms| blocks(&[ms; 9]));
        assert_eq!(off_interval(&quiet.each_ref(), 1), Some((0.0, 0.0)));
        // The middle step is late by lot, so its two changes are not known, while the ends are.
        let noisy = blocks(&[60.0, 90.0, 61.0, 30.0, 95.0, 58.0, 62.0, 25.0, 59.0, 88.0]);
        let [first, last] = [100.0, 20.0].map(|ms| blocks(&[ms; 10]));
        let skewed = blocks(&[100.0, 100.0, 100.0, 100.0, 160.0, 170.0, 100.0, 180.0, 190.0, 100.0]);
        assert_eq!(
            off_interval(&[&first, &noisy, &last], 1),
            Some((0.0, 0.0)),
            "one step's noise cancels out"
        );
        let (low, high) = off_interval(&[&skewed, &noisy, &last], 1).expect("interval");
        assert!(low < high && high > 0.02, "{low} {high}");
        assert_eq!(off_interval(&[&first, &blocks(&[60.0; 2]), &last], 1), None, "two blocks in common");
    }
}
