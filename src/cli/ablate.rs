//! `taremark bench --ablate microvm`: one choice after the other, from what a user types to what the product does; and
//! what each is worth, read from the record.

use super::failure::Usage;
use super::kernel::MachineArguments;
use crate::measure::session::Session;
use crate::record::reader;
use crate::target::Target;
use crate::target::microvm::{MicroVmOptions, MicroVmTarget};
use crate::target::microvm_console::{ConsoleTarget, LEVELS};
use crate::target::microvm_restored::RestoredTarget;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// After [`LEVELS`]: the product's own form, its walls, a kernel made for it, and the restored machine.
const PRODUCT: [(&str, &str); 4] = [
    (
        "microvm~unwalled",
        "image on a disk, our init, output by virtio instead of the console; all CPU features",
    ),
    ("microvm", "QEMU behind its system call filter, as a user without rights: the target microvm"),
    ("microvm:own", "a kernel of our own, without ACPI and modules: the target microvm:own"),
    ("microvm-restored:own", "restored instead of booted: the target microvm-restored:own"),
];
/// What the headline keeps, and what leaving it out would gain; against microvm:own.
const KEPT: [(&str, &str); 3] = [
    ("mitigations=off", "no mitigations of processor errata"),
    ("init_on_alloc=0", "memory is not zeroed when it is given out"),
    ("norandmaps", "programs' addresses are not random"),
];

/// What can be ablated.
pub fn named(what: &str) -> Result<String, String> {
    if what == "microvm" {
        Ok(what.to_owned())
    } else {
        Err(format!("{what:?}: only microvm can be ablated"))
    }
}

/// A target for each step, in their order. Inside the session.
pub fn targets(session: &Session, machine: &MachineArguments) -> anyhow::Result<Vec<Box<dyn Target>>> {
    let options = || machine.options(&session.scratch);
    let own = || MicroVmOptions { own: true, ..options() };
    let mut targets: Vec<Box<dyn Target>> = Vec::new();
    for level in 0..LEVELS.len() {
        targets.push(Box::new(ConsoleTarget::new(options(), level)?));
    }
    let name = Some(PRODUCT[0].0.to_owned());
    targets.push(Box::new(MicroVmTarget::new(MicroVmOptions { isolated: false, name, ..options() })?));
    targets.push(Box::new(MicroVmTarget::new(options())?));
    targets.push(Box::new(MicroVmTarget::new(own())?));
    targets.push(Box::new(RestoredTarget::new(own())?));
    for (parameter, _) in KEPT {
        let name = Some(kept_name(parameter));
        let parameters = vec![parameter.to_owned()];
        targets.push(Box::new(MicroVmTarget::new(MicroVmOptions { name, parameters, ..own() })?));
    }
    Ok(targets)
}

fn kept_name(parameter: &str) -> String {
    format!("microvm:own~{parameter}")
}

/// A row of the waterfall.
#[derive(Debug, Serialize)]
struct Step {
    target: String,
    what: String,
    /// Median start-up with all choices up to this one, milliseconds.
    startup_ms: f64,
    /// Median over the blocks of the difference from the step before, milliseconds; none for the first.
    change_ms: Option<f64>,
    /// Median over the blocks of the ratio to the first.
    ratio: f64,
}

/// What each choice is worth; `ablation.json`.
#[derive(Debug, Serialize)]
pub struct Ablation {
    schema: u32,
    steps: Vec<Step>,
    kept: Vec<Step>,
    sum_ms: f64,
    whole_ms: f64,
}

impl Ablation {
    /// Read from a record, and written into it.
    pub fn of(dir: &Path) -> anyhow::Result<Self> {
        let ablation = computed(&startups(dir)?);
        std::fs::write(dir.join("ablation.json"), serde_json::to_vec_pretty(&ablation)?)?;
        Ok(ablation)
    }

    /// Prints it.
    pub fn show(&self) {
        println!("\nwhat each choice is worth, start-up of the workload, medians");
        self.steps.iter().for_each(print);
        let (sum, whole) = (self.sum_ms, self.whole_ms);
        println!("  the steps add up to {sum:+.0} ms of {whole:+.0} ms, {:.1} % off", off(sum, whole));
        println!("what leaving out would gain, against microvm:own");
        self.kept.iter().for_each(print);
    }
}

fn computed(by_target: &BTreeMap<String, Blocks>) -> Ablation {
    let of = |name: &str| by_target.get(name).cloned().unwrap_or_default();
    let levels = LEVELS.iter().map(|(name, what)| (format!("microvm~{name}"), *what));
    let steps: Vec<(String, &str)> =
        levels.chain(PRODUCT.iter().map(|(name, what)| ((*name).to_owned(), *what))).collect();
    let first = steps.first().map(|(name, _)| of(name)).unwrap_or_default();
    let mut rows = Vec::new();
    for (n, (name, what)) in steps.iter().enumerate() {
        let before = if n == 0 { None } else { Some(of(&steps[n - 1].0)) };
        rows.extend(step(name, what, &of(name), before.as_ref(), &first));
    }
    let (sum_ms, whole_ms) = account(&rows);
    let own = of("microvm:own");
    let kept: Vec<Step> = KEPT
        .iter()
        .filter_map(|(p, what)| step(&kept_name(p), what, &of(&kept_name(p)), Some(&own), &first))
        .collect();
    Ablation { schema: 1, steps: rows, kept, sum_ms, whole_ms }
}

fn off(sum: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { ((sum - whole) / whole).abs() * 100.0 }
}

/// The changes added up, and the difference of the ends.
fn account(rows: &[Step]) -> (f64, f64) {
    let sum = rows.iter().filter_map(|r| r.change_ms).sum();
    let ends = rows.last().zip(rows.first()).map_or(0.0, |(last, first)| last.startup_ms - first.startup_ms);
    (sum, ends)
}

fn print(step: &Step) {
    let change = step.change_ms.map(|c| format!("{c:+.0}")).unwrap_or_default();
    println!(
        "  {:>6.0} ms {change:>6}  {:.3}x  {:<22} {}",
        step.startup_ms, step.ratio, step.target, step.what
    );
}

type Blocks = BTreeMap<u32, f64>;

fn step(name: &str, what: &str, own: &Blocks, before: Option<&Blocks>, first: &Blocks) -> Option<Step> {
    let paired = |other: &Blocks, f: fn(f64, f64) -> f64| {
        median(own.iter().filter_map(|(b, v)| Some(f(*v, *other.get(b)?))).collect())
    };
    Some(Step {
        target: name.to_owned(),
        what: what.to_owned(),
        startup_ms: median(own.values().copied().collect())?,
        change_ms: before.and_then(|before| paired(before, |a, b| a - b)),
        ratio: paired(first, |a, b| a / b)?,
    })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { None } else { Some((values[(n - 1) / 2] + values[n / 2]) / 2.0) }
}

/// Start-up by target and block, warm-up left out.
fn startups(dir: &Path) -> anyhow::Result<BTreeMap<String, Blocks>> {
    let record = reader::read(dir)?;
    let mut found: BTreeMap<String, Blocks> = BTreeMap::new();
    for s in record.samples.iter().filter(|s| s.metric == "startup_ms" && !s.warmup && s.run > 0) {
        if let Some(value) = s.value {
            found.entry(s.target.clone()).or_default().insert(s.block, value);
        }
    }
    if found.is_empty() {
        return Err(Usage { what: format!("{} holds no start-up", dir.display()) }.into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(values: [f64; 3]) -> Blocks {
        values.into_iter().enumerate().map(|(n, v)| (n as u32, v)).collect()
    }

    #[test]
    fn a_change_is_paired_by_block_and_the_changes_add_up() {
        let (a, b, c) =
            (blocks([100.0, 200.0, 110.0]), blocks([50.0, 150.0, 60.0]), blocks([10.0, 20.0, 11.0]));
        let rows =
            [step("a", "", &a, None, &a), step("b", "", &b, Some(&a), &a), step("c", "", &c, Some(&b), &a)];
        let rows: Vec<Step> = rows.into_iter().flatten().collect();
        assert_eq!(rows.iter().map(|r| r.change_ms).collect::<Vec<_>>(), [None, Some(-50.0), Some(-49.0)]);
        assert_eq!((rows[2].ratio, rows[2].startup_ms), (0.1, 11.0));
        assert_eq!(account(&rows), (-99.0, -99.0));
        assert!(step("d", "", &Blocks::new(), Some(&a), &a).is_none(), "what was not run has no row");
    }
}
