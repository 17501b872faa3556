//! `taremark bench --ablate microvm`: one choice after the other, from what a user types to what the product does; and
//! what each is worth, read from the record.

use super::failure::Usage;
use super::kernel::MachineArguments;
use crate::measure::session::Session;
use crate::record::reader;
use crate::report::ablation::{self, Ablation, Choice, Question, Step};
use crate::target::Target;
use crate::target::microvm::{MicroVmOptions, MicroVmTarget};
use crate::target::microvm_console::{ConsoleTarget, LEVELS};
use crate::target::microvm_restored::RestoredTarget;
use std::path::Path;

/// After [`LEVELS`]: the product's own form, its walls, a kernel made for it, and the restored machine.
const PRODUCT: [(&str, &str); 5] = [
    ("microvm~disk", "image on a disk, our init, output by virtio instead of the console"),
    ("microvm~unwalled", "the image in the initramfs, as it is small: no disk, no drivers for it"),
    ("microvm", "QEMU behind its system call filter, as a user without rights: the target microvm"),
    (OWN, "a kernel of our own, without ACPI and modules: the target microvm:own"),
    ("microvm-restored:own", "restored instead of booted: the target microvm-restored:own"),
];
/// The quickest that boots.
const OWN: &str = "microvm:own";
/// What the headline keeps, and what leaving it out would gain; against [`OWN`]. Of memory's initialisation, which is as the
/// host has it, both: the one that the host has differs in nothing, and shows what the comparison sees where nothing is.
const KEPT: [(&str, &str); 4] = [
    ("mitigations=off", "no mitigations of processor errata"),
    ("init_on_alloc=0", "memory is not zeroed when it is given out"),
    ("init_on_alloc=1", "memory is zeroed when it is given out"),
    ("norandmaps", "programs' addresses are not random"),
];
/// Further targets beside [`OWN`].
const UNWALLED: (&str, &str) = ("microvm:own~unwalled", "QEMU without its filter, as the harness's user");
const ON_DISK: (&str, &str) = ("microvm:own~disk", "the image on a disk instead of in the initramfs");
const LARGE: &str = "microvm:own~large";

/// What can be ablated.
pub fn named(what: &str) -> Result<String, String> {
    if what == "microvm" {
        Ok(what.to_owned())
    } else {
        Err(format!("{what:?}: only microvm can be ablated"))
    }
}

/// A target for each step, in their order. Inside the session. `beneath`: a tree for one more, see [`MicroVmOptions`].
pub fn targets(
    session: &Session,
    machine: &MachineArguments,
    beneath: Option<&Path>,
) -> anyhow::Result<Vec<Box<dyn Target>>> {
    let options = || machine.options(&session.scratch);
    let own = || MicroVmOptions { own: true, ..options() };
    let mut targets: Vec<Box<dyn Target>> = Vec::new();
    for level in 0..LEVELS.len() {
        targets.push(Box::new(ConsoleTarget::new(options(), level)?));
    }
    let mut add = |name: Option<&str>, options: MicroVmOptions| -> anyhow::Result<()> {
        let name = name.map(str::to_owned);
        targets.push(Box::new(MicroVmTarget::new(MicroVmOptions { name, ..options })?));
        Ok(())
    };
    add(Some(PRODUCT[0].0), MicroVmOptions { isolated: false, on_disk: true, ..options() })?;
    add(Some(PRODUCT[1].0), MicroVmOptions { isolated: false, ..options() })?;
    add(None, options())?;
    add(None, own())?;
    for (parameter, _) in KEPT {
        let parameters = vec![parameter.to_owned()];
        add(Some(&kept_name(parameter)), MicroVmOptions { parameters, ..own() })?;
    }
    add(Some(UNWALLED.0), MicroVmOptions { isolated: false, ..own() })?;
    add(Some(ON_DISK.0), MicroVmOptions { on_disk: true, ..own() })?;
    if let Some(tree) = beneath {
        let tree = std::fs::canonicalize(tree)
            .map_err(|e| Usage { what: format!("--beneath {}: {e}", tree.display()) })?;
        add(Some(LARGE), MicroVmOptions { beneath: Some(tree), ..own() })?;
    }
    targets.push(Box::new(RestoredTarget::new(own())?));
    Ok(targets)
}

fn kept_name(parameter: &str) -> String {
    format!("{OWN}~{parameter}")
}

fn question() -> Question {
    let choice = |target: &str, what: &str| Choice { target: target.to_owned(), what: what.to_owned() };
    let levels = LEVELS.iter().map(|(name, what)| choice(&format!("microvm~{name}"), what));
    let beside = |c: Choice| (c, OWN.to_owned());
    let kept = KEPT.iter().map(|(p, what)| choice(&kept_name(p), what));
    let more = [choice(UNWALLED.0, UNWALLED.1), choice(ON_DISK.0, ON_DISK.1)];
    // Beside the small one that is on a disk, too: what the size costs, not what the disk does.
    let large = choice(LARGE, "the same with a large tree in the image's root");
    Question {
        chain: levels.chain(PRODUCT.iter().map(|(name, what)| choice(name, what))).collect(),
        aside: kept.chain(more).map(beside).chain([(large, ON_DISK.0.to_owned())]).collect(),
    }
}

/// What each choice is worth, written into the record with its chart.
pub fn of(dir: &Path) -> anyhow::Result<Ablation> {
    let record = reader::read(dir)?;
    let ablation = ablation::of(&record, &question())
        .ok_or_else(|| Usage { what: format!("{} holds no start-up", dir.display()) })?;
    ablation::write(dir, &ablation)?;
    Ok(ablation)
}

/// Prints it.
pub fn show(ablation: &Ablation, dir: &Path) {
    println!("\nwhat each choice is worth, start-up of the workload, medians, 95 % intervals");
    ablation.steps.iter().for_each(print);
    let (sum, whole) = (ablation.sum_ms, ablation.whole_ms);
    let surely =
        ablation.off_interval.map(|(low, high)| format!(" [{:+.0}, {:+.0}]", low * 100.0, high * 100.0));
    let off = format!("{:+.1} % off{}", ablation.off() * 100.0, surely.unwrap_or_default());
    println!("  the steps add up to {sum:+.0} ms of {whole:+.0} ms, {off}");
    println!("beside {OWN}: what leaving out would gain, and what more would cost");
    ablation.aside.iter().for_each(print);
    println!("chart: {}", dir.join("ablation.svg").display());
}

fn print(step: &Step) {
    let ends = |i: Option<(f64, f64)>, digits: usize| {
        i.map(|(low, high)| format!(" [{low:.digits$}, {high:.digits$}]")).unwrap_or_default()
    };
    let of_change = ends(step.change_interval_ms, 0);
    let change = step.change_ms.map(|c| format!("; {c:+.0}{of_change} ms")).unwrap_or_default();
    println!("  {:>6.0} ms  {:<24} {}", step.startup_ms, step.target, step.what);
    println!("             {:.3}x{}{change}", step.ratio, ends(step.ratio_interval, 3));
}
