//! `taremark least-memory`: the least memory with which a workload runs on a target.

use super::bench::interruptible;
use super::bytes;
use super::failure::Usage;
use super::kernel::MachineArguments;
use super::targets;
use crate::image::store::Store;
use crate::measure::images::{self, Limits};
use crate::measure::least::{HOLDS, STEP, least};
use crate::measure::session::{Session, clean_dead};
use crate::workload::builtin;
use anyhow::Context;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Target
    #[arg(long, value_name = "NAME", default_value = "microvm:own")]
    target: String,
    /// Workload
    #[arg(long, value_name = "NAME", default_value = "hello")]
    workload: String,
    /// Memory to begin with, with which it has to run
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = bytes::parse)]
    most: u64,
    /// CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cpus: u32,
    /// The figure as JSON
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    machine: MachineArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let rows = arguments.machine.others.rows()?;
    let name = targets::named(std::slice::from_ref(&arguments.target), &rows)?.remove(0);
    let workload = builtin::find(&arguments.workload)
        .ok_or_else(|| Usage { what: format!("unknown workload {:?}", arguments.workload) })?;
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    for dead in clean_dead()? {
        eprintln!("removed what the dead session {} had left", dead.session);
    }
    let session = Session::enter(&std::env::temp_dir())?;
    let interrupted = interruptible()?;
    let mut target = targets::make(&[&name], &session, &arguments.machine, false)?.remove(0);
    let limits = Limits { cpus: arguments.cpus, memory_bytes: arguments.most };
    let ready = images::ready(&store, &workload, limits)?;
    let say = |bytes: u64, fails: Option<&str>| {
        if !arguments.quiet {
            eprintln!("{:>6} MiB  {}", bytes / STEP, fails.map_or("runs", first_line));
        }
    };
    let found = least(target.as_mut(), &ready, &session, &interrupted, say)?;
    let (mib, below) = (found.bytes / STEP, found.below.as_str());
    if arguments.json {
        let json = serde_json::json!({ "target": name, "workload": workload.name, "cpus": arguments.cpus,
            "least_bytes": found.bytes, "below": below, "runs": found.runs });
        println!("{json}");
    } else {
        println!(
            "{}: {} runs with {mib} MiB ({HOLDS} times of {HOLDS}) and not with less",
            name, workload.name
        );
        println!("with a MiB less: {}", first_line(below));
    }
    Ok(ExitCode::SUCCESS)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
