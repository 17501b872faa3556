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

/// What is asked of `tarec`: task, peer, largest ratio.
const WANTED: [(&str, &str, f64); 11] = [
    ("run", "crun", 0.5),
    ("run", "runc", 0.2),
    ("run", "unshare", 1.0),
    ("run with seccomp", "crun", 0.2),
    ("run with seccomp", "runc", 0.1),
    ("run with seccomp, nothing cached", "crun", 1.0),
    ("create", "crun", 1.0),
    ("start", "crun", 1.0),
    ("exec", "crun", 1.0),
    ("delete", "crun", 1.0),
    ("peak RSS of run, bytes", "crun", 1.0),
];

/// Ratio of `tarec` to a peer, paired by block, with its interval.
fn ratio(samples: &[Sample], task: &str, peer: &str, seed: u64) -> Option<(f64, f64, f64)> {
    let (ours, theirs) = (by_block(samples, task, "tarec"), by_block(samples, task, peer));
    let pairs: Vec<(f64, f64)> = theirs.iter().filter_map(|(b, v)| Some((*v, *ours.get(b)?))).collect();
    let compared = compare(&pairs, seed)?;
    let interval = compared.ratio_interval?;
    Some((compared.ratio?, interval.low, interval.high))
}

/// One line for each of [`WANTED`]: it holds where the whole interval is within the limit.
pub fn verdicts(samples: &[Sample], options: &Options) -> String {
    let line = |(task, peer, limit): &(&str, &str, f64)| {
        let Some((middle, low, high)) = ratio(samples, task, peer, options.seed) else {
            return format!("{task}, at most {limit} of {peer}: not measured\n");
        };
        let says = match (high <= *limit, low > *limit) {
            (true, _) => "holds",
            (_, true) => "does not hold",
            _ => "open, the interval is on both sides",
        };
        format!("{task}, at most {limit} of {peer}: {says} ({middle:.3} [{low:.3}, {high:.3}])\n")
    };
    WANTED.iter().map(line).collect()
}

pub fn render(samples: &[Sample], peers: &[Peer], options: &Options) -> String {
    let mut text = format!(
        "{:<34} {:<8} {:>9} {:>7}   tarec / peer, median of pairs [95 % interval]\n",
        "task", "peer", "median", "failed"
    );
    for task in TASKS {
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
            let ratio = (peer.name != "tarec").then(|| ratio(samples, task, &peer.name, options.seed));
            if let Some((middle, low, high)) = ratio.flatten() {
                text += &format!("   {middle:.3} [{low:.3}, {high:.3}]");
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
