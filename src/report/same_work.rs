//! Whether two targets did the same work: without that, no comparison.

use crate::record::reader::Record;
use crate::record::schema::RunRow;
use std::collections::BTreeSet;

/// What has to be the same, and where a run tells it.
type Check = (&'static str, fn(&RunRow) -> &String);

/// Why `target` may not be compared with the net on this workload; none where it may. Looks at every measured run that
/// did not fail: image, what the target was told, and output have to be the same.
pub fn why_not(record: &Record, workload: &str, net: &str, target: &str) -> Option<String> {
    let of = |name: &str| -> Vec<&RunRow> {
        let mine =
            |r: &&RunRow| r.workload == workload && r.target == name && r.error.is_empty() && !r.warmup;
        record.runs.iter().filter(mine).collect()
    };
    let (net_runs, runs) = (of(net), of(target));
    let checks: [Check; 3] = [
        ("image", |r| &r.image_digest),
        ("arguments, environment, user, folder or limits", |r| &r.job_digest),
        ("output", |r| &r.output_digest),
    ];
    checks.iter().find_map(|(what, digest)| {
        let all: BTreeSet<&String> = net_runs.iter().chain(&runs).map(|r| digest(r)).collect();
        (all.len() > 1).then(|| format!("not the same {what} as on {net}"))
    })
}
