//! The whole bench: blocks of runs until the plan, the budget or Ctrl-C ends them. Every row goes out at once.

use super::error::MeasureError;
use super::images::Ready;
use super::run::{Outcome, Setting, run_once};
use super::schedule::{Slot, block_order};
use super::{cache, noise};
use crate::record::schema::{Phase, Plan, RunRow, SCHEMA, Sample, unit_of};
use crate::record::writer::Writer;
use crate::target::Target;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the bench tells whoever shows its progress.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A run begins.
    Begins(Begins<'a>),
    /// It failed, and why.
    Failed {
        /// Target's name.
        target: &'a str,
        /// Workload's name.
        workload: &'a str,
        /// One line.
        error: &'a str,
    },
}

/// A run that begins.
#[derive(Debug)]
pub struct Begins<'a> {
    /// Target's name.
    pub target: &'a str,
    /// Workload's name.
    pub workload: &'a str,
    /// From 1, warm-up counted.
    pub block: u32,
    /// Runs that are done.
    pub done: u32,
    /// Runs that there will be, by the pace so far.
    pub expected: u32,
    /// Seconds left, by the pace so far.
    pub left_s: Option<f64>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Runs that were made, warm-up included.
    pub runs: u32,
    /// Those that failed.
    pub failed: u32,
    /// By Ctrl-C.
    pub interrupted: bool,
}

/// Everything that a bench works with.
pub struct Bench<'a> {
    /// What is planned; `ended_by` is filled in at the end.
    pub plan: &'a Plan,
    /// As in the plan, in its order.
    pub targets: &'a mut [Box<dyn Target>],
    /// As in the plan, in its order.
    pub workloads: &'a [Ready],
    /// Folder and name of the session.
    pub session: &'a super::session::Session,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
}

impl Bench<'_> {
    /// Prepares every image on every target, outside all measured runs, and records what that took and how big it is.
    pub fn prepare(&mut self, writer: &mut Writer) -> Result<(), MeasureError> {
        for ready in self.workloads {
            for target in self.targets.iter_mut() {
                let prepared = target.prepare(&ready.job);
                let prepared = prepared.map_err(|source| MeasureError::Target { step: "prepare", source })?;
                let facts = target.facts();
                let mut figures = vec![
                    ("image_registry_bytes", ready.sizes.registry_bytes as f64),
                    ("image_unpacked_bytes", ready.sizes.unpacked_bytes as f64),
                    ("image_allocated_bytes", ready.sizes.allocated_bytes as f64),
                ];
                let parts: u64 = prepared.sizes.iter().map(|s| s.1).sum();
                figures.extend(prepared.sizes.iter().map(|s| (s.0, s.1 as f64)));
                let shipped = if prepared.sizes.is_empty() { ready.sizes.registry_bytes } else { parts };
                figures.push(("shipped_bytes", shipped as f64));
                let spent = [ready.unpack_ms, prepared.prepare_ms];
                if spent.iter().any(Option::is_some) {
                    figures.push(("prepare_ms", spent.iter().flatten().sum()));
                }
                for (metric, value) in figures {
                    let row = sample(facts, &ready.workload.name, metric, value);
                    writer.append_sample(&row)?;
                }
            }
        }
        Ok(())
    }

    /// Runs the blocks.
    pub fn run(
        &mut self,
        writer: &mut Writer,
        mut progress: impl FnMut(Progress),
    ) -> Result<(Ended, &'static str), MeasureError> {
        let from = Instant::now();
        let mut ended = Ended::default();
        let per_block = (self.targets.len() * self.workloads.len()) as u32;
        let last = self.plan.warmup_blocks + self.plan.max_blocks;
        for block in 1..=last {
            let measured = block.saturating_sub(self.plan.warmup_blocks + 1);
            if self.out_of_budget(from, measured, block) {
                return Ok((ended, "budget"));
            }
            let order = block_order(self.plan.seed, block, self.targets.len(), self.workloads.len());
            for (place, slot) in order.into_iter().enumerate() {
                if self.interrupted.load(Ordering::Relaxed) {
                    ended.interrupted = true;
                    return Ok((ended, "interrupted"));
                }
                let expected = self.expected(per_block, last, from, ended.runs);
                progress(self.begins(slot, block, ended.runs, expected, from));
                ended.runs += 1;
                let row = self.one(slot, block, place as u32 + 1, ended.runs, writer)?;
                if !row.error.is_empty() {
                    ended.failed += 1;
                    progress(Progress::Failed {
                        target: &row.target,
                        workload: &row.workload,
                        error: &row.error,
                    });
                }
            }
        }
        Ok((ended, "blocks"))
    }

    /// A further block is begun only if the pace so far says that it ends within the budget; the least number of
    /// blocks is run in any case.
    fn out_of_budget(&self, from: Instant, measured: u32, block: u32) -> bool {
        let spent = from.elapsed().as_secs_f64();
        let per_block = spent / f64::from(block.max(2) - 1);
        measured >= self.plan.min_blocks && spent + per_block > self.plan.budget_s
    }

    fn expected(&self, per_block: u32, last: u32, from: Instant, done: u32) -> u32 {
        let least = (self.plan.warmup_blocks + self.plan.min_blocks) * per_block;
        let pace = from.elapsed().as_secs_f64() / f64::from(done.max(1));
        let fits = if done < per_block { f64::from(least) } else { self.plan.budget_s / pace.max(1e-6) };
        let blocks = (fits as u32 / per_block).clamp(least / per_block, last);
        blocks * per_block
    }

    fn begins(&self, slot: Slot, block: u32, done: u32, expected: u32, from: Instant) -> Progress<'_> {
        let pace = from.elapsed().as_secs_f64() / f64::from(done.max(1));
        Progress::Begins(Begins {
            target: &self.targets[slot.target].facts().name,
            workload: &self.workloads[slot.workload].workload.name,
            block,
            done,
            expected,
            left_s: (done > 0).then_some(pace * f64::from(expected.saturating_sub(done))),
        })
    }

    fn one(
        &mut self,
        slot: Slot,
        block: u32,
        order: u32,
        run: u32,
        writer: &mut Writer,
    ) -> Result<RunRow, MeasureError> {
        if self.plan.cache == "cold" {
            cache::drop_all()?;
        }
        let ready = &self.workloads[slot.workload];
        let target = &mut self.targets[slot.target];
        let facts = target.facts();
        let mut row = RunRow {
            schema: SCHEMA,
            run,
            block,
            order,
            target: facts.name.clone(),
            workload: ready.workload.name.clone(),
            accelerator: facts.accelerator.clone(),
            warmup: block <= self.plan.warmup_blocks,
            started_utc: crate::record::now_utc(),
            image_digest: ready.job.image_digest.clone(),
            job_digest: String::new(),
            output_digest: String::new(),
            exit_code: None,
            load1: noise::load1(),
            steal_ms: 0.0,
            error: String::new(),
        };
        let steal = noise::steal_ms();
        let name = format!("{}-{run}", self.session.name);
        let settle = Duration::from_millis(self.plan.settle_ms);
        let setting =
            Setting { session_dir: &self.session.dir, name: &name, settle, interrupted: self.interrupted };
        let outcome = run_once(target.as_mut(), &ready.workload, &ready.job, &setting);
        row.steal_ms = noise::steal_ms() - steal;
        match outcome {
            Ok(outcome) => write_outcome(&mut row, outcome, writer)?,
            Err(e) => row.error = one_line(&e),
        }
        writer.append_run(&row)?;
        Ok(row)
    }
}

fn write_outcome(row: &mut RunRow, outcome: Outcome, writer: &mut Writer) -> Result<(), MeasureError> {
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

fn sample(facts: &crate::record::schema::TargetFacts, workload: &str, metric: &str, value: f64) -> Sample {
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
fn one_line(e: &dyn std::error::Error) -> String {
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
