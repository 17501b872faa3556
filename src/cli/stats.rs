//! `taremark stats`.

use super::bytes::decimal;
use super::containers::open;
use super::table::{Step, lines, width};
use super::template::{self, Format};
use crate::life::folder::Root;
use crate::life::ps::{Listed, list};
use crate::life::stats::{Reading, cpu_percent, read};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print once
    #[arg(long)]
    no_stream: bool,
    /// Seconds between readings
    #[arg(short, long, default_value_t = 1.0, value_name = "SECONDS")]
    interval: f64,
    /// Lines as long as they are
    #[arg(long)]
    no_trunc: bool,
    /// One reading below the other instead of in its place
    #[arg(long)]
    no_reset: bool,
    /// json, table, or words with {{.Name}}, {{.CPUPerc}}, {{.MemUsage}}, … in them
    #[arg(long, value_parser = template::parse, default_value = "table", hide_default_value = true)]
    format: Format,
    /// As --format json
    #[arg(long, hide = true)]
    json: bool,
    /// Names or IDs; none: all that run
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

type Row = (Listed, Reading, f64);

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::ensure!((0.05..=3600.0).contains(&a.interval), "--interval: from 0.05 to 3600 seconds");
    let root = open()?;
    for name in &a.containers {
        root.find(name)?;
    }
    loop {
        let rows = rows(a, &root)?;
        print(a, &rows)?;
        if a.no_stream || (rows.is_empty() && !a.containers.is_empty()) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Two readings of each, an interval apart. One that ends meanwhile is left out.
fn rows(a: &Arguments, root: &Root) -> anyhow::Result<Vec<Row>> {
    let mut running = list(root, false)?;
    let named = |l: &Listed| {
        let is = |n: &String| l.spec.name == *n || l.spec.id.starts_with(n.as_str());
        a.containers.is_empty() || a.containers.iter().any(is)
    };
    running.retain(named);
    let before: Vec<_> =
        running.into_iter().filter_map(|l| read(&l.spec, &l.state).ok().map(|r| (l, r))).collect();
    std::thread::sleep(Duration::from_secs_f64(a.interval));
    let after = before.into_iter().filter_map(|(l, first)| {
        let now = read(&l.spec, &l.state).ok()?;
        Some((l, now, cpu_percent(&first, &now)))
    });
    Ok(after.collect())
}

fn print(a: &Arguments, rows: &[Row]) -> anyhow::Result<()> {
    match &a.format {
        Format::Template(words) => {
            for row in rows {
                println!("{}", template::render(words, &as_words(row))?);
            }
        }
        Format::Table if !a.json => {
            if !a.no_stream && !a.no_reset && std::io::stdout().is_terminal() {
                // To the top left, and everything is cleared.
                print!("\x1b[H\x1b[2J");
            }
            show(a, rows);
        }
        _ => {
            let all: Vec<_> = rows.iter().map(as_json).collect();
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
    }
    Ok(())
}

/// The ID goes first: the name says the same.
const STEPS: [Step; 5] = [
    Step::Shorten("NAME", 16),
    Step::Drop("ID"),
    Step::Drop("MEM %"),
    Step::Drop("NET IO"),
    Step::Shorten("NAME", 8),
];

fn show(a: &Arguments, rows: &[Row]) {
    let header = ["ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET IO", "PIDS", "TARGET"];
    let row = |(l, r, cpu): &Row| {
        vec![
            if a.no_trunc { l.spec.id.clone() } else { l.spec.short_id().to_owned() },
            l.spec.name.clone(),
            format!("{cpu:.2}%"),
            memory(r),
            format!("{:.2}%", share(r)),
            net(r),
            r.pids.to_string(),
            l.spec.target.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    let width = if a.no_trunc { None } else { Some(width()) };
    lines(&header, &rows, &STEPS, width).iter().for_each(|line| println!("{line}"));
}

fn memory(r: &Reading) -> String {
    format!("{} / {}", decimal(r.memory_bytes), decimal(r.limit_bytes))
}

fn net(r: &Reading) -> String {
    r.network_bytes.map_or("-- / --".into(), |(i, o)| format!("{} / {}", decimal(i), decimal(o)))
}

/// The names that podman's templates know, in its words.
fn as_words((l, r, cpu): &Row) -> serde_json::Value {
    serde_json::json!({
        "ID": l.spec.short_id(),
        "Name": l.spec.name,
        "CPUPerc": format!("{cpu:.2}%"),
        "MemUsage": memory(r),
        "MemPerc": format!("{:.2}%", share(r)),
        "NetIO": net(r),
        "PIDS": r.pids,
        "Target": l.spec.target.as_str(),
    })
}

fn share(r: &Reading) -> f64 {
    r.memory_bytes as f64 / r.limit_bytes.max(1) as f64 * 100.0
}

fn as_json((l, r, cpu): &Row) -> serde_json::Value {
    serde_json::json!({
        "id": l.spec.short_id(),
        "name": l.spec.name,
        "cpu_percent": cpu,
        "mem_usage_bytes": r.memory_bytes,
        "mem_limit_bytes": r.limit_bytes,
        "mem_percent": share(r),
        "net_input_bytes": r.network_bytes.map(|n| n.0),
        "net_output_bytes": r.network_bytes.map(|n| n.1),
        "pids": r.pids,
        "target": l.spec.target.as_str(),
    })
}
