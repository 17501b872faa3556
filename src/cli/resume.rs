//! An interrupted bench that is taken up again.

use super::failure::Usage;
use super::workloads;
use crate::measure::bench::Bench;
use crate::measure::host_id;
use crate::record::ending::INTERRUPTED;
use crate::record::reader::{self, Record};
use crate::record::schema::{Plan, WorkloadFacts};
use crate::record::writer::Writer;
use crate::workload::{Readiness, Workload, builtin};
use anyhow::Context;
use std::path::{Path, PathBuf};

/// See the module.
pub struct Resumed {
    /// Folder of the record.
    pub dir: PathBuf,
    /// What is there so far.
    pub record: Record,
}

impl Resumed {
    /// Reads it. One that came to its end is refused.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let record = reader::read(dir).with_context(|| format!("resume {}", dir.display()))?;
        let ended = record.plan.ended_by.as_str();
        if !["", INTERRUPTED].contains(&ended) {
            let what = format!("{} is whole: it was ended by its {ended}", dir.display());
            return Err(Usage { what }.into());
        }
        let (then, now) = (&record.environment.identity, host_id::identity(dir));
        // Its runs are compared with one another; records of before hosts had an identity are taken on trust.
        if !then.host_id.is_empty() && then.host_id != now.host_id {
            let what = format!(
                "{} was begun on another host ({}): let `bench --shard … --after` go on with it",
                dir.display(),
                record.environment.host
            );
            return Err(Usage { what }.into());
        }
        Ok(Self { dir: std::path::absolute(dir)?, record })
    }

    /// Names of its targets, without the second of an A/A pair.
    pub fn target_names(&self) -> Vec<String> {
        let names = self.record.plan.targets.iter().map(|t| t.name.clone());
        names.filter(|n| !n.ends_with("#2")).collect()
    }

    /// Its workloads: built-in ones by their names, any other from its image.
    pub fn workloads(&self) -> anyhow::Result<Vec<Workload>> {
        let one = |facts: &WorkloadFacts| match builtin::find(&facts.name) {
            Some(workload) => Ok(workload),
            None => {
                let ready = facts.ready.parse::<Readiness>();
                let ready = ready
                    .map_err(|e| Usage { what: format!("readiness {:?} of the record: {e}", facts.ready) })?;
                workloads::of_image(&facts.image, Some(&ready), &facts.argv)
            }
        };
        self.record.plan.workloads.iter().map(one).collect()
    }

    /// An error where targets or workloads are not what they were: half a record of one and half of another would be
    /// none of either.
    pub fn same_as(&self, now: &Plan) -> anyhow::Result<()> {
        let before = &self.record.plan;
        let changed =
            [("targets", before.targets != now.targets), ("workloads", before.workloads != now.workloads)];
        match changed.iter().find(|c| c.1) {
            Some((what, _)) => {
                let what = format!("its {what} are no longer what they were in {}", self.dir.display());
                Err(Usage { what }.into())
            }
            None => Ok(()),
        }
    }

    /// Gives the bench what is done, and the writer of the rest.
    pub fn take_up(mut self, bench: &mut Bench) -> anyhow::Result<Writer> {
        // A run that Ctrl-C cut short is run again.
        self.record.runs.retain(|r| !r.was_interrupted());
        let writer = Writer::resume(&self.dir, bench.plan, &mut self.record)
            .with_context(|| format!("take up {}", self.dir.display()))?;
        let startups = self.record.samples.iter().filter(|s| s.metric == "startup_ms" && !s.warmup);
        for s in startups {
            bench.logs.take(&s.workload, s.block, &s.target, s.value.unwrap_or(0.0));
        }
        bench.pilot = self.record.plan.schedule.pilot.clone();
        let totals = ["setup_ms", "total_ms", "harness_ms"];
        let spent = self.record.samples.iter().filter(|s| s.run > 0 && totals.contains(&s.metric.as_str()));
        bench.spent_s = spent.filter_map(|s| s.value).sum::<f64>() / 1000.0;
        bench.done = self.record.runs;
        Ok(writer)
    }
}
