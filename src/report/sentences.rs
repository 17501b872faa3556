//! What a record says, in three sentences: start-up, memory, size.

use super::charts::marked;
use super::format::{number, value};
use super::summary::{Cell, NET, Summary};
use crate::record::reader::Record;
use crate::record::schema::{TargetFacts, WorkloadFacts};

/// None to three of them; what was not measured is not spoken of.
pub fn of(record: &Record, summary: &Summary) -> Vec<String> {
    [startup(record, summary), memory(record, summary), size(record, summary)].into_iter().flatten().collect()
}

fn boxes(record: &Record) -> impl Iterator<Item = &TargetFacts> {
    record.plan.targets.iter().filter(|t| t.name != NET)
}

/// Each other target's part of the sentence, joined by commas.
fn each(record: &Record, part: impl Fn(&TargetFacts) -> Option<String>) -> Option<String> {
    let parts: Vec<String> = boxes(record).filter_map(part).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn startup(record: &Record, summary: &Summary) -> Option<String> {
    let workload = record.plan.workloads.first()?;
    let cell = |target: &str| summary.cell(&workload.name, target, "startup_ms");
    let net = cell(NET)?;
    let others = each(record, |t| {
        let c = cell(&t.name)?;
        let by = match (c.verdict.as_str(), c.ratio, c.ratio_low, c.ratio_high) {
            ("more" | "less", Some(r), Some(low), Some(high)) => {
                format!(" ({} times as long, 95 %: {} to {})", number(r), number(low), number(high))
            }
            ("no difference shown", ..) => " (no difference shown)".to_owned(),
            _ => String::new(),
        };
        Some(format!("{} in the {}{by}", shown(c), marked(t)))
    })?;
    Some(format!("Start-up: {} was ready after {} as a bare process, {others}.", workload.name, shown(net)))
}

/// The first service: what ends at once cannot be weighed.
fn memory(record: &Record, summary: &Summary) -> Option<String> {
    let weighed = |w: &&WorkloadFacts| summary.cell(&w.name, NET, "pss_bytes").is_some();
    let workload = record.plan.workloads.iter().find(weighed)?;
    let net = summary.cell(&workload.name, NET, "pss_bytes")?;
    let others = each(record, |t| {
        summary
            .cell(&workload.name, &t.name, "pss_bytes")
            .map(|c| format!("{} in the {}", shown(c), marked(t)))
    })?;
    Some(format!(
        "Memory: one instance of {} took {} as a bare process, {others} (PSS).",
        workload.name,
        shown(net)
    ))
}

fn size(record: &Record, summary: &Summary) -> Option<String> {
    let largest = record.plan.workloads.iter().filter_map(|w| summary.cell(&w.name, NET, "shipped_bytes"));
    let image = largest.max_by(|a, b| a.median.total_cmp(&b.median))?;
    let machines = boxes(record).filter(|t| !t.accelerator.is_empty());
    let parts: Vec<String> = machines
        .filter_map(|t| {
            let c = summary.cell(&image.workload, &t.name, "shipped_bytes")?;
            let disks = ["disk_bytes", "os_disk_bytes"].map(|d| summary.cell(&image.workload, &t.name, d));
            // A small image is in the initramfs.
            let what =
                if disks.iter().any(Option::is_some) { ", firmware and disk" } else { " and firmware" };
            Some(format!("{} as {} with its kernel, initramfs{what}", shown(c), t.name))
        })
        .collect();
    let rest = if parts.is_empty() { String::new() } else { format!(", {}", parts.join(", ")) };
    Some(format!("Size: {} ships as {} in a registry{rest}.", image.workload, shown(image)))
}

fn shown(cell: &Cell) -> String {
    value(&cell.metric, &cell.unit, cell.median)
}
