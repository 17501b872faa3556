//! `taremark aa`: the same target twice under two names, session after session. Every difference that is said is a false
//! alarm, and how far apart the two come out is the floor below which no figure means anything.

use super::bench::interruptible;
use super::failure::{FAILED, Usage};
use super::json::Json;
use super::kernel::MachineArguments;
use super::progress::Shown;
use super::{profile::Profile, targets, workloads};
use crate::image::store::Store;
use crate::measure::bench::{Bench, Ended};
use crate::measure::pilot::Logs;
use crate::measure::session::{Session, clean_dead};
use crate::measure::{environment, images};
use crate::record::schema::{Plan, SCHEMA, Schedule};
use crate::record::{now_utc, reader, reader::Record, writer::Writer};
use crate::report::compare::{Line, Side, lines};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    sessions: u32,
    /// Blocks of each
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(6..=10_000))]
    blocks: u32,
    /// Workload
    #[arg(long, value_name = "NAME", default_value = "hello")]
    workload: String,
    /// Seed of the first session's order; each further one has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the records, to be made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// No progress
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    machine: MachineArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.out.exists() {
        let what = format!("{} is there already: give --out a new folder", arguments.out.display());
        return Err(Usage { what }.into());
    }
    let out = std::path::absolute(&arguments.out)?;
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    let length = Profile::Quick.length();
    let chosen = workloads::by_name(&store, std::slice::from_ref(&arguments.workload), &length)?.workloads;
    clean_dead()?;
    let session = Session::enter(&std::env::temp_dir())?;
    let interrupted = interruptible()?;
    let mut targets = targets::make(&["container"], &session, &arguments.machine, true)?;
    let limits = images::Limits { cpus: 1, memory_bytes: 256 << 20 };
    let ready = chosen.iter().map(|w| images::ready(&store, w, limits)).collect::<Result<Vec<_>, _>>()?;
    let (mut found, mut after) = (Vec::new(), Vec::new());
    let mut before: Option<Record> = None;
    for number in 0..arguments.sessions {
        let mut plan = plan(arguments, number);
        plan.targets = targets.iter().map(|t| t.facts().clone()).collect();
        plan.workloads = ready.iter().map(|r| r.facts.clone()).collect();
        let dir = out.join(format!("session-{:03}", number + 1));
        let mut bench = Bench {
            plan: &plan,
            targets: &mut targets,
            workloads: &ready,
            session: &session,
            interrupted: &interrupted,
            decide: None,
            pilot: None,
            done: Vec::new(),
            logs: Logs::default(),
            spent_s: 0.0,
        };
        let shown = Shown::new(arguments.quiet).of(&plan);
        let ended = measure(&mut bench, &dir, shown)?;
        if ended.interrupted {
            break;
        }
        let record = reader::read(&dir)?;
        found.push(compared((&record, "container"), (&record, "container#2"))?);
        if let Some(before) = &before {
            after.push(compared((before, "container"), (&record, "container"))?);
        }
        before = Some(record);
        if !arguments.json.json {
            show(number + 1, &found[found.len() - 1]);
        }
    }
    let outcome = Outcome::of(found, &after);
    arguments.json.or(&outcome, || outcome.show())?;
    Ok(if outcome.alarms > outcome.allowed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn plan(arguments: &Arguments, number: u32) -> Plan {
    Plan {
        schema: SCHEMA,
        taremark: env!("CARGO_PKG_VERSION").to_owned(),
        profile: "aa".into(),
        seed: arguments.seed + u64::from(number),
        min_blocks: arguments.blocks,
        max_blocks: arguments.blocks,
        warmup_blocks: 1,
        budget_s: f64::MAX,
        cache: "warm".into(),
        cpus: 1,
        memory_bytes: 256 << 20,
        settle_ms: 200,
        targets: Vec::new(),
        workloads: Vec::new(),
        schedule: Schedule { env_pad_bytes: 4096, ..Schedule::default() },
        ended_by: String::new(),
    }
}

fn measure(bench: &mut Bench, dir: &Path, mut shown: Shown) -> anyhow::Result<Ended> {
    let environment = environment::of_this_host(&now_utc(), dir);
    let mut writer = Writer::create(dir, bench.plan, &environment)
        .with_context(|| format!("begin the record {}", dir.display()))?;
    bench.prepare(&mut writer)?;
    let ended = bench.run(&mut writer, |step| shown.take(&step));
    shown.end();
    let (ended, why) = ended?;
    writer.finish(&Plan { ended_by: why.to_owned(), ..bench.plan.clone() }).context("end the record")?;
    Ok(ended)
}

fn compared(base: (&Record, &str), new: (&Record, &str)) -> anyhow::Result<Line> {
    let side = |(record, target)| Side { record, target: Some(target) };
    let all = lines(side(base), side(new), 0.0, |m| m == "startup_ms");
    all.into_iter().next().context("no run of the session succeeded")
}

fn is_alarm(line: &Line) -> bool {
    ["more", "less"].contains(&line.verdict)
}

fn show(number: u32, line: &Line) {
    let percent = |r: Option<f64>| r.map_or("?".into(), |r| format!("{:+.2} %", (r - 1.0) * 100.0));
    let ratio = line.ratio;
    println!(
        "session {number}: {} [{}, {}], p = {:.3}{}",
        percent(ratio.map(|r| r.value)),
        percent(ratio.and_then(|r| r.low)),
        percent(ratio.and_then(|r| r.high)),
        line.p,
        if is_alarm(line) { ": FALSE ALARM" } else { "" }
    );
}

/// What all sessions together say.
#[derive(serde::Serialize)]
struct Outcome {
    schema: u32,
    /// A line a session.
    sessions: Vec<Line>,
    alarms: usize,
    /// Alarms that chance alone gives nineteen times of twenty.
    allowed: usize,
    /// Median over the sessions of how far the ratio is from one, per cent.
    floor_median_percent: Option<f64>,
    /// The farthest.
    floor_most_percent: Option<f64>,
    /// Each session against the one before it, as `compare` does two records: a difference is the host's, between two
    /// moments.
    between: Between,
}

#[derive(serde::Serialize)]
struct Between {
    pairs: usize,
    /// How many of them `compare` tells apart.
    told_apart: usize,
    /// Median over the pairs of how far the ratio is from one, per cent.
    median_percent: Option<f64>,
    /// The farthest.
    most_percent: Option<f64>,
}

/// How far the ratios are from one, per cent: in the median line, and at most.
fn apart(lines: &[Line]) -> (Option<f64>, Option<f64>) {
    let all: Vec<f64> = lines.iter().filter_map(|l| l.ratio).map(|r| (r.value - 1.0).abs() * 100.0).collect();
    (crate::stats::median(&all), all.into_iter().reduce(f64::max))
}

impl Outcome {
    fn of(sessions: Vec<Line>, after: &[Line]) -> Self {
        let (floor_median_percent, floor_most_percent) = apart(&sessions);
        let (median_percent, most_percent) = apart(after);
        let told_apart = after.iter().filter(|l| is_alarm(l)).count();
        Self {
            schema: 1,
            alarms: sessions.iter().filter(|l| is_alarm(l)).count(),
            allowed: allowed(sessions.len()),
            floor_median_percent,
            floor_most_percent,
            between: Between { pairs: after.len(), told_apart, median_percent, most_percent },
            sessions,
        }
    }

    fn show(&self) {
        let (alarms, n, allowed) = (self.alarms, self.sessions.len(), self.allowed);
        println!(
            "{alarms} false alarms in {n} sessions; by chance up to {allowed}, nineteen times of twenty"
        );
        if let (Some(middle), Some(most)) = (self.floor_median_percent, self.floor_most_percent) {
            println!("noise floor of start-up: {middle:.2} % in the median session, {most:.2} % at most");
        }
        let Between { pairs, told_apart, median_percent, most_percent } = self.between;
        if let (Some(middle), Some(most)) = (median_percent, most_percent) {
            println!(
                "one session after another: {middle:.2} % in the median pair, {most:.2} % at most; compare\n\
                 tells {told_apart} of {pairs} pairs apart, and its gates have to leave room for that"
            );
        }
    }
}

/// Least number of alarms that, at a rate of 5 %, is not exceeded in 95 % of such series.
fn allowed(sessions: usize) -> usize {
    let (n, rate) = (sessions as f64, 0.05_f64);
    let mut chance = (1.0 - rate).powf(n);
    let mut sum = chance;
    let mut k = 0;
    while sum < 0.95 && k < sessions {
        chance *= (n - k as f64) / (k as f64 + 1.0) * rate / (1.0 - rate);
        sum += chance;
        k += 1;
    }
    k
}

#[cfg(test)]
mod tests {
    /// SciPy 1.17.1: scipy.stats.binom.ppf(0.95, [2, 20, 100, 1000], 0.05)
    #[test]
    fn alarms_are_allowed_as_chance_has_it() {
        assert_eq!([2, 20, 100, 1000].map(super::allowed), [1, 3, 9, 62]);
    }
}
