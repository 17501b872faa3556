//! Chrome's trace event format, which ui.perfetto.dev opens: a process for each workload on each target, a thread for each run,
//! and every phase of its start as a complete event.

use crate::record::reader::Record;
use serde_json::{Value, json};

/// All runs, warm-up included and marked.
pub fn of(record: &Record) -> Value {
    let mut events = Vec::new();
    let places: Vec<(&str, &str)> = record
        .plan
        .workloads
        .iter()
        .flat_map(|w| record.plan.targets.iter().map(move |t| (w.name.as_str(), t.name.as_str())))
        .collect();
    for (pid, (workload, target)) in places.iter().enumerate() {
        let facts = record.plan.targets.iter().find(|t| t.name == *target);
        let marked = facts.map(crate::report::charts::marked).unwrap_or_default();
        let name = format!("{workload} on {marked}");
        events.push(json!({
            "ph": "M", "name": "process_name", "pid": pid + 1, "args": { "name": name }
        }));
        for run in record.runs.iter().filter(|r| r.workload == *workload && r.target == *target) {
            let warmup = if run.warmup { ", warm-up" } else { "" };
            let name = format!("run {}, block {}{warmup}", run.run, run.block);
            events.push(json!({
                "ph": "M", "name": "thread_name", "pid": pid + 1, "tid": run.run, "args": { "name": name }
            }));
            for phase in record.phases.iter().filter(|p| p.run == run.run) {
                events.push(json!({
                    "ph": "X",
                    "name": phase.phase,
                    "cat": if phase.warmup { "warmup" } else { "start" },
                    "ts": phase.start_ms * 1000.0,
                    "dur": phase.duration_ms * 1000.0,
                    "pid": pid + 1,
                    "tid": run.run,
                    "args": { "accelerator": phase.accelerator, "error_ms": phase.error_ms },
                }));
            }
        }
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}
