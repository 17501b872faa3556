//! `taremark history`: many records in the order of time.

use super::failure::Usage;
use super::paint::{Tone, out};
use crate::record::reader::{self, Record};
use crate::record::schema::unit_of;
use crate::report::history::{Series, of, sparkline};
use crate::report::shown;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Records, or folders of records
    #[arg(value_name = "RECORD", default_value = "results")]
    dirs: Vec<PathBuf>,
    /// Which figure
    #[arg(long, value_name = "NAME", default_value = "startup_ms")]
    metric: String,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let metric = arguments.metric.as_str();
    let Some(unit) = unit_of(metric) else {
        return Err(Usage { what: format!("{metric:?} is no metric") }.into());
    };
    let mut records: Vec<Record> = Vec::new();
    for dir in folders(&arguments.dirs)? {
        match reader::read(&dir) {
            Ok(record) => records.push(record),
            Err(e) => eprintln!("left out: {}", super::failure::one_line(&e.into())),
        }
    }
    // Another host's figures are no continuation of this one's.
    let newest = records.iter().max_by_key(|r| r.environment.started_utc.clone());
    let Some(host) = newest.map(|r| r.environment.host.clone()) else {
        return Err(Usage { what: "no record was found".into() }.into());
    };
    let before = records.len();
    records.retain(|r| r.environment.host == host);
    if records.len() < before {
        eprintln!("left out: {} records of hosts other than {host}", before - records.len());
    }
    let all = of(&records, metric);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        all.iter().for_each(|series| show(series, metric, unit));
    }
    Ok(ExitCode::SUCCESS)
}

/// Records as they are, other folders as the records in them.
fn folders(dirs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let is_record = |d: &Path| d.join("plan.json").is_file();
    let mut all = Vec::new();
    for dir in dirs {
        if is_record(dir) {
            all.push(dir.clone());
            continue;
        }
        let entries = std::fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
        all.extend(entries.flatten().map(|e| e.path()).filter(|p| is_record(p)));
    }
    all.sort();
    Ok(all)
}

fn show(series: &Series, metric: &str, unit: &str) {
    let value = |v| shown(metric, unit, v);
    let last = series.points.last().map(|p| value(p.median)).unwrap_or_default();
    let n = series.points.len();
    println!("{} on {}: {} {last} ({n} records)", series.workload, series.target, sparkline(&series.points));
    for step in &series.changes {
        let by = (step.after / step.before - 1.0) * 100.0;
        let (from, to) = (value(step.before), value(step.after));
        let by = out(if by > 0.0 { Tone::Bad } else { Tone::Good }, &format!("{by:+.1} %"));
        println!("  {by} from {} on: {from} -> {to}, p = {:.4}", step.started_utc, step.p);
    }
}
