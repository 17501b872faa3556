//! Which targets a bench runs on.

use super::failure::Usage;
use super::kernel::MachineArguments;
use crate::machine::debian::Flavour;
use crate::measure::session::Session;
use crate::target::Target;
use crate::target::container::ContainerTarget;
use crate::target::microvm::{MicroVmOptions, MicroVmTarget};
use crate::target::microvm_restored::RestoredTarget;
use crate::target::oci::OciTarget;
use crate::target::process::ProcessTarget;
use crate::target::vm::{Boot, VmTarget};

/// Names, in the order of tables.
pub const KNOWN: [&str; 3] = ["process", "container", "microvm"];
/// Further ones, run when they are asked for: other kernels, machines that are restored instead of booted, and whole
/// operating systems.
pub const MORE: [&str; 7] = [
    "microvm:own",
    "microvm-restored",
    "microvm-restored:own",
    "vm",
    "vm:direct",
    "vm:small",
    "vm:small-direct",
];

/// Checks names, puts them in the order of tables and each once. `oci:<program>` is any other runtime.
pub fn named(names: &[String]) -> anyhow::Result<Vec<String>> {
    let other = |n: &str| n.strip_prefix("oci:").is_some_and(|r| !r.is_empty());
    let known: Vec<&str> = KNOWN.into_iter().chain(MORE).collect();
    if let Some(unknown) = names.iter().find(|n| !known.contains(&n.as_str()) && !other(n)) {
        let what = format!("unknown target {unknown:?}: {} and oci:RUNTIME are known", known.join(", "));
        return Err(Usage { what }.into());
    }
    if names.is_empty() {
        return Ok(KNOWN.map(String::from).to_vec());
    }
    let mut sorted = names.to_vec();
    let place = |n: &String| known.iter().position(|k| k == n).map_or(3, |p| p * 2);
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
    for name in names {
        match *name {
            "process" => targets.push(Box::new(ProcessTarget::new(scratch()))),
            "container" => {
                targets.push(Box::new(ContainerTarget::new(scratch())?));
                if same_twice {
                    targets.push(Box::new(ContainerTarget::new(scratch())?.named("container#2")));
                }
            }
            other if other.starts_with("oci:") => {
                targets.push(Box::new(OciTarget::new(other.trim_start_matches("oci:"), scratch())?));
            }
            vm if vm == "vm" || vm.starts_with("vm:") => {
                let flavour = if vm.contains("small") { Flavour::Small } else { Flavour::Full };
                let boot = if vm.ends_with("direct") { Boot::Direct } else { Boot::Loader };
                targets.push(Box::new(VmTarget::new(machine.options(&session.scratch), flavour, boot)?));
            }
            other => {
                let options =
                    MicroVmOptions { own: other.ends_with(":own"), ..machine.options(&session.scratch) };
                if other.starts_with("microvm-restored") {
                    targets.push(Box::new(RestoredTarget::new(options)?));
                } else {
                    targets.push(Box::new(MicroVmTarget::new(options)?));
                }
            }
        }
    }
    Ok(targets)
}
