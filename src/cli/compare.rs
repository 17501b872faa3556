//! `taremark compare`: by how much two records differ and how surely, and whether gates hold.

use super::failure::{FAILED, Usage};
use super::paint::{Tone, out};
use crate::record::merge::{MergedRecord, is_merged};
use crate::record::reader::{self, Record};
use crate::report::compare::{Line, Refusal, Side, lines, refusals};
use crate::report::fleet::compare::{self as fleet, FleetRecord, FleetSide};
use crate::report::gate::{Gate, Held};
use crate::report::{number, shown};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Record to compare with, or one of its targets as RECORD:TARGET
    #[arg(value_name = "BASE")]
    base: String,
    /// Record to be compared, or one of its targets; two targets of one record are compared block by block
    #[arg(value_name = "NEW")]
    new: String,
    /// Limit on an increase, as 'startup_ms<+5%', '<+20' in the metric's unit, or for one place only
    /// 'hello/container:startup_ms<+5%'; may be given again
    #[arg(long = "gate", value_name = "GATE")]
    gates: Vec<Gate>,
    /// A gate that more runs would have to decide counts as broken
    #[arg(long)]
    strict: bool,
    /// Compare although this differs
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = ["host", "accelerator", "workload", "limits"])]
    allow: Vec<String>,
    /// Metrics to show besides those of gates
    #[arg(
        long = "metric",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "startup_ms,pss_bytes,shipped_bytes"
    )]
    metrics: Vec<String>,
    /// Least difference that is called one, in per cent: what `taremark aa` found between sessions
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    floor: f64,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Outcome {
    schema: u32,
    base: String,
    new: String,
    /// What is counted: `run`, or `host` of merged records.
    unit: &'static str,
    allowed: Vec<Refusal>,
    lines: Vec<Line>,
    gates: Vec<Judged>,
    broken: bool,
}

#[derive(serde::Serialize)]
struct Judged {
    gate: String,
    workload: String,
    target: String,
    held: Held,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(unknown) = arguments.metrics.iter().find(|m| crate::record::schema::unit_of(m).is_none()) {
        return Err(Usage { what: format!("{unknown:?} is no metric") }.into());
    }
    let (base_dir, base_target) = place(&arguments.base);
    let (new_dir, new_target) = place(&arguments.new);
    let merged = [&base_dir, &new_dir].map(|dir| is_merged(dir));
    if merged != [false, false] {
        if merged != [true, true] {
            let what = "one of them is a merged record and the other is not: merge the other, too".to_owned();
            return Err(Usage { what }.into());
        }
        return fleets(arguments, (&base_dir, base_target), (&new_dir, new_target));
    }
    let base = read(&base_dir, base_target)?;
    let same = base_dir.canonicalize().ok() == new_dir.canonicalize().ok();
    let other = if same { None } else { Some(read(&new_dir, new_target)?) };
    let new = other.as_ref().unwrap_or(&base);
    if let (true, Some(target)) = (same, new_target) {
        has_target(&names_of(new), &new_dir, target)?;
    }
    let differ = refusals(&base, new);
    refuse(&differ, &arguments.allow)?;
    let wanted =
        |m: &str| arguments.metrics.iter().any(|w| w == m) || arguments.gates.iter().any(|g| g.metric == m);
    let sides = (Side { record: &base, target: base_target }, Side { record: new, target: new_target });
    let lines = lines(sides.0, sides.1, arguments.floor / 100.0, wanted);
    end(arguments, "run", differ, lines)
}

/// Two merged records: the host is the unit.
fn fleets(
    arguments: &Arguments,
    (base_dir, base_target): (&Path, Option<&str>),
    (new_dir, new_target): (&Path, Option<&str>),
) -> anyhow::Result<ExitCode> {
    let open = |dir: &Path| MergedRecord::open(dir).with_context(|| format!("compare {}", dir.display()));
    let (base, new) = (open(base_dir)?, open(new_dir)?);
    for (record, dir, target) in [(&base, base_dir, base_target), (&new, new_dir, new_target)] {
        let targets = record.sessions.first().map_or(&[][..], |s| &s.plan.targets);
        let names: Vec<&str> = targets.iter().map(|t| t.name.as_str()).collect();
        target.map_or(Ok(()), |t| has_target(&names, dir, t))?;
    }
    let differ = fleet::refusals(&base, &new);
    refuse(&differ, &arguments.allow)?;
    let wanted =
        |m: &str| arguments.metrics.iter().any(|w| w == m) || arguments.gates.iter().any(|g| g.metric == m);
    let same = base_dir.canonicalize().ok() == new_dir.canonicalize().ok();
    let base = FleetRecord::of(&base)?;
    let other = if same { None } else { Some(FleetRecord::of(&new)?) };
    let new = other.as_ref().unwrap_or(&base);
    let sides =
        (FleetSide { record: &base, target: base_target }, FleetSide { record: new, target: new_target });
    let lines = fleet::lines(sides.0, sides.1, arguments.floor / 100.0, wanted);
    end(arguments, "host", differ, lines)
}

fn end(
    arguments: &Arguments,
    unit: &'static str,
    differ: Vec<Refusal>,
    lines: Vec<Line>,
) -> anyhow::Result<ExitCode> {
    let gates = judged(&arguments.gates, &lines)?;
    let bad = |j: &Judged| j.held == Held::Broken || arguments.strict && j.held == Held::Undecided;
    let broken = gates.iter().any(bad);
    let outcome = Outcome {
        schema: crate::record::schema::SCHEMA,
        base: arguments.base.clone(),
        new: arguments.new.clone(),
        unit,
        allowed: differ,
        lines,
        gates,
        broken,
    };
    if arguments.json {
        super::json::print(&outcome)?;
    } else {
        show(&outcome);
    }
    Ok(if broken { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// `RECORD` or `RECORD:TARGET`; a folder that has the colon in its own name is one.
fn place(text: &str) -> (PathBuf, Option<&str>) {
    let whole = Path::new(text);
    // Targets may have colons themselves (oci:runc).
    let mut found = text.match_indices(':').map(|(at, _)| (Path::new(&text[..at]), &text[at + 1..]));
    let found = found.rfind(|(dir, target)| dir.is_dir() && !target.is_empty());
    match found {
        Some((dir, target)) if !whole.is_dir() => (dir.to_owned(), Some(target)),
        _ => (whole.to_owned(), None),
    }
}

fn read(dir: &Path, target: Option<&str>) -> anyhow::Result<Record> {
    let record = reader::read(dir).with_context(|| format!("compare {}", dir.display()))?;
    record.warnings.iter().for_each(|w| super::failure::note(w));
    if let Some(target) = target {
        has_target(&names_of(&record), dir, target)?;
    }
    Ok(record)
}

fn names_of(record: &Record) -> Vec<&str> {
    record.plan.targets.iter().map(|t| t.name.as_str()).collect()
}

fn has_target(names: &[&str], dir: &Path, target: &str) -> anyhow::Result<()> {
    if names.contains(&target) {
        return Ok(());
    }
    let what = format!("{} has no target {target:?}, but {}", dir.display(), names.join(", "));
    Err(Usage { what }.into())
}

fn refuse(differ: &[Refusal], allowed: &[String]) -> anyhow::Result<()> {
    let Some(first) = differ.iter().find(|r| !allowed.iter().any(|a| a == r.what)) else { return Ok(()) };
    let what = format!("not comparable, {}; to compare all the same: --allow {}", first.why, first.what);
    Err(Usage { what }.into())
}

fn judged(gates: &[Gate], lines: &[Line]) -> anyhow::Result<Vec<Judged>> {
    let mut all = Vec::new();
    for gate in gates {
        let before = all.len();
        all.extend(lines.iter().filter_map(|line| {
            let (workload, target) = (line.workload.clone(), line.target.clone());
            gate.holds(line).map(|held| Judged { gate: gate.text.clone(), workload, target, held })
        }));
        // A gate that looks at nothing would be kept for ever.
        if all.len() == before {
            return Err(Usage { what: format!("no figure for the gate {:?}", gate.text) }.into());
        }
    }
    Ok(all)
}

fn show(outcome: &Outcome) {
    outcome.allowed.iter().for_each(|r| println!("note: they differ in {}", r.why));
    if outcome.unit == "run" && outcome.lines.iter().any(|l| !l.paired && l.runs.0 > 1) {
        println!("note: two sessions: no interval knows what the host did between them");
        println!("      (`taremark aa` says how much that is here)");
    }
    for line in &outcome.lines {
        let value = |v| shown(&line.metric, &line.unit, v);
        println!("{} on {}, {}: {}", line.workload, line.target, line.metric, change(line));
        println!(
            "  {} -> {}, {} and {} {}s, {}, p = {}: {}",
            value(line.base),
            value(line.new),
            line.runs.0,
            line.runs.1,
            outcome.unit,
            match (line.paired, outcome.unit) {
                (true, "host") => "each with itself",
                (false, "host") => "others",
                (true, _) => "by block",
                (false, _) => "two sessions",
            },
            number(line.p),
            said(line.verdict)
        );
    }
    for gate in &outcome.gates {
        let held = match gate.held {
            Held::Kept => out(Tone::Good, "kept"),
            Held::Broken => out(Tone::Bad, "BROKEN"),
            Held::Undecided => out(Tone::Care, "undecided: more runs would tell"),
        };
        println!("gate {} for {} on {}: {held}", gate.gate, gate.workload, gate.target);
    }
}

fn said(verdict: &str) -> String {
    match verdict {
        "more" => out(Tone::Bad, verdict),
        "less" => out(Tone::Good, verdict),
        _ => verdict.to_owned(),
    }
}

/// `+4.1 % [+3.2, +5.0]`
fn change(line: &Line) -> String {
    let percent = |r: f64| format!("{:+.1}", (r - 1.0) * 100.0);
    let Some(ratio) = line.ratio else { return shown(&line.metric, &line.unit, line.difference.value) };
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => {
            format!("{} % [{}, {}]", percent(ratio.value), percent(low), percent(high))
        }
        _ => format!("{} %", percent(ratio.value)),
    }
}
