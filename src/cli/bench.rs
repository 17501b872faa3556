//! `taremark bench`.

use super::failure::{FAILED, Usage};
use super::profile::{Length, Profile};
use super::progress::Shown;
use super::resume::Resumed;
use super::{adapt, bytes, targets, workloads};
use crate::image::store::Store;
use crate::measure::bench::{Bench, Ended};
use crate::measure::pilot::Logs;
use crate::measure::session::{Session, clean_dead};
use crate::measure::{environment, images, transfer};
use crate::record::ending::INTERRUPTED;
use crate::record::schema::{Plan, SCHEMA, Schedule};
use crate::record::shard::Shard;
use crate::record::{now_utc, writer::Writer};
use crate::report::Figures;
use crate::sys::affinity;
use crate::workload::{Readiness, Workload};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How much is measured
    #[arg(long, value_enum, default_value = "quick")]
    profile: Profile,
    /// Only this target; may be given again [process, container, microvm, microvm:own, microvm-restored, microvm-restored:own, vm, vm:direct, vm:small, vm:small-direct, firecracker, cloud-hypervisor, oci:RUNTIME, podman, docker, or one of --targets]
    #[arg(long = "target", value_name = "NAME", value_delimiter = ',')]
    targets: Vec<String>,
    /// Only this workload; may be given again [hello, idle, cpu, memory, syscall, disk, http, redis, nginx, python]
    #[arg(long = "workload", value_name = "NAME", value_delimiter = ',', conflicts_with = "image")]
    workloads: Vec<String>,
    /// An image of the store instead of the built-in workloads
    #[arg(long, value_name = "REF")]
    image: Option<String>,
    /// When the image is ready: tcp:PORT, http:PORT/PATH, line:TEXT or exit
    #[arg(long, value_name = "HOW", requires = "image")]
    ready: Option<Readiness>,
    /// Arguments instead of the image's own, after --
    #[arg(last = true, requires = "image", value_name = "ARGV")]
    argv: Vec<String>,
    /// Exactly so many runs of each workload on each target, whatever time they take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..100_000))]
    runs: Option<u32>,
    /// Warm-up runs, recorded and marked
    #[arg(long, value_name = "N", default_value_t = 1)]
    warmup: u32,
    /// Seed of the order; drawn where it is not given, recorded in any case
    #[arg(long)]
    seed: Option<u64>,
    /// Host's caches before each run
    #[arg(long, value_parser = ["warm", "cold"], default_value = "warm")]
    cache: String,
    /// CPUs for each run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    cpus: u32,
    /// Memory for each run
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = bytes::parse)]
    memory: u64,
    /// Wait between ready and the memory probes
    #[arg(long, value_name = "MS", default_value_t = 200)]
    settle: u64,
    /// Width wanted of the 95 % interval of a start-up's ratio to the bare process, in per cent: the first blocks say
    /// how many it takes, at most those of the profile
    #[arg(long, value_name = "PERCENT", value_parser = precision, conflicts_with = "runs")]
    precision: Option<f64>,
    /// CPUs to keep runs on; the harness keeps to the others
    #[arg(long, value_name = "CPU,…", value_delimiter = ',')]
    pin: Vec<u32>,
    /// Bytes by which the environment of a block is made longer at most, drawn by lot; 0: none
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pad: u32,
    /// Longest wait for a quiet host before a block, seconds; altogether never more than a tenth of the bench
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    wait: u32,
    /// Folder of the record, to be made [default: results/<UTC time>-<host>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take up the interrupted bench of this record: its plan counts, other arguments about it do not
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "runs", "precision", "seed", "targets", "workloads", "image"])]
    resume: Option<PathBuf>,
    /// Only the I-th of N parts of the plan, by whole blocks: the parts of one --seed and --runs together are the plan;
    /// `merge` joins them
    #[arg(long, value_name = "I/N", requires_all = ["runs", "seed"], conflicts_with = "resume")]
    shard: Option<Shard>,
    /// Leave out the blocks that this record of the same shard holds whole: another host began it; may be given again
    #[arg(long, value_name = "DIR", requires = "shard")]
    after: Vec<PathBuf>,
    /// The record alone, without tables, charts and pages
    #[arg(long)]
    no_report: bool,
    /// No progress
    #[arg(long)]
    quiet: bool,
    /// For programs: how it ended and all figures instead of the table
    #[arg(long)]
    json: bool,
    /// What each choice that makes microvm quick is worth: a waterfall from what a user types
    #[arg(long, value_name = "TARGET", value_parser = super::ablate::named, conflicts_with_all = ["targets", "resume"])]
    ablate: Option<String>,
    /// With --ablate: one more target, whose root has this tree below the image's
    #[arg(long, value_name = "DIR", requires = "ablate")]
    beneath: Option<PathBuf>,
    #[command(flatten)]
    machine: super::kernel::MachineArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let length = arguments.profile.length();
    let resumed = arguments.resume.as_deref().map(Resumed::read).transpose()?;
    let names = match &resumed {
        Some(resumed) => resumed.target_names(),
        None => targets::named(&arguments.targets, &arguments.machine.others.rows()?)?,
    };
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    let chosen = match &resumed {
        Some(resumed) => resumed.workloads()?,
        None => choose(arguments, &store, &length)?,
    };
    for dead in clean_dead()? {
        eprintln!("removed what the dead session {} had left", dead.session);
    }
    let out = match &resumed {
        Some(resumed) => resumed.dir.clone(),
        None => new_folder(arguments)?,
    };
    let session = Session::enter(&std::env::temp_dir())?;
    let pin = resumed.as_ref().map_or(&arguments.pin, |r| &r.record.plan.schedule.pin);
    if !pin.is_empty() {
        affinity::keep_runs_on(pin).map_err(|e| Usage { what: format!("--pin: {e}") })?;
    }
    // After the session's namespaces were entered, because it starts a thread.
    let interrupted = interruptible()?;
    let shown = Shown::new(arguments.quiet);
    let twice = length.same_twice && arguments.runs.is_none();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut targets = match arguments.ablate {
        Some(_) => super::ablate::targets(&session, &arguments.machine, arguments.beneath.as_deref())?,
        None => targets::make(&names, &session, &arguments.machine, twice)?,
    };
    let mut plan = match &resumed {
        Some(resumed) => resumed.record.plan.clone(),
        None => plan(arguments, &length),
    };
    let limits = images::Limits { cpus: plan.cpus, memory_bytes: plan.memory_bytes };
    let ready = chosen.iter().map(|w| images::ready(&store, w, limits));
    let mut ready = ready.collect::<Result<Vec<_>, _>>()?;
    // What is taken up has its sizes already.
    for weighed in ready.iter_mut().filter(|_| resumed.is_none()) {
        transfer::weigh(&store, weighed)?;
    }
    plan.targets = targets.iter().map(|t| t.facts().clone()).collect();
    plan.workloads = ready.iter().map(|r| r.facts.clone()).collect();
    if let Some(resumed) = &resumed {
        resumed.same_as(&plan)?;
        plan.schedule.resumed_utc.push(now_utc());
    } else {
        super::shard::divide(&mut plan, arguments.shard, &arguments.after)?;
    }
    let decide = |logs: &Logs| adapt::decide(logs, plan.schedule.width_wanted);
    let mut bench = Bench {
        plan: &plan,
        targets: &mut targets,
        workloads: &ready,
        session: &session,
        interrupted: &interrupted,
        decide: Some(&decide),
        pilot: None,
        done: Vec::new(),
        logs: Logs::default(),
        spent_s: 0.0,
    };
    let shown = shown.of(&plan);
    let (ended, why) = measure(&mut bench, &out, resumed, shown)?;
    drop(session);
    finish(arguments, &out, why, ended)
}

fn new_folder(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    let out = arguments.out.clone().unwrap_or_else(default_out);
    if out.exists() {
        return Err(
            Usage { what: format!("{} is there already: give --out a new folder", out.display()) }.into()
        );
    }
    Ok(std::path::absolute(&out)?)
}

fn precision(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['%', ' ']).parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 1000.0 => Ok(percent / 100.0),
        _ => Err("a width in per cent, like 5".into()),
    }
}

fn choose(arguments: &Arguments, store: &Store, length: &Length) -> anyhow::Result<Vec<Workload>> {
    if let Some(reference) = &arguments.image {
        return Ok(vec![workloads::of_image(reference, arguments.ready.as_ref(), &arguments.argv)?]);
    }
    let hello = ["hello".to_owned()];
    let box_alone = arguments.ablate.is_some() && arguments.workloads.is_empty();
    let names = if box_alone { &hello[..] } else { &arguments.workloads };
    let chosen = workloads::by_name(store, names, length)?;
    for line in &chosen.left_out {
        eprintln!("{line}");
    }
    Ok(chosen.workloads)
}

pub(super) fn interruptible() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&interrupted);
    ctrlc::set_handler(move || set.store(true, Ordering::Relaxed)).context("take Ctrl-C")?;
    Ok(interrupted)
}

fn measure(
    bench: &mut Bench,
    out: &Path,
    resumed: Option<Resumed>,
    mut shown: Shown,
) -> anyhow::Result<(Ended, &'static str)> {
    let mut writer = match resumed {
        Some(resumed) => resumed.take_up(bench)?,
        None => {
            let environment = environment::of_this_host(&now_utc(), out);
            let mut writer = Writer::create(out, bench.plan, &environment)
                .with_context(|| format!("begin the record {}", out.display()))?;
            shown.say("preparing images");
            bench.prepare(&mut writer)?;
            writer
        }
    };
    let ended = bench.run(&mut writer, |step| shown.take(&step));
    shown.end();
    let (ended, why) = ended?;
    let mut plan = bench.plan.clone();
    plan.ended_by = why.to_owned();
    plan.schedule.pilot = bench.pilot.clone();
    writer.finish(&plan).context("end the record")?;
    Ok((ended, why))
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Outcome<'a> {
    schema: u32,
    record: &'a Path,
    /// As in plan.json.
    ended_by: &'a str,
    runs: u32,
    failed: u32,
    /// None without a report.
    page: Option<&'a Path>,
    notes: &'a [String],
    figures: Option<&'a Figures>,
    ablation: Option<crate::report::ablation::Ablation>,
}

fn finish(arguments: &Arguments, out: &Path, why: &str, ended: Ended) -> anyhow::Result<ExitCode> {
    let rendered = (!arguments.no_report).then(|| super::report::render(out)).transpose()?;
    let ablation = arguments.ablate.as_ref().map(|_| super::ablate::of(out)).transpose()?;
    if arguments.json {
        let outcome = Outcome {
            schema: SCHEMA,
            record: out,
            ended_by: why,
            runs: ended.runs,
            failed: ended.failed,
            page: rendered.as_ref().map(|r| r.page.as_path()),
            notes: rendered.as_ref().map_or(&[][..], |r| &r.warnings),
            figures: rendered.as_ref().map(|r| &r.figures),
            ablation,
        };
        super::json::print(&outcome)?;
    } else {
        rendered.iter().for_each(super::report::show);
        ablation.iter().for_each(|a| super::ablate::show(a, out));
    }
    if ended.interrupted {
        eprintln!("interrupted after {} runs; what was measured is kept", ended.runs);
    }
    if ended.failed > 0 {
        eprintln!(
            "{} of {} runs failed; their reasons are in {}",
            ended.failed,
            ended.runs,
            out.join("runs.csv").display()
        );
    }
    let well = ended.failed == 0 && why != INTERRUPTED;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn plan(arguments: &Arguments, length: &Length) -> Plan {
    let (min_blocks, max_blocks) = arguments.runs.map_or((length.min_blocks, length.max_blocks), |n| (n, n));
    let custom = arguments.runs.is_some()
        || arguments.ablate.is_some()
        || !arguments.workloads.is_empty()
        || arguments.image.is_some()
        || !arguments.targets.is_empty();
    Plan {
        schema: SCHEMA,
        taremark: env!("CARGO_PKG_VERSION").to_owned(),
        profile: if custom { "custom" } else { length.name }.to_owned(),
        seed: arguments.seed.unwrap_or_else(drawn_seed),
        min_blocks,
        max_blocks,
        warmup_blocks: arguments.warmup,
        budget_s: if arguments.runs.is_some() { f64::MAX } else { length.budget.as_secs_f64() },
        cache: arguments.cache.clone(),
        cpus: arguments.cpus,
        memory_bytes: arguments.memory,
        settle_ms: arguments.settle,
        targets: Vec::new(),
        workloads: Vec::new(),
        schedule: Schedule {
            pin: arguments.pin.clone(),
            env_pad_bytes: arguments.pad,
            quiet_wait_s: f64::from(arguments.wait),
            width_wanted: arguments.precision.or(length.width.filter(|_| arguments.runs.is_none())),
            ..Schedule::default()
        },
        ended_by: String::new(),
    }
}

/// From the clock: only that it differs from one bench to the next matters, and it is short enough to be typed.
fn drawn_seed() -> u64 {
    crate::sys::clock::monotonic_ns() % 1_000_000_007
}

fn default_out() -> PathBuf {
    let host = sysinfo::System::host_name().unwrap_or_default();
    let safe: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let time = now_utc().chars().take(19).filter(|c| *c != ':' && *c != '-').collect::<String>();
    Path::new("results").join(format!("{time}Z-{}", if safe.is_empty() { "host" } else { &safe }))
}
