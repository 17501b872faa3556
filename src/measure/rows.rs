//! From what a run gave to rows of the record.

use super::error::MeasureError;
use super::run::Outcome;
use crate::record::schema::{Phase, RunRow, SCHEMA, Sample, TargetFacts, unit_of};
use crate::record::writer::Writer;

/// Fills the run's row and writes its samples and phases.
pub fn write_outcome(row: &mut RunRow, outcome: Outcome, writer: &mut Writer) -> Result<(), MeasureError> {
    row.job_digest = outcome.job_digest;
    row.output_digest = outcome.output_digest;
    row.exit_code = outcome.exit_code;
    for (metric, value) in &outcome.samples {
        let sample = Sample {
            schema: SCHEMA,
            run: row.run,
            block: row.block,
            order: row.order,
            target: row.target.clone(),
            workload: row.workload.clone(),
            accelerator: row.accelerator.clone(),
            metric: metric.clone(),
            unit: unit_of(metric).unwrap_or_default().to_owned(),
            value: Some(*value),
            warmup: row.warmup,
            error: String::new(),
        };
        writer.append_sample(&sample)?;
    }
    for slice in outcome.slices {
        let phase = Phase {
            schema: SCHEMA,
            run: row.run,
            block: row.block,
            target: row.target.clone(),
            workload: row.workload.clone(),
            accelerator: row.accelerator.clone(),
            warmup: row.warmup,
            phase: slice.phase,
            start_ms: slice.start_ns as f64 / 1e6,
            duration_ms: slice.length_ns as f64 / 1e6,
            error_ms: slice.error_ns as f64 / 1e6,
        };
        writer.append_phase(&phase)?;
    }
    Ok(())
}

/// A figure that belongs to an image or a preparation, and to no run.
pub fn sample(facts: &TargetFacts, workload: &str, metric: &str, value: f64) -> Sample {
    Sample {
        schema: SCHEMA,
        run: 0,
        block: 0,
        order: 0,
        target: facts.name.clone(),
        workload: workload.to_owned(),
        accelerator: facts.accelerator.clone(),
        metric: metric.to_owned(),
        unit: unit_of(metric).unwrap_or_default().to_owned(),
        value: Some(value),
        warmup: false,
        error: String::new(),
    }
}

/// An error with its causes, on one line: a row of a CSV that a person reads.
pub fn one_line(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(c) = cause {
        let more = c.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = c.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
