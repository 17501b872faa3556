//! Which targets a bench runs on.

use super::failure::Usage;
use super::kernel::MachineArguments;
use super::others::MONITORS;
use crate::machine::debian::Flavour;
use crate::measure::session::Session;
use crate::target::Target;
use crate::target::container::ContainerTarget;
use crate::target::microvm::{MicroVmOptions, MicroVmTarget};
use crate::target::microvm_restored::RestoredTarget;
use crate::target::process::ProcessTarget;
use crate::target::rows::{self, Row, RowTarget};
use crate::target::vm::{Boot, VmTarget};

/// Names, in the order of tables.
pub const KNOWN: [&str; 3] = ["process", "container", "microvm"];
/// Further ones, run when they are asked for: other kernels, machines that are restored instead of booted, and whole
/// operating systems.
pub const MORE: [&str; 9] = [
    "microvm:own",
    "microvm-restored",
    "microvm-restored:own",
    "vm",
    "vm:direct",
    "vm:small",
    "vm:small-direct",
    "firecracker",
    "cloud-hypervisor",
];

/// Checks names, puts them in the order of tables and each once. `oci:<program>` is any other runtime.
pub fn named(names: &[String], rows: &[Row]) -> anyhow::Result<Vec<String>> {
    let row = |n: &str| rows.iter().position(|r| r.name == n);
    let other = |n: &str| row(n).is_some() || n.strip_prefix("oci:").is_some_and(|r| !r.is_empty());
    let known: Vec<&str> = KNOWN.into_iter().chain(MORE).collect();
    if let Some(unknown) = names.iter().find(|n| !known.contains(&n.as_str()) && !other(n)) {
        let further = rows.iter().map(|r| r.name.as_str()).filter(|n| !n.starts_with("oci:"));
        let all: Vec<&str> = known.iter().copied().chain(further).collect();
        let what = format!("unknown target {unknown:?}: {} and oci:RUNTIME are known", all.join(", "));
        return Err(Usage { what }.into());
    }
    if names.is_empty() {
        return Ok(KNOWN.map(String::from).to_vec());
    }
    let mut sorted = names.to_vec();
    // Other people's come between our container and our machines.
    let place = |n: &String| match known.iter().position(|k| k == n) {
        Some(at) if at < 2 => (at, 0),
        Some(at) => (at + 1, 0),
        None => (2, row(n).unwrap_or(usize::MAX)),
    };
    sorted.sort_by_key(place);
    sorted.dedup();
    Ok(sorted)
}

/// Makes them. Inside the session.
pub fn make(
    names: &[&str],
    session: &Session,
    machine: &MachineArguments,
    same_twice: bool,
) -> anyhow::Result<Vec<Box<dyn Target>>> {
    let mut targets: Vec<Box<dyn Target>> = Vec::new();
    let scratch = || session.scratch.clone();
    let rows = machine.others.rows()?;
    for name in names {
        match *name {
            "process" => targets.push(Box::new(ProcessTarget::new(scratch()))),
            "container" => {
                targets.push(Box::new(ContainerTarget::new(scratch())?));
                if same_twice {
                    targets.push(Box::new(ContainerTarget::new(scratch())?.named("container#2")));
                }
            }
            other if KNOWN.contains(&other) || MORE.contains(&other) => {
                targets.push(machine_target(other, session, machine)?);
            }
            other => {
                let row = match rows.iter().find(|r| r.name == other) {
                    Some(row) => row.clone(),
                    None => rows::of_runtime(other.trim_start_matches("oci:"))?,
                };
                targets.push(Box::new(RowTarget::new(row, &session.dir, scratch())?));
            }
        }
    }
    Ok(targets)
}

fn machine_target(
    name: &str,
    session: &Session,
    machine: &MachineArguments,
) -> anyhow::Result<Box<dyn Target>> {
    if name == "vm" || name.starts_with("vm:") {
        let flavour = if name.contains("small") { Flavour::Small } else { Flavour::Full };
        let boot = if name.ends_with("direct") { Boot::Direct } else { Boot::Loader };
        return Ok(Box::new(VmTarget::new(machine.options(&session.scratch), flavour, boot)?));
    }
    let options = MicroVmOptions { own: name.ends_with(":own"), ..machine.options(&session.scratch) };
    if let Some(kind) = MONITORS.into_iter().find(|k| k.name() == name) {
        return Ok(Box::new(machine.others.monitor(kind, options)?));
    }
    if name == "vm" || name.starts_with("vm:") {
        let flavour = if name.contains("small") { Flavour::Small } else { Flavour::Full };
        let boot = if name.ends_with("direct") { Boot::Direct } else { Boot::Loader };
        return Ok(Box::new(VmTarget::new(options, flavour, boot)?));
    }
    Ok(if name.starts_with("microvm-restored") {
        Box::new(RestoredTarget::new(options)?)
    } else {
        Box::new(MicroVmTarget::new(options)?)
    })
}
