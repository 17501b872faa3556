//! Which session's copy of a block counts, and which blocks nobody has.

use super::session::{BlockDone, Session};
use crate::record::ending::INTERRUPTED;
use crate::record::schema::{Plan, RunRow};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Measured blocks of which every place was run.
pub fn whole_blocks(plan: &Plan, runs: &[RunRow]) -> BTreeSet<u32> {
    let size = plan.targets.len() * plan.workloads.len();
    let mut places: BTreeMap<u32, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for run in runs.iter().filter(|r| !r.warmup && !r.was_interrupted()) {
        places.entry(run.block).or_default().insert((&run.target, &run.workload));
    }
    places.into_iter().filter(|(_, p)| p.len() == size).map(|(block, _)| block).collect()
}

/// What does not count, and what is to be said.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// (number of the session, block).
    pub(super) superseded: HashSet<(usize, u32)>,
    pub(super) duplicates: Vec<String>,
    pub(super) gaps: Vec<String>,
}

/// Of sessions on the same terms, in their final order.
pub(super) fn of(sessions: &[&Session]) -> Blocks {
    let mut blocks = Blocks::default();
    if sessions.iter().any(|s| s.plan.schedule.shard.is_some()) {
        sharded(sessions, &mut blocks);
    } else {
        blocks.gaps = sessions.iter().filter_map(|s| cut_short(s)).collect();
    }
    blocks
}

/// Each block of the plan counts once, whoever ran it.
fn sharded(sessions: &[&Session], blocks: &mut Blocks) {
    let mut holders: BTreeMap<u32, Vec<(usize, BlockDone)>> = BTreeMap::new();
    for (at, session) in sessions.iter().enumerate() {
        for done in &session.blocks {
            holders.entry(done.block).or_default().push((at, *done));
        }
    }
    let mut twice: BTreeMap<(usize, usize), Vec<u32>> = BTreeMap::new();
    for (block, of_block) in &holders {
        // More places first, then fewer failures, then the first session.
        let best = of_block.iter().max_by_key(|(at, d)| (d.runs, Reverse(d.failed), Reverse(*at)));
        let Some((winner, _)) = best else { continue };
        for (at, _) in of_block.iter().filter(|(at, _)| at != winner) {
            blocks.superseded.insert((*at, *block));
            twice.entry((*winner, *at)).or_default().push(*block);
        }
    }
    blocks.duplicates = twice
        .iter()
        .map(|((winner, other), which)| {
            let (winner, other) = (sessions[*winner].named(), sessions[*other].named());
            format!("{} on {winner} and on {other}: those of the first count", numbered(which))
        })
        .collect();
    blocks.gaps = missing(sessions, &holders);
}

fn missing(sessions: &[&Session], holders: &BTreeMap<u32, Vec<(usize, BlockDone)>>) -> Vec<String> {
    let Some(first) = sessions.first() else { return Vec::new() };
    let (plan, size) = (&first.plan, first.block_size());
    let of = plan.schedule.shard.map_or(1, |s| s.of);
    let mut nowhere: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut gaps = Vec::new();
    for measured in 1..=plan.max_blocks {
        let block = plan.warmup_blocks + measured;
        let shard = (measured - 1) % of + 1;
        match holders.get(&block).and_then(|h| h.iter().map(|(_, d)| d.runs).max()) {
            None => nowhere.entry(shard).or_default().push(block),
            Some(runs) if runs < size => {
                gaps.push(format!("block {block} of shard {shard}/{of} has {runs} of {size} runs"));
            }
            Some(_) => {}
        }
    }
    let lines = nowhere.iter().map(|(shard, which)| {
        format!(
            "{} of shard {shard}/{of} {} nowhere",
            numbered(which),
            if which.len() == 1 { "is" } else { "are" }
        )
    });
    gaps.extend(lines);
    gaps
}

fn numbered(blocks: &[u32]) -> String {
    let shown: Vec<String> = blocks.iter().take(12).map(u32::to_string).collect();
    let more = if blocks.len() > 12 { format!(" and {} more", blocks.len() - 12) } else { String::new() };
    format!("block{} {}{more}", if blocks.len() == 1 { "" } else { "s" }, shown.join(", "))
}

/// A session that came to no end of its own, or lacks runs in the middle.
fn cut_short(session: &Session) -> Option<String> {
    let short: u32 = session.blocks.iter().map(|b| session.block_size().saturating_sub(b.runs)).sum();
    let why = match session.plan.ended_by.as_str() {
        "" => "was cut off",
        INTERRUPTED => "was interrupted",
        _ if short > 0 => "has holes",
        _ => return None,
    };
    let rows = session.blocks.len();
    Some(format!("{} {why}: {rows} measured blocks, {short} runs of them are missing", session.named()))
}
