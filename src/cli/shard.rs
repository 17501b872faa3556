//! `bench --shard I/N`: a plan divided by whole blocks.

use super::failure::Usage;
use crate::record::merge::{differences, whole_blocks};
use crate::record::reader;
use crate::record::schema::Plan;
use crate::record::shard::Shard;
use anyhow::Context;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Makes `plan` that of the shard, less the blocks that records of `after` hold whole.
pub fn divide(plan: &mut Plan, shard: Option<Shard>, after: &[PathBuf]) -> anyhow::Result<()> {
    let Some(shard) = shard else { return Ok(()) };
    if shard.index > plan.max_blocks {
        let what =
            format!("shard {shard} of {} runs has none: take no more shards than runs", plan.max_blocks);
        return Err(Usage { what }.into());
    }
    plan.schedule.shard = Some(shard);
    let mut done = BTreeSet::new();
    for dir in after {
        let record = reader::read(dir).with_context(|| format!("go on after {}", dir.display()))?;
        // On another host the same programs may be other builds; what a merge asks for is asked for here.
        if let Some(why) = differences(&record.plan, plan).first() {
            let what = format!("{} is not of this plan: {why}", dir.display());
            return Err(Usage { what }.into());
        }
        done.extend(whole_blocks(&record.plan, &record.runs));
    }
    plan.schedule.done_elsewhere = done.into_iter().filter(|block| plan.takes(*block)).collect();
    Ok(())
}
