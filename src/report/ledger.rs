//! Ledgers: parts that have to add up to a whole that was measured by itself. What is left over is printed, never hidden.

use super::summary::values;
use crate::record::reader::Record;
use crate::stats::median;
use serde::Serialize;
use std::collections::HashMap;

/// Parts and a whole. Figures are medians over runs; the residual is the median over runs of each run's own, because
/// medians of parts do not add up to the median of a sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    /// That of [`KINDS`], or `start-up`.
    pub title: &'static str,
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// `bytes` or `ms`.
    pub unit: &'static str,
    /// The parts.
    pub parts: Vec<Part>,
    /// Name of the whole.
    pub whole_name: String,
    /// The whole.
    pub whole: f64,
    /// Whole less the sum of the parts.
    pub residual: f64,
    /// Its size as a share of the whole.
    pub residual_share: f64,
    /// Over 10 %.
    pub red: bool,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Metric or phase.
    pub name: String,
    /// Its median.
    pub value: f64,
}

/// From this share on a residual is red.
const RED: f64 = 0.10;

/// Includes the page tables, which stand by themselves where they were weighed.
const KERNEL: &str = "cgroup_kernel_bytes";
const PAGE_TABLES: &str = "page_tables_bytes";

/// Title, unit, whole, parts. A part that a target does not have is nothing; a ledger without its whole or without any part is
/// none.
type Kind = (&'static str, &'static str, &'static str, &'static [&'static str]);
const KINDS: [Kind; 7] = [
    (
        "image",
        "bytes",
        "shipped_bytes",
        &["os_disk_bytes", "disk_bytes", "kernel_bytes", "initramfs_bytes", "firmware_bytes"],
    ),
    ("image in a registry", "bytes", "image_registry_bytes", &["image_shared_bytes", "incremental_bytes"]),
    ("memory of the machine", "bytes", "pss_bytes", &["guest_ram_touched_bytes", "vmm_bytes"]),
    (
        "memory of the cgroup",
        "bytes",
        "cgroup_bytes",
        &["cgroup_anon_bytes", "cgroup_file_bytes", "cgroup_shmem_bytes", KERNEL, PAGE_TABLES],
    ),
    // Page cache is no part of it: MemAvailable counts it as to be had.
    (
        "memory against the host",
        "bytes",
        "available_fall_bytes",
        &["cgroup_anon_bytes", "cgroup_shmem_bytes", KERNEL, PAGE_TABLES],
    ),
    ("memory of the guest", "bytes", "guest_ram_touched_bytes", &["guest_used_bytes", "guest_kernel_bytes"]),
    ("run", "ms", "total_ms", &["startup_ms", "stop_ms"]),
];

/// All ledgers of a record.
pub fn of(record: &Record) -> Vec<Ledger> {
    let mut all = Vec::new();
    for workload in &record.plan.workloads {
        for target in &record.plan.targets {
            let place = Place {
                record,
                workload: &workload.name,
                target: &target.name,
                accelerator: &target.accelerator,
            };
            all.extend(place.start());
            // A task works between its readiness and its end, and that is no part of the box.
            let kinds = KINDS.iter().filter(|k| k.0 != "run" || workload.service || workload.ready == "exit");
            all.extend(kinds.filter_map(|k| place.by_metrics(k)));
        }
    }
    all
}

/// Takes the page tables out of the kernel memory that they are charged to.
fn apart(mut parts: Vec<(String, Vec<(u32, f64)>)>) -> Vec<(String, Vec<(u32, f64)>)> {
    let tables: HashMap<u32, f64> =
        parts.iter().filter(|p| p.0 == PAGE_TABLES).flat_map(|p| p.1.iter().copied()).collect();
    let kernel = parts.iter_mut().find(|p| p.0 == KERNEL).filter(|_| !tables.is_empty());
    if let Some((name, values)) = kernel {
        *name = format!("{KERNEL} less page tables");
        values.iter_mut().for_each(|(run, value)| *value -= tables.get(run).copied().unwrap_or_default());
    }
    parts
}

struct Place<'a> {
    record: &'a Record,
    workload: &'a str,
    target: &'a str,
    accelerator: &'a str,
}

impl Place<'_> {
    /// (run, value) of a metric.
    fn by_run(&self, metric: &str) -> Vec<(u32, f64)> {
        let samples = values(self.record, self.workload, self.target, metric);
        samples.iter().filter_map(|s| Some((s.run, s.value?))).collect()
    }

    fn by_metrics(&self, (title, unit, whole, parts): &Kind) -> Option<Ledger> {
        let wholes = self.by_run(whole);
        let parts: Vec<(String, Vec<(u32, f64)>)> = parts
            .iter()
            .map(|p| ((*p).to_owned(), self.by_run(p)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        if parts.is_empty() {
            return None;
        }
        let parts = apart(parts);
        self.made(title, unit, whole, &wholes, &parts)
    }

    /// Phases against the start-up.
    fn start(&self) -> Option<Ledger> {
        let wholes = self.by_run("startup_ms");
        let mut parts: Vec<(String, Vec<(u32, f64)>)> = Vec::new();
        let mine = self
            .record
            .phases
            .iter()
            .filter(|p| p.workload == self.workload && p.target == self.target && !p.warmup);
        for phase in mine {
            let value = (phase.run, phase.duration_ms);
            match parts.iter_mut().find(|p| p.0 == phase.phase) {
                Some(part) => part.1.push(value),
                None => parts.push((phase.phase.clone(), vec![value])),
            }
        }
        self.made("start-up", "ms", "startup_ms", &wholes, &parts)
    }

    fn made(
        &self,
        title: &'static str,
        unit: &'static str,
        whole_name: &str,
        wholes: &[(u32, f64)],
        parts: &[(String, Vec<(u32, f64)>)],
    ) -> Option<Ledger> {
        let plain = |v: &[(u32, f64)]| median(&v.iter().map(|v| v.1).collect::<Vec<_>>());
        let whole = plain(wholes)?;
        let mut sums: HashMap<u32, f64> = HashMap::new();
        parts.iter().flat_map(|p| &p.1).for_each(|(run, value)| *sums.entry(*run).or_default() += value);
        let rests: Vec<f64> =
            wholes.iter().map(|(run, value)| value - sums.get(run).copied().unwrap_or_default()).collect();
        let residual = median(&rests)?;
        let residual_share = if whole == 0.0 { 0.0 } else { (residual / whole).abs() };
        Some(Ledger {
            title,
            workload: self.workload.to_owned(),
            target: self.target.to_owned(),
            accelerator: self.accelerator.to_owned(),
            unit,
            parts: parts
                .iter()
                .filter_map(|(name, values)| Some(Part { name: name.clone(), value: plain(values)? }))
                .collect(),
            whole_name: whole_name.to_owned(),
            whole,
            residual,
            residual_share,
            red: residual_share > RED,
        })
    }
}
