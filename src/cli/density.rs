//! `taremark density`: how many instances fit, what one more costs, and how several starts at once slow one another down.

use super::bench::interruptible;
use super::bytes;
use super::failure::Usage;
use super::json::Json;
use super::kernel::MachineArguments;
use super::targets;
use crate::image::store::Store;
use crate::measure::density::{Settings, measure};
use crate::measure::images::{self, Limits};
use crate::measure::session::{Session, clean_dead};
use crate::report::density::{AGREE, Summary, write};
use crate::workload::{Readiness, builtin};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Target of all instances
    #[arg(long, value_name = "NAME", default_value = "container")]
    target: String,
    /// Workload: a service without a network that tells by a line that it is ready
    #[arg(long, value_name = "NAME", default_value = "idle")]
    workload: String,
    /// Instances at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..))]
    max: u32,
    /// What all instances together may take of the host's memory
    #[arg(long, value_name = "SIZE", value_parser = bytes::parse)]
    memory_limit: Option<u64>,
    /// Memory limit of each instance
    #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = bytes::parse)]
    memory: u64,
    /// CPUs of each instance
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cpus: u32,
    /// Start so many at once, before the others; 0 for none
    #[arg(long, value_name = "N,…", default_value = "1,2,4,8", value_delimiter = ',')]
    at_once: Vec<u32>,
    /// Rounds of each number that is started at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Wait between ready and the figures, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100)]
    settle: u64,
    /// Have the host's kernel merge same pages when all are up (KSM), and say what that saves
    #[arg(long)]
    ksm: bool,
    /// Folder for the figures; must not exist
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    machine: MachineArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let usage = |what: String| anyhow::Error::from(Usage { what });
    if arguments.out.exists() {
        return Err(usage(format!("{} is there already: give --out a new folder", arguments.out.display())));
    }
    let rows = arguments.machine.others.rows()?;
    let name = targets::named(std::slice::from_ref(&arguments.target), &rows)?.remove(0);
    let workload = builtin::find(&arguments.workload)
        .ok_or_else(|| usage(format!("unknown workload {:?}", arguments.workload)))?;
    if !workload.service || workload.network || !matches!(workload.ready, Readiness::Line(_)) {
        let what = format!("{} is no service that tells by a line that it is ready: try idle", workload.name);
        return Err(usage(what));
    }
    if arguments.ksm && !Path::new("/sys/kernel/mm/ksm/run").exists() {
        let what = "this host's kernel cannot merge pages (CONFIG_KSM)".into();
        return Err(super::failure::Lacks { what, mend: "the same without --ksm".into() }.into());
    }
    let out = std::path::absolute(&arguments.out)?;
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    for dead in clean_dead()? {
        eprintln!("removed what the dead session {} had left", dead.session);
    }
    many_files()?;
    let session = Session::enter(&std::env::temp_dir())?;
    let interrupted = interruptible()?;
    let machine = arguments.machine.clone().mergeable(arguments.ksm);
    let mut target = targets::make(&[&name], &session, &machine, false)?.remove(0);
    let limits = Limits { cpus: arguments.cpus, memory_bytes: arguments.memory };
    let ready = images::ready(&store, &workload, limits)?;
    target.prepare(&ready.job)?;
    let at_once: Vec<u32> = arguments.at_once.iter().copied().filter(|n| *n > 0).collect();
    let settings = Settings {
        ready: &ready,
        session: &session,
        interrupted: &interrupted,
        max: arguments.max,
        memory_limit_bytes: arguments.memory_limit,
        settle: Duration::from_millis(arguments.settle),
        merge: arguments.ksm,
        at_once: &at_once,
        rounds: arguments.rounds,
    };
    let say = |what: &str| {
        if !arguments.quiet {
            eprint!("\r{what:<30}");
        }
    };
    let measured = measure(target.as_mut(), &settings, say);
    if !arguments.quiet {
        eprint!("\r{:<30}\r", "");
    }
    let density = measured?;
    density.write(&out)?;
    let summary = write(&out)?;
    let told = serde_json::json!({ "schema": 1, "record": out, "plan": density.header, "summary": summary });
    arguments.json.or(&told, || {
        match &summary {
            Some(summary) => show(&density.header, summary),
            None => println!("fewer than two instances fit: {}", density.header.ended_by),
        }
        println!("{}", out.display());
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Each instance needs some ten descriptors.
fn many_files() -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

fn show(header: &crate::record::density::Header, s: &Summary) {
    let mib = |bytes: f64| format!("{:.2} MiB", bytes / 1_048_576.0);
    let mark = if header.target.accelerator.is_empty() {
        String::new()
    } else {
        format!(" ({})", header.target.accelerator)
    };
    println!(
        "{}{mark}, {}: {} instances, {}",
        header.target.name, header.workload, s.instances, header.ended_by
    );
    let interval = match (s.marginal_low_bytes, s.marginal_high_bytes) {
        (Some(low), Some(high)) => format!(" [{}, {}]", mib(low), mib(high)),
        _ => String::new(),
    };
    println!("  one more takes of the host   {}{interval}", mib(s.marginal_bytes));
    println!(
        "  accounted for one            {}: {:+.1} % {}",
        mib(s.accounted_bytes),
        s.difference * 100.0,
        if s.difference.abs() <= AGREE { "apart, they agree" } else { "apart: THEY DISAGREE" }
    );
    println!("    its pages                  {}", mib(s.pages_bytes));
    let charged = mib(s.kernel_charged_bytes);
    println!("    the kernel's               {} ({charged} charged to its cgroup)", mib(s.kernel_bytes));
    println!("    the harness's              {}", mib(s.harness_bytes));
    println!("  page cache, can be had back  {}", mib(s.file_bytes));
    println!("  start, first and last tenth  {:.1} ms, {:.1} ms", s.startup_first_ms, s.startup_last_ms);
    println!("  stopping all                 {:.0} ms", header.stop_ms);
    let back = header.available_after_bytes as f64 - header.available_before_bytes as f64;
    println!("  MemAvailable after, before   {} apart", mib(back));
    if let Some(m) = header.merged {
        let gain = m.available_on_bytes as f64 - m.available_off_bytes as f64;
        println!(
            "  KSM, settled in {:.0} s        {} merged, MemAvailable {}",
            m.settled_s,
            mib(m.sharing_bytes as f64),
            mib(gain)
        );
    }
    for row in &s.together {
        println!(
            "  {:>2} at once                   {:.1} ms each, {:.1} a second",
            row.at_once, row.startup_ms, row.per_second
        );
    }
}
