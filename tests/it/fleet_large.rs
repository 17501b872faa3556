//! Records that are larger than a row group, or than memory.

use crate::figures::fails;
use crate::fleet_merge::{bytes, counted, taremark};
use crate::support::errors;
use crate::support::fleets::Made;
use std::path::PathBuf;
use taremark::record::merge::{MergedRecord, Options, merge};
use taremark::record::table::{GROUP_ROWS, RUNS, SAMPLES};

#[test]
fn a_session_of_many_row_groups_is_merged_like_any_other() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    // Two samples a block.
    let blocks = (GROUP_ROWS / 2 + 1000) as u32;
    let large = Made { blocks, ..Made::new(2, 1) }.write(&at("large"));
    let small: Vec<PathBuf> = [1, 3]
        .map(|h| {
            Made { blocks, without: (9..blocks).collect(), ..Made::new(h, 1) }.write(&at(&format!("r{h}")))
        })
        .into();
    let all = [small[0].clone(), large.clone(), small[1].clone()];
    let head = merge(&all, &at("at-once"), Options::default()).expect("merged");
    merge(&[large.clone(), small[1].clone()], &at("first"), Options::default()).expect("merged");
    merge(&[at("first"), small[0].clone(), large], &at("in-steps"), Options::default()).expect("merged");
    assert!(bytes(&at("at-once")) == bytes(&at("in-steps")), "steps change bytes");
    let merged = MergedRecord::open(&at("at-once")).expect("record");
    for table in [&RUNS, &SAMPLES] {
        let rows = merged.rows(table).expect("rows");
        assert_eq!([0, 1, 2].map(|s| rows.parts(s).len()), [1, 2, 1], "{}", table.name);
    }
    let rows: usize = all
        .iter()
        .map(|r| std::fs::read_to_string(r.join("runs.csv")).expect("runs").lines().count() - 1)
        .sum();
    assert_eq!(head.runs as usize, rows);
    let blocks_of = |target: &str| counted(&merged).iter().filter(|(_, t)| t == target).count();
    assert_eq!(blocks_of("process"), blocks as usize + 2 * 9);
    let output = taremark(&["report", &at("at-once").display().to_string()]);
    assert!(output.status.success(), "{}", errors(&output));
    let fleet = std::fs::read_to_string(at("at-once").join("fleet.csv")).expect("fleet.csv");
    assert!(fleet.lines().any(|l| l.contains(&format!(",3,{},", blocks_of("container")))), "{fleet}");
}

#[test]
fn what_would_fill_the_memory_is_refused_and_the_way_is_named() {
    let ground = tempfile::tempdir().expect("folder");
    let record = Made::new(1, 1).write(&ground.path().join("r"));
    let samples = std::fs::OpenOptions::new().append(true).open(record.join("samples.csv")).expect("samples");
    // A hole: as long as a record of more than three million samples, and no byte on the disk.
    samples.set_len((256 << 20) + 1).expect("length");
    for verb in ["report", "compare"] {
        let dir = record.display().to_string();
        let arguments = if verb == "report" { vec![verb, &dir] } else { vec![verb, &dir, &dir] };
        fails(&taremark(&arguments), 1, &["samples.csv has 268435457 bytes", "taremark merge RECORD -o OUT"]);
    }
}
