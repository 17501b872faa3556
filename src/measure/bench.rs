//! The whole bench: blocks of runs until the plan, the budget or Ctrl-C ends them. Every row goes out at once.

use super::error::MeasureError;
use super::images::Ready;
use super::pilot::Logs;
use super::rows::{one_line, sample, write_outcome};
use super::run::{Setting, run_once};
use super::schedule::{Slot, block_order, env_pad};
use super::transfer::Moved;
use super::{cache, noise};
use crate::record::ending::INTERRUPTED;
use crate::record::schema::{Pilot, Plan, RunRow, SCHEMA};
use crate::record::writer::Writer;
use crate::sys::clock::monotonic_ns;
use crate::target::Target;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Fewest blocks of a pilot: a spread of fewer says little.
const PILOT_BLOCKS: u32 = 6;

/// What the bench tells whoever shows its progress.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A run begins.
    Begins(Begins<'a>),
    /// It was ready, and is gone again.
    Measured {
        /// Target's name.
        target: &'a str,
        /// Workload's name.
        workload: &'a str,
        /// From t0 until it was ready, milliseconds.
        startup_ms: f64,
    },
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

/// From the start-ups of the pilot to the number of blocks; none where nothing is wanted.
pub type Decide<'a> = dyn Fn(&Logs) -> Option<Pilot> + 'a;

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
    /// From the start-ups of the pilot, the least number of blocks that the plan asks for, to the number needed in all.
    /// Asked once: a length that hangs on the spread of the first blocks alone does not favour any figure.
    pub decide: Option<&'a Decide<'a>>,
    /// What it said.
    pub pilot: Option<Pilot>,
    /// Runs of a bench that was interrupted, which are not run again.
    pub done: Vec<RunRow>,
    /// Start-ups so far, those of `done` included.
    pub logs: Logs,
    /// Seconds of the budget that were spent before.
    pub spent_s: f64,
}

impl Bench<'_> {
    /// Prepares every image on every target, outside all measured runs, and records what that took and how big it is.
    pub fn prepare(&mut self, writer: &mut Writer) -> Result<(), MeasureError> {
        let mut moved = Moved::default();
        for ready in self.workloads {
            for target in self.targets.iter_mut() {
                let prepared = target.prepare(&ready.job);
                let prepared = prepared.map_err(|source| MeasureError::Target { step: "prepare", source })?;
                let facts = target.facts();
                let shared = super::sharing::shared_bytes(ready, self.workloads);
                let mut figures = vec![
                    ("image_registry_bytes", ready.sizes.registry_bytes as f64),
                    ("image_shared_bytes", shared as f64),
                    ("incremental_bytes", ready.sizes.registry_bytes.saturating_sub(shared) as f64),
                    ("image_unpacked_bytes", ready.sizes.unpacked_bytes as f64),
                    ("image_allocated_bytes", ready.sizes.allocated_bytes as f64),
                ];
                let parts: u64 = prepared.sizes.iter().map(|s| s.1).sum();
                figures.extend(prepared.sizes.iter().chain(&prepared.also).map(|s| (s.0, s.1 as f64)));
                let shipped = if prepared.sizes.is_empty() { ready.sizes.registry_bytes } else { parts };
                figures.push(("shipped_bytes", shipped as f64));
                if let Some(image) = ready.transfer_bytes {
                    let files = &prepared.files;
                    let bytes = if files.is_empty() { image } else { moved.bytes(files)? };
                    figures.push(("transfer_bytes", bytes as f64));
                }
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
        let mut ended = Ended {
            runs: self.done.len() as u32,
            failed: self.done.iter().filter(|r| r.has_failed()).count() as u32,
            interrupted: false,
        };
        let mut waited = Duration::ZERO;
        let mut block = 1;
        while block <= self.last() {
            if !self.plan.takes(block) {
                block += 1;
                continue;
            }
            let measured = block.saturating_sub(self.plan.warmup_blocks + 1);
            if self.out_of_budget(from, measured, block) {
                return Ok((ended, "budget"));
            }
            let order = block_order(self.plan.seed, block, self.targets.len(), self.workloads.len());
            let mut wait = None;
            for (place, slot) in order.into_iter().enumerate() {
                if self.interrupted.load(Ordering::Relaxed) {
                    ended.interrupted = true;
                    return Ok((ended, INTERRUPTED));
                }
                if self.is_done(slot, block) {
                    continue;
                }
                let expected = self.expected(from, ended.runs);
                progress(self.begins(slot, block, ended.runs, expected, from));
                // Once a block: all of its runs are to meet the same host.
                let quiet = match wait {
                    None => wait.insert(self.wait(from, &mut waited)).clone(),
                    Some(_) => noise::Wait::default(),
                };
                ended.runs += 1;
                let (row, startup) = self.one(slot, block, place as u32 + 1, ended.runs, &quiet, writer)?;
                if let (Some(startup_ms), false) = (startup, row.warmup) {
                    progress(Progress::Measured { target: &row.target, workload: &row.workload, startup_ms });
                }
                if row.was_interrupted() {
                    ended.runs -= 1;
                }
                if row.has_failed() {
                    ended.failed += 1;
                    progress(Progress::Failed {
                        target: &row.target,
                        workload: &row.workload,
                        error: &row.error,
                    });
                }
            }
            self.ask_pilot(block);
            block += 1;
        }
        let precise = self.pilot.as_ref().is_some_and(|p| p.needed <= self.plan.max_blocks);
        Ok((ended, if precise { "precision" } else { "blocks" }))
    }

    /// Number of the last block, by what is known so far.
    fn last(&self) -> u32 {
        let needed = self.pilot.as_ref().map_or(self.plan.max_blocks, |p| p.needed);
        self.plan.warmup_blocks + needed.clamp(self.plan.min_blocks, self.plan.max_blocks)
    }

    fn ask_pilot(&mut self, block: u32) {
        let enough = self.plan.warmup_blocks + self.plan.min_blocks.max(PILOT_BLOCKS);
        if self.pilot.is_none() && block >= enough {
            self.pilot = self.decide.and_then(|decide| decide(&self.logs));
        }
    }

    fn is_done(&self, slot: Slot, block: u32) -> bool {
        let target = &self.targets[slot.target].facts().name;
        let workload = &self.workloads[slot.workload].workload.name;
        self.done.iter().any(|r| r.block == block && r.target == *target && r.workload == *workload)
    }

    /// Waits for a quiet host as long as the plan allows, and altogether no longer than a tenth of the bench and a second.
    fn wait(&self, from: Instant, waited: &mut Duration) -> noise::Wait {
        let allowed = from.elapsed() / 10 + Duration::from_secs(1);
        let most = Duration::from_secs_f64(self.plan.schedule.quiet_wait_s);
        let wait = noise::wait_until_quiet(most.min(allowed.saturating_sub(*waited)), self.interrupted);
        *waited += Duration::from_secs_f64(wait.ms / 1000.0);
        wait
    }

    /// A further block is begun only if the pace so far says that it ends within the budget; the least number of
    /// blocks is run in any case.
    fn out_of_budget(&self, from: Instant, measured: u32, block: u32) -> bool {
        let spent = self.spent_s + from.elapsed().as_secs_f64();
        let per_block = spent / f64::from(block.max(2) - 1);
        measured >= self.plan.min_blocks && spent + per_block > self.plan.budget_s
    }

    fn expected(&self, from: Instant, done: u32) -> u32 {
        let per_block = (self.targets.len() * self.workloads.len()) as u32;
        let least = (self.plan.warmup_blocks + self.plan.min_blocks) * per_block;
        let pace = (self.spent_s + from.elapsed().as_secs_f64()) / f64::from(done.max(1));
        let fits = if done < per_block { f64::from(least) } else { self.plan.budget_s / pace.max(1e-6) };
        let blocks = (fits as u32 / per_block).clamp(least / per_block, self.last());
        (1..=blocks).filter(|block| self.plan.takes(*block)).count() as u32 * per_block
    }

    fn begins(&self, slot: Slot, block: u32, done: u32, expected: u32, from: Instant) -> Progress<'_> {
        let pace = (self.spent_s + from.elapsed().as_secs_f64()) / f64::from(done.max(1));
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
        quiet: &noise::Wait,
        writer: &mut Writer,
    ) -> Result<(RunRow, Option<f64>), MeasureError> {
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
            env_pad_bytes: env_pad(self.plan.seed, block, self.plan.schedule.env_pad_bytes),
            waited_ms: quiet.ms,
            waited_for: quiet.why.clone(),
        };
        let job = ready.job.padded(row.env_pad_bytes);
        let steal = noise::steal_ms();
        let name = format!("{}-{run}", self.session.name);
        let settle = Duration::from_millis(self.plan.settle_ms);
        let setting =
            Setting { session_dir: &self.session.dir, name: &name, settle, interrupted: self.interrupted };
        let (from_ns, cpu_ms) = (monotonic_ns(), own_cpu_ms());
        let outcome = run_once(target.as_mut(), &ready.workload, &job, &setting);
        let wall_ms = (monotonic_ns() - from_ns) as f64 / 1e6;
        row.steal_ms = noise::steal_ms() - steal;
        let startup = outcome.as_ref().ok().and_then(|o| o.value("startup_ms"));
        match outcome {
            Ok(mut outcome) => {
                outcome.add_harness(wall_ms, own_cpu_ms() - cpu_ms);
                if let (false, Some(startup)) = (row.warmup, startup) {
                    self.logs.take(&row.workload, block, &row.target, startup);
                }
                write_outcome(&mut row, outcome, writer)?;
            }
            // Ctrl-C reaches the workload, too, which may fail of it first.
            Err(_) if self.interrupted.load(Ordering::Relaxed) => row.error = INTERRUPTED.into(),
            Err(e) => row.error = one_line(&e),
        }
        writer.append_run(&row)?;
        Ok((row, startup))
    }
}

/// Processor time of this process so far.
fn own_cpu_ms() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let used = getrusage(UsageWho::RUSAGE_SELF);
    used.map_or(0.0, |u| {
        (u.user_time().num_microseconds() + u.system_time().num_microseconds()) as f64 / 1000.0
    })
}
