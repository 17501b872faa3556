//! Real benches on a real Slurm of four nodes, two of which die on the way: nothing is lost and nothing is there twice.

use crate::support::campaigns::{Ground, RUNS_EACH, SEED};
use crate::support::slurm::{Setup, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use taremark::measure::schedule::block_order;
use taremark::record::merge::MergedRecord;
use taremark::record::reader;
use taremark::record::table::{Data, RUNS, SAMPLES};

type Run = (String, u32, u32, String);

/// (host, block, place, target) of the measured runs that count, with how often each is there.
fn counted(merged: &MergedRecord) -> BTreeMap<Run, u32> {
    let rows = merged.rows(&RUNS).expect("runs");
    let mut all = BTreeMap::new();
    let parts = (0..merged.sessions.len()).flat_map(|s| rows.parts(s).map(move |part| (s, part)));
    for (session, part) in parts {
        let names = ["block", "place", "target", "warmup", "superseded", "error"];
        let columns = rows.columns(part, names).expect("columns");
        let [
            Data::Counts(blocks),
            Data::Counts(places),
            Data::Words(targets),
            Data::Flags(warmup),
            Data::Flags(superseded),
            Data::Words(errors),
        ] = columns
        else {
            panic!("columns of other types");
        };
        for i in (0..blocks.len()).filter(|i| !warmup[*i] && !superseded[*i]) {
            assert!(errors[i].is_empty(), "a run failed: {:?}", errors[i].as_utf8());
            let target = targets[i].as_utf8().expect("target").to_owned();
            let key = (merged.sessions[session].host.clone(), blocks[i] as u32, places[i] as u32, target);
            *all.entry(key).or_default() += 1;
        }
    }
    all
}

/// (block, place, target) of the whole plan.
fn planned() -> BTreeSet<(u32, u32, String)> {
    let targets = ["process", "container"];
    let of_block = |block| {
        let order = block_order(SEED, block, 2, 1);
        (1..).zip(order).map(move |(place, slot)| (block, place, targets[slot.target].to_owned()))
    };
    (2..=RUNS_EACH + 1).flat_map(of_block).collect()
}

/// Every row of every record that was handed over is in the merged one, and each run has its start-up once.
fn nothing_lost(campaign: &Path, merged: &MergedRecord) {
    let records = std::fs::read_dir(campaign.join("records")).expect("records").flatten();
    let (mut runs, mut samples) = (0, 0);
    for dir in records {
        let record = reader::read(&dir.path()).expect("record");
        runs += record.runs.len() as u64;
        samples += record.samples.len() as u64;
        assert_eq!(
            record.samples.iter().filter(|s| s.metric == "startup_ms").count(),
            record.runs.len(),
            "{}",
            dir.path().display()
        );
    }
    assert_eq!((merged.head.runs, merged.head.samples), (runs, samples));
    let rows = merged.rows(&SAMPLES).expect("samples");
    let there: usize = (0..merged.sessions.len())
        .flat_map(|s| rows.parts(s))
        .map(|part| rows.columns(part, ["value"]).expect("values"))
        .map(|[data]| if let Data::Numbers(v) = data { v.len() } else { 0 })
        .sum();
    assert_eq!(there as u64, samples);
}

/// Node (from 0) on which Slurm runs a task.
fn node_of(said: &str) -> Option<usize> {
    (1..=4).find(|n| said.split_whitespace().any(|w| w == format!("n{n}"))).map(|n| n - 1)
}

#[test]
fn two_nodes_die_and_nothing_is_lost_and_nothing_is_there_twice() {
    let mut ground = Ground::new(Setup::default());
    let (hosts, shards) = (ground.cluster.path("hosts"), ground.cluster.path("shards"));
    ground.submit(&hosts, ["--hosts", "all"]);
    // The second node dies in the middle of its bench.
    wait_for("runs on the second node", 60, || (ground.status(&hosts)["host-2"].2 >= 6).then_some(()));
    ground.cluster.kill_node(1);
    // Meanwhile a plan in shards on the three others, of which one dies as well.
    ground.submit(&shards, ["--shards", "3"]);
    let node = wait_for("runs of a shard", 90, || {
        let status = ground.status(&shards);
        status.values().find(|t| t.0 == "running" && t.2 >= 7).and_then(|t| node_of(&t.1))
    });
    ground.cluster.kill_node(node);
    wait_for("the dead node's task in the queue again", 60, || {
        ground.status(&hosts)["host-2"].1.contains("PENDING").then_some(())
    });
    ground.cluster.start_node(1);
    ground.finished(&hosts);
    ground.finished(&shards);
    ground.cluster.start_node(node);

    let (merged, said) = ground.collect(&hosts);
    assert!(said.contains("4 sessions of 4 hosts"), "{said}");
    assert_eq!((&merged.head.duplicates, &merged.head.gaps), (&vec![], &vec![]));
    let counted_runs = counted(&merged);
    assert!(counted_runs.values().all(|n| *n == 1), "{counted_runs:?}");
    for session in &merged.sessions {
        let own = counted_runs.keys().filter(|k| k.0 == session.host);
        let own: BTreeSet<_> =
            own.map(|(_, block, place, target)| (*block, *place, target.clone())).collect();
        assert_eq!(own, planned(), "{}", session.host_name);
        let resumed = usize::from(session.host_name == "n2");
        assert_eq!(session.plan.schedule.resumed_utc.len(), resumed, "{}", session.host_name);
    }
    nothing_lost(&hosts, &merged);

    let (merged, said) = ground.collect(&shards);
    assert_eq!(merged.sessions.len(), 4, "three shards, one of them on two hosts: {said}");
    assert_eq!(merged.head.gaps, [""; 0]);
    let mut times: BTreeMap<(u32, u32, String), u32> = BTreeMap::new();
    for ((_, block, place, target), n) in counted(&merged) {
        *times.entry((block, place, target)).or_default() += n;
    }
    assert!(times.values().all(|n| *n == 1), "{times:?}");
    assert_eq!(times.into_keys().collect::<BTreeSet<_>>(), planned());
    nothing_lost(&shards, &merged);

    // The epilog, or the prolog of whoever came next, has removed what the dead had left.
    wait_for("both nodes tidy", 40, || {
        let idle = ground.cluster.ask("sinfo", &["-h", "-N", "-o", "%t"]);
        (idle.lines().filter(|l| *l == "idle").count() == 4).then_some(())
    });
    let job = ["--wait-all-nodes=1", "--exclusive", "-N4", "true"];
    ground.cluster.ask("srun", &job[1..]);
    wait_for("nothing left", 20, || ground.cluster.left().is_empty().then_some(()));
}
