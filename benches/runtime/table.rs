//! Medians, and ratios of `tarec` to each peer, paired by block.

use crate::peers::Peer;
use crate::{Options, Sample};
use std::collections::BTreeMap;
use taremark::stats::compare;
use taremark::stats::median;

const TASKS: [&str; 10] = [
    "run",
    "run with seccomp",
    "run with seccomp, nothing cached",
    "create",
    "start",
    "exec",
    "state",
    "kill",
    "delete",
    "peak RSS of run, bytes",
];

pub fn render(samples: &[Sample], peers: &[Peer], options: &Options) -> String {
    let mut text = format!(
        "{:<34} {:<8} {:>9} {:>7}   tarec / peer, median of pairs [95 % interval]\n",
        "task", "peer", "median", "failed"
    );
    for task in TASKS {
        let ours = by_block(samples, task, "tarec");
        for peer in peers {
            let values = by_block(samples, task, &peer.name);
            let failed =
                samples.iter().filter(|s| s.task == task && s.peer == peer.name && s.exit != 0).count();
            let Some(middle) = median(&values.values().copied().collect::<Vec<_>>()) else {
                if failed > 0 {
                    text += &format!("{task:<34} {:<8} {:>9} {failed:>7}\n", peer.name, "-");
                }
                continue;
            };
            let shown =
                if task.ends_with("bytes") { format!("{middle:.0}") } else { format!("{middle:.2} ms") };
            text += &format!("{task:<34} {:<8} {shown:>9} {failed:>7}", peer.name);
            let pairs: Vec<(f64, f64)> =
                values.iter().filter_map(|(b, v)| Some((*v, *ours.get(b)?))).collect();
            let ratio = (peer.name != "tarec").then(|| compare(&pairs, options.seed)).flatten();
            if let Some((ratio, interval)) = ratio.and_then(|c| Some((c.ratio?, c.ratio_interval?))) {
                text += &format!("   {ratio:.3} [{:.3}, {:.3}]", interval.low, interval.high);
            }
            text.push('\n');
        }
    }
    text
}

/// Values of blocks from 1 on that did not fail.
fn by_block(samples: &[Sample], task: &str, peer: &str) -> BTreeMap<u32, f64> {
    let good = samples.iter().filter(|s| s.task == task && s.peer == peer && s.exit == 0 && s.block > 0);
    good.map(|s| (s.block, s.value)).collect()
}
