//! `taremark merge`: the same bytes in whatever order and in however many steps; what does not belong is refused by name.

use crate::figures::fails;
use crate::support::fleets::Made;
use crate::support::{errors, text};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use taremark::record::merge::{MergedRecord, Options, merge};
use taremark::record::table::{Data, RUNS, describe};

pub const FILES: [&str; 5] =
    ["merged.json", "sessions.jsonl", "runs.parquet", "samples.parquet", "phases.parquet"];

pub fn bytes(dir: &Path) -> Vec<Vec<u8>> {
    FILES.iter().map(|f| std::fs::read(dir.join(f)).unwrap_or_else(|e| panic!("{f}: {e}"))).collect()
}

pub fn taremark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taremark")).args(arguments).output().expect("taremark")
}

/// (block, target) of measured runs that count, in all sessions.
pub fn counted(merged: &MergedRecord) -> Vec<(u32, String)> {
    let rows = merged.rows(&RUNS).expect("runs");
    let mut all = Vec::new();
    for session in 0..merged.sessions.len() {
        let names = ["block", "target", "warmup", "superseded"];
        for part in rows.parts(session) {
            let read = rows.columns(part, names).expect("columns");
            let [Data::Counts(b), Data::Words(t), Data::Flags(w), Data::Flags(s)] = read else {
                panic!("columns of other types");
            };
            let kept = (0..b.len()).filter(|i| !w[*i] && !s[*i]);
            all.extend(kept.map(|i| (b[i] as u32, t[i].as_utf8().expect("target").to_owned())));
        }
    }
    all
}

/// Merges the parts of `tree` one after another, each part being records or an earlier merge.
fn in_steps(ground: &Path, records: &[PathBuf], order: &[usize], cuts: &[usize], name: &str) -> PathBuf {
    let mut before: Option<PathBuf> = None;
    let mut from = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % order.len() + 1).collect();
    ends.push(order.len());
    ends.sort_unstable();
    ends.dedup();
    for (step, end) in ends.into_iter().enumerate() {
        let mut dirs: Vec<PathBuf> = order[from..end].iter().map(|i| records[*i].clone()).collect();
        // Some again: nothing may count twice.
        dirs.extend(dirs.first().cloned());
        dirs.extend(before.take());
        let out = ground.join(format!("{name}-{step}"));
        merge(&dirs, &out, Options::default()).expect("merged");
        before = Some(out);
        from = end;
    }
    before.expect("a step")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn order_and_steps_change_no_byte(
        sharded in any::<bool>(),
        order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle(),
        cuts in prop::collection::vec(0usize..5, 0..4),
        twice in any::<bool>(),
    ) {
        let ground = tempfile::tempdir().expect("folder");
        let made = |i: u32| match sharded {
            // The fifth host repeats the work of the first.
            true => Made { session: 200 + i, ..Made::shard(i, if twice { i % 4 } else { i.min(3) } + 1, 4) },
            false => Made::new(i / 2, i),
        };
        let records: Vec<PathBuf> =
            (0..5).map(|i| made(i).write(&ground.path().join(format!("r{i}")))).collect();
        let plain = ground.path().join("all");
        let whole = merge(&records, &plain, Options::default()).expect("merged");
        let steps = in_steps(ground.path(), &records, &order, &cuts, "steps");
        prop_assert_eq!(bytes(&plain), bytes(&steps));
        let again = ground.path().join("again");
        merge(&[plain.clone(), plain.clone()], &again, Options::default()).expect("merged");
        prop_assert_eq!(bytes(&plain), bytes(&again), "idempotent");
        prop_assert_eq!(whole.sessions, 5);
        if sharded {
            prop_assert!(!whole.duplicates.is_empty());
            let merged = MergedRecord::open(&plain).expect("merged");
            let all = counted(&merged);
            let set: BTreeSet<_> = all.iter().cloned().collect();
            prop_assert_eq!(all.len(), set.len(), "no run counts twice");
            prop_assert_eq!(set.len(), 12, "and none is missing");
        }
    }
}

#[test]
fn shards_joined_are_the_plan_and_gaps_are_named() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    let mut records: Vec<PathBuf> =
        (1..=4).map(|i| Made { blocks: 12, ..Made::shard(i, i, 4) }.write(&at(&format!("s{i}")))).collect();
    let whole = merge(&records, &at("whole"), Options::default()).expect("merged");
    assert_eq!((whole.gaps, whole.duplicates, whole.hosts), (vec![], vec![], 4));
    // One shard is not there, another lacks a block, a third half a block.
    records.remove(3);
    let holes = Made { blocks: 12, without: vec![3], ..Made::shard(9, 2, 4) };
    records[1] = holes.write(&at("holes"));
    let gaps = merge(&records, &at("gaps"), Options::default()).expect("merged").gaps;
    assert_eq!(gaps, ["block 3 of shard 2/4 is nowhere", "blocks 5, 9, 13 of shard 4/4 are nowhere"]);
    // Two hosts with the same shard: the whole one counts.
    let twice = Made { session: 7, blocks: 12, ..Made::shard(20, 2, 4) };
    records.push(twice.write(&at("twice")));
    let merged = merge(&records, &at("twice-merged"), Options::default()).expect("merged");
    let says = "blocks 7, 11 on host0009 (00000000) and on host0020 (00000000): those of the first count";
    assert_eq!(merged.duplicates, [says]);
    assert!(!merged.gaps.iter().any(|g| g.contains("block 3 ")), "{:?}", merged.gaps);
}

#[test]
fn a_session_that_was_cut_off_is_named_and_its_fuller_copy_counts() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    let early = Made { ended_by: "", without: vec![5, 6, 7], ..Made::new(1, 1) }.write(&at("early"));
    let late = Made::new(1, 1).write(&at("late"));
    let cut = merge(std::slice::from_ref(&early), &at("cut"), Options::default()).expect("merged");
    assert!(cut.gaps[0].contains("host0001") && cut.gaps[0].contains("was cut off: 3"), "{:?}", cut.gaps);
    let both = merge(&[at("cut"), late.clone()], &at("both"), Options::default()).expect("merged");
    assert!(both.notes[0].contains("8 runs and with 14: the fuller copy counts"), "{:?}", both.notes);
    merge(&[late], &at("alone"), Options::default()).expect("merged");
    assert_eq!(bytes(&at("both")), bytes(&at("alone")));
}

#[test]
fn what_does_not_belong_is_refused_every_one_by_name() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name).display().to_string();
    let path = |name: &str| ground.path().join(name);
    for host in 1..=3 {
        Made::new(host, 1).write(&path(&format!("good{host}")));
    }
    Made::new(4, 1).write_as(&path("arm"), |_, identity| identity.architecture = "aarch64".into());
    Made::new(5, 1).write_as(&path("image"), |plan, _| plan.workloads[0].image_digest = "sha256:9".into());
    Made::new(6, 1).write_as(&path("cpus"), |plan, _| plan.cpus = 4);
    Made::new(7, 1).write(&path("newer"));
    let plan = path("newer/plan.json");
    let newer = std::fs::read_to_string(&plan).expect("plan").replacen("\"schema\": 1", "\"schema\": 9", 1);
    std::fs::write(&plan, newer).expect("plan");
    std::fs::create_dir(path("none")).expect("folder");
    let names = ["good1", "arm", "good2", "image", "cpus", "newer", "none", "good3"].map(at);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let out = at("out");
    let all = [&["merge"], &names[..], &["-o", &out]].concat();
    let refused = taremark(&all);
    let says = [
        "5 of the records do not belong",
        "architecture: x86_64 and aarch64",
        "sha256:9",
        "limits: 1 CPUs",
        "schema 9; this taremark knows 1",
        "none",
    ];
    fails(&refused, 2, &says);
    assert!(!path("out").exists(), "nothing is written");
    let left_out = taremark(&[&all[..], &["--leave-out"]].concat());
    fails(&left_out, 1, &[]);
    assert!(text(&left_out).contains("3 sessions of 3 hosts"), "{}", text(&left_out));
    assert_eq!(text(&left_out).matches("left out: ").count(), 5, "{}", text(&left_out));
    // What was left out once stays named.
    let again = taremark(&["merge", &at("out"), &at("good1"), "-o", &at("more")]);
    assert_eq!(text(&again).matches("left out: ").count(), 5, "{}{}", text(&again), errors(&again));
    fails(&taremark(&["merge", &at("good1"), "-o", &at("out")]), 2, &["is there already"]);
}

#[test]
fn the_page_of_the_tables_is_what_they_are() {
    let published = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/parquet.md"));
    assert!(published.expect("docs/parquet.md") == describe(), "docs/parquet.md is not:\n{}", describe());
}
