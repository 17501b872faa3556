//! The tables for a terminal of 80 columns.

use super::super::format::{number, value};
use super::cells::FleetCell;
use super::{FleetSummary, groups, hosts};
use std::fmt::Write;

/// Odd hosts that a terminal shows; hosts.csv and the page have all.
const SHOWN: usize = 10;

/// `[1.2, 1.4]`.
pub fn interval(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("[{}, {}]", number(low), number(high)),
        _ => String::new(),
    }
}

/// `microvm (tcg)`.
pub fn marked(target: &str, accelerator: &str) -> String {
    if accelerator.is_empty() { target.to_owned() } else { format!("{target} ({accelerator})") }
}

/// `5.1 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// What is odd of a host, in words.
fn sentence(odd: &hosts::OddHost) -> String {
    let what = match odd.oddity {
        "restless" => format!("spreads {} times as far as usual", number(odd.times)),
        _ => format!("is {} times its group's median", number(odd.times)),
    };
    format!("{}: {} of {} on {} {what}", odd.host_name, odd.metric, odd.workload, odd.target)
}

/// A group against the largest, in words.
pub fn comparison(line: &groups::Line) -> String {
    let ratio = line.ratio.map(|r| format!("{} times ", number(r))).unwrap_or_default();
    format!(
        "{} of {} on {}: {} ({} hosts) is {ratio}{} ({}), p = {}: {}",
        line.metric,
        line.workload,
        marked(&line.target, &line.accelerator),
        line.group,
        line.hosts.1,
        interval(line.ratio_low, line.ratio_high),
        line.base,
        number(line.p),
        line.verdict
    )
}

/// All of it.
pub fn terminal(summary: &FleetSummary) -> String {
    let mut text = format!("{} hosts, {} sessions\n\n", summary.hosts, summary.sessions);
    let _ = writeln!(
        text,
        "{:<26}{:>10} {:<16}{:>9}{:>9}{:>10}",
        "start-up", "median", "95 %", "hosts", "runs", "x net"
    );
    for cell in summary.cells.iter().filter(|c| c.metric == "startup_ms") {
        let _ = writeln!(text, "{}", row(cell));
    }
    for line in summary.groups.iter().filter(|g| g.metric == "startup_ms") {
        let _ = write!(text, "\n{}", comparison(line));
    }
    if !summary.odd.is_empty() {
        let _ = writeln!(text, "\nodd hosts:");
        let hosts = odd_hosts(&summary.odd);
        hosts.iter().take(SHOWN).for_each(|said| {
            let _ = writeln!(text, "  {said}");
        });
        if hosts.len() > SHOWN {
            let _ = writeln!(text, "  and {} hosts more in hosts.csv", hosts.len() - SHOWN);
        }
    }
    text.trim_end().to_owned()
}

/// A line for each odd host: what is oddest of it, and how much more there is.
pub fn odd_hosts(odd: &[hosts::OddHost]) -> Vec<String> {
    let mut found: Vec<(&hosts::OddHost, usize)> = Vec::new();
    for one in odd {
        match found.iter_mut().find(|f| f.0.host == one.host) {
            Some(known) => known.1 += 1,
            None => found.push((one, 0)),
        }
    }
    let said = |(first, more): (&hosts::OddHost, usize)| match more {
        0 => sentence(first),
        1 => format!("{}, and one figure more", sentence(first)),
        more => format!("{}, and {more} figures more", sentence(first)),
    };
    found.into_iter().map(said).collect()
}

fn row(cell: &FleetCell) -> String {
    let name = format!("{}, {}", cell.workload, marked(&cell.target, &cell.accelerator));
    format!(
        "{name:<26}{:>10} {:<16}{:>9}{:>9}{:>10}\n  between hosts {}, within {}",
        value(&cell.metric, &cell.unit, cell.median),
        interval(cell.low, cell.high),
        cell.hosts,
        cell.n,
        cell.ratio.map(number).unwrap_or_default(),
        percent(cell.between_hosts),
        percent(cell.within_hosts)
    )
}
