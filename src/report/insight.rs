//! What the figures mean, made ready to be shown: definitions side by side, break-even, density, ledgers, published
//! figures.

use super::format::{number, value};
use super::summary::Summary;
use super::{definitions, ledger, meaning, needed, overlay};
use crate::record::reader::Record;
use serde::Serialize;

/// Sizes of host for the density, GiB.
pub const HOSTS_GIB: [u32; 3] = [16, 64, 256];

/// A ledger's row.
#[derive(Debug, Serialize)]
struct Account {
    title: String,
    parts: String,
    whole: String,
    residual: String,
    red: bool,
}

/// Rows of text for the pages.
#[derive(Debug, Serialize)]
pub struct Insight {
    /// Workload, target, definition, figure, times the shortest.
    starts: Vec<[String; 5]>,
    break_even: Vec<String>,
    /// Workload, target, blocks that would show 5 % more start-up, blocks of this record.
    needed: Vec<[String; 4]>,
    /// Workload, target, and how many fit into each of [`HOSTS_GIB`].
    density: Vec<Vec<String>>,
    hosts: Vec<String>,
    ledgers: Vec<Account>,
    /// Workload, what a container ships; a machine, all it ships, of that the kernel, and without it.
    kernels: Vec<[String; 6]>,
    /// The host's own kernel file, as the record tells it.
    host_kernel: String,
    /// What, published, its definition, ours, why they compare or not, source.
    published: Vec<[String; 6]>,
}

impl Insight {
    /// Of one record.
    pub fn of(record: &Record, summary: &Summary) -> Self {
        let starts = definitions::of(record);
        Self {
            published: overlay::of(&starts).iter().map(published).collect(),
            starts: starts.iter().map(start).collect(),
            break_even: break_even(summary),
            needed: needed::of(record, summary).iter().map(needed_row).collect(),
            density: density(summary),
            hosts: HOSTS_GIB.iter().map(|g| format!("{g} GiB")).collect(),
            kernels: kernels(record, summary),
            host_kernel: host_kernel(record),
            ledgers: ledger::of(record).iter().map(account).collect(),
        }
    }
}

fn named(target: &str, accelerator: &str) -> String {
    if accelerator.is_empty() { target.to_owned() } else { format!("{target} ({accelerator})") }
}

fn start(s: &definitions::Start) -> [String; 5] {
    let times = number(s.times_least);
    let ms = format!("{} ms", number(s.ms.median));
    [s.workload.clone(), named(&s.target, &s.accelerator), s.words.to_owned(), ms, times]
}

fn break_even(summary: &Summary) -> Vec<String> {
    let all = meaning::break_even(summary);
    let mut said: Vec<String> = all.iter().map(sentence).collect();
    if all.iter().any(|b| !b.tested && b.run_longer_than_ms.is_some()) {
        let alone = "Some of these rest on their own interval alone: there are too few blocks to test all comparisons together.";
        said.push(alone.to_owned());
    }
    said
}

/// `The container costs 4.1 ms and 2.5 MiB: under 5 % of the whole once …`. What the interval does not show is not said.
fn sentence(b: &meaning::BreakEven) -> String {
    let size = |bytes| value("pss_bytes", "bytes", bytes);
    let start = b.run_longer_than_ms.map(|_| span(b.startup_tare_ms));
    let costs: Vec<String> = [start, b.memory_tare_bytes.map(size)].into_iter().flatten().collect();
    let longer = b.run_longer_than_ms.map(|ms| format!("runs longer than {}", span(ms)));
    let more = b.memory_more_than_bytes.map(|m| format!("needs more than {}", size(m)));
    let once: Vec<String> = [longer, more].into_iter().flatten().collect();
    let name = named(&b.target, &b.accelerator);
    if costs.is_empty() {
        return format!("{}: no cost of the {name} could be shown.", b.workload);
    }
    let then = format!("under 5 % of the whole once the workload {}", once.join(" or "));
    format!("{}: the {name} costs {}; {then}.", b.workload, costs.join(" and "))
}

fn needed_row(n: &needed::Needed) -> [String; 4] {
    let target = named(&n.target, &n.accelerator);
    [n.workload.clone(), target, count(n.blocks as u64), count(n.here as u64)]
}

fn span(ms: f64) -> String {
    if ms.abs() >= 10_000.0 { format!("{} s", number(ms / 1000.0)) } else { format!("{} ms", number(ms)) }
}

/// A number of things, without decimals.
fn count(n: u64) -> String {
    if n < 1000 { n.to_string() } else { number(n as f64) }
}

fn density(summary: &Summary) -> Vec<Vec<String>> {
    let all = meaning::density(summary, &HOSTS_GIB);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for d in &all {
        let head = [d.workload.clone(), named(&d.target, &d.accelerator)];
        match rows.last_mut().filter(|r| r[..2] == head) {
            Some(row) => row.push(count(d.instances)),
            None => rows.push(head.into_iter().chain([count(d.instances)]).collect()),
        }
    }
    rows
}

/// A machine brings a kernel of its own; a container has the host's for nothing.
fn kernels(record: &Record, summary: &Summary) -> Vec<[String; 6]> {
    let mut rows = Vec::new();
    for workload in record.plan.workloads.iter().map(|w| &w.name) {
        let figure = |target: &str, metric: &str| summary.cell(workload, target, metric).map(|c| c.median);
        let shown = |bytes: f64| value("shipped_bytes", "bytes", bytes);
        for target in &record.plan.targets {
            let (Some(all), Some(kernel)) =
                (figure(&target.name, "shipped_bytes"), figure(&target.name, "kernel_bytes"))
            else {
                continue;
            };
            let image = figure(&target.name, "image_registry_bytes").map(shown).unwrap_or_default();
            let name = named(&target.name, &target.accelerator);
            rows.push([workload.clone(), image, name, shown(all), shown(kernel), shown(all - kernel)]);
        }
    }
    rows
}

fn host_kernel(record: &Record) -> String {
    let kernel = record.environment.groups.iter().find(|g| g.name == "Kernel");
    let fact = kernel.and_then(|g| g.facts.iter().find(|f| f.0 == "file on disk"));
    fact.map(|f| f.1.clone()).unwrap_or_else(|| "not recorded".into())
}

fn account(l: &ledger::Ledger) -> Account {
    let shown = |v: f64| {
        if l.unit == "bytes" { value(&l.whole_name, l.unit, v) } else { format!("{} ms", number(v)) }
    };
    let parts: Vec<String> = l.parts.iter().map(|p| format!("{} {}", p.name, shown(p.value))).collect();
    Account {
        title: format!("{}: {} on {}", l.title, l.workload, named(&l.target, &l.accelerator)),
        parts: parts.join(" + "),
        whole: format!("{} {}", l.whole_name, shown(l.whole)),
        residual: format!("{} ({} %)", shown(l.residual), number(l.residual_share * 100.0)),
        red: l.red,
    }
}

fn published(b: &overlay::Beside) -> [String; 6] {
    let p = &b.published;
    let ours = b
        .measured
        .as_ref()
        .map(|m| format!("{} ms, {}", number(m.ms.median), named(&m.target, &m.accelerator)));
    let source = if p.second_hand { format!("{} (read second-hand)", p.source) } else { p.source.to_owned() };
    let figure = format!("{} ms", number(p.ms));
    [p.what.to_owned(), figure, p.definition.to_owned(), ours.unwrap_or_default(), b.why.clone(), source]
}

#[cfg(test)]
mod tests {
    use super::{meaning::BreakEven, sentence};

    #[test]
    fn a_cost_is_said_only_where_it_was_shown() {
        let said = |longer: Option<f64>, memory: Option<f64>| {
            sentence(&BreakEven {
                workload: "hello".into(),
                target: "container".into(),
                accelerator: String::new(),
                startup_tare_ms: 4.0,
                memory_tare_bytes: memory,
                tested: true,
                run_longer_than_ms: longer,
                memory_more_than_bytes: memory.map(|m| m * 20.0),
            })
        };
        assert_eq!(said(None, None), "hello: no cost of the container could be shown.");
        let start = "hello: the container costs 4.00 ms; under 5 % of the whole once the workload runs longer than 80.0 ms.";
        assert_eq!(said(Some(80.0), None), start);
        let memory = said(None, Some(1_048_576.0));
        assert!(!memory.contains("ms") && memory.contains("costs 1.00 MiB; under"), "{memory}");
    }
}
