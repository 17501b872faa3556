//! `taremark stats`.

use super::bytes::decimal;
use super::containers::open;
use crate::life::folder::Root;
use crate::life::ps::{Listed, list};
use crate::life::stats::{Reading, cpu_percent, read};
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
    /// As JSON
    #[arg(long)]
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
        if a.json {
            let all: Vec<_> = rows.iter().map(as_json).collect();
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            show(&rows);
        }
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

fn show(rows: &[Row]) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET IO", "PIDS", "TARGET"]);
    for (l, r, cpu) in rows {
        let net =
            r.network_bytes.map_or("-- / --".into(), |(i, o)| format!("{} / {}", decimal(i), decimal(o)));
        table.add_row([
            l.spec.short_id().to_owned(),
            l.spec.name.clone(),
            format!("{cpu:.2}%"),
            format!("{} / {}", decimal(r.memory_bytes), decimal(r.limit_bytes)),
            format!("{:.2}%", share(r)),
            net,
            r.pids.to_string(),
            l.spec.target.to_string(),
        ]);
    }
    table.lines().for_each(|line| println!("{}", line.trim()));
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
