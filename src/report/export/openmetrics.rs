//! OpenMetrics 1.0 text, for Prometheus' textfile collector: base units, one gauge a metric, the statistic as a label.

use crate::record::reader::Record;
use crate::record::schema::METRICS;
use crate::report::summary::{Cell, Summary};
use std::fmt::Write;

/// Medians and their intervals.
pub fn of(record: &Record, summary: &Summary) -> String {
    let mut out = String::new();
    let host = escaped(&record.environment.host);
    for (metric, unit, definition) in METRICS {
        let cells: Vec<&Cell> = summary.cells.iter().filter(|c| c.metric == *metric).collect();
        if cells.is_empty() {
            continue;
        }
        let (name, base_unit, scale) = base(metric, unit);
        let _ = writeln!(out, "# TYPE {name} gauge");
        if !base_unit.is_empty() {
            let _ = writeln!(out, "# UNIT {name} {base_unit}");
        }
        let _ = writeln!(out, "# HELP {name} {}", escaped(definition));
        for cell in cells {
            let labels = format!(
                "host=\"{host}\",workload=\"{}\",target=\"{}\",accelerator=\"{}\"",
                escaped(&cell.workload),
                escaped(&cell.target),
                escaped(&cell.accelerator)
            );
            for (statistic, value) in [("median", Some(cell.median)), ("low", cell.low), ("high", cell.high)]
            {
                if let Some(value) = value {
                    let _ = writeln!(out, "{name}{{{labels},statistic=\"{statistic}\"}} {}", value * scale);
                }
            }
        }
    }
    out + "# EOF\n"
}

/// Name with its base unit for an ending, the unit, and what turns the record's unit into it.
fn base(metric: &str, unit: &str) -> (String, &'static str, f64) {
    let stem = metric.trim_end_matches("_ms").trim_end_matches("_bytes");
    match unit {
        "ms" => (format!("taremark_{stem}_seconds"), "seconds", 1e-3),
        "us" => (format!("taremark_{stem}_seconds"), "seconds", 1e-6),
        "bytes" => (format!("taremark_{stem}_bytes"), "bytes", 1.0),
        "MiB/s" => (format!("taremark_{stem}_bytes_per_second"), "bytes_per_second", 1_048_576.0),
        _ => (format!("taremark_{stem}"), "", 1.0),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
