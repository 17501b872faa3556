//! What `hyperfine --export-json` writes (sharkdp/hyperfine, `src/export/json.rs`), so that its scripts draw start-ups. In
//! seconds. `user` and `system` are null: the record has the processor time of a run's cgroup in one figure.

use crate::record::reader::Record;
use crate::report::summary::values;
use crate::stats::median;
use serde_json::{Value, json};

/// One result for each workload on each target.
pub fn of(record: &Record) -> Value {
    let mut results = Vec::new();
    for workload in &record.plan.workloads {
        for target in &record.plan.targets {
            let samples = values(record, &workload.name, &target.name, "startup_ms");
            let times: Vec<f64> = samples.iter().filter_map(|s| Some(s.value? / 1000.0)).collect();
            let Some(middle) = median(&times) else { continue };
            let n = times.len() as f64;
            let mean = times.iter().sum::<f64>() / n;
            let squares: f64 = times.iter().map(|t| (t - mean).powi(2)).sum();
            let codes = samples.iter().map(|s| record.runs.iter().find(|r| r.run == s.run)?.exit_code);
            results.push(json!({
                "command": format!("{} on {}", workload.name, crate::report::charts::marked(target)),
                "mean": mean,
                "stddev": (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()),
                "median": middle,
                "user": null,
                "system": null,
                "min": times.iter().copied().fold(f64::INFINITY, f64::min),
                "max": times.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                "times": times,
                "exit_codes": codes.collect::<Vec<_>>(),
            }));
        }
    }
    json!({ "results": results })
}
