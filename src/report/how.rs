//! How it was measured, from the plan and what became of it.

use super::format::number;
use crate::record::reader::Record;
use crate::record::schema::RunRow;
use crate::stats::median;
use std::collections::BTreeSet;

/// Name and text, as pages list them.
pub fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let (plan, schedule) = (&record.plan, &record.plan.schedule);
    let blocks: BTreeSet<u32> = record.runs.iter().filter(|r| !r.warmup).map(|r| r.block).collect();
    let ended = match plan.ended_by.as_str() {
        "" => "it was cut off",
        "blocks" => "all blocks were done",
        "budget" => "the time budget was spent",
        "precision" => "it was as precise as was wanted",
        other => other,
    };
    let mut all = vec![
        ("profile", plan.profile.clone()),
        ("measured blocks", format!("{} (after {} of warm-up)", blocks.len(), plan.warmup_blocks)),
        ("ended because", ended.to_owned()),
        ("order", format!("each block runs every pair once, shuffled by seed {}", plan.seed)),
        ("CPUs and memory of each run", format!("{}, {} MiB", plan.cpus, plan.memory_bytes >> 20)),
        ("caches of the host", plan.cache.clone()),
        ("wait before memory is weighed", format!("{} ms", plan.settle_ms)),
        ("pinned", pinned(&schedule.pin)),
        ("environment", padded(schedule.env_pad_bytes)),
        ("pauses for a quiet host", pauses(&record.runs)),
    ];
    if let Some(pilot) = &schedule.pilot {
        let said = format!(
            "{} blocks, after which {} were said to be needed",
            pilot.blocks,
            number(pilot.needed.into())
        );
        all.push(("pilot", said));
    }
    if !schedule.resumed_utc.is_empty() {
        all.push(("interrupted, and taken up", schedule.resumed_utc.join(", ")));
    }
    all.extend(own_cost(record).map(|cost| ("harness's own cost", cost)));
    all
}

fn pinned(cpus: &[u32]) -> String {
    if cpus.is_empty() {
        return "no".into();
    }
    let names: Vec<String> = cpus.iter().map(u32::to_string).collect();
    format!("runs on CPU {}, the harness on the others", names.join(", "))
}

fn padded(most: u32) -> String {
    if most == 0 {
        return "as it is".into();
    }
    format!("longer by up to {most} bytes, drawn by lot for each block")
}

/// The first run of a block waits for all of it.
fn pauses(runs: &[RunRow]) -> String {
    let waited: Vec<&RunRow> = runs.iter().filter(|r| r.waited_ms > 0.0).collect();
    if waited.is_empty() {
        return "none".into();
    }
    let seconds = waited.iter().map(|r| r.waited_ms).sum::<f64>() / 1000.0;
    let why: BTreeSet<&str> =
        waited.iter().map(|r| r.waited_for.as_str()).filter(|w| !w.is_empty()).collect();
    let why = why.into_iter().collect::<Vec<_>>().join("; ");
    format!("before {} blocks, {} s in all: {why}", waited.len(), number(seconds))
}

/// Of one run, medians over all.
fn own_cost(record: &Record) -> Option<String> {
    let of = |metric: &str| {
        let samples = record.samples.iter().filter(|s| s.metric == metric && !s.warmup);
        median(&samples.filter_map(|s| s.value).collect::<Vec<_>>())
    };
    let (wall, cpu) = (of("harness_ms")?, of("harness_cpu_ms")?);
    Some(format!("{} ms of wall time and {} ms of its processor a run", number(wall), number(cpu)))
}
