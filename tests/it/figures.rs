//! The schedule of a bench as a user sees it: taken up after a kill, pinned, padded, as long as its precision needs.

use crate::support::{errors, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use taremark::record::reader::{self, Record};

pub use crate::bench::{Ground, fails};

impl Ground {
    /// A bench of `hello` as a process and in a container; its record.
    pub fn record(&self, name: &str, args: &[&str]) -> (PathBuf, Record) {
        let dir = self.path(name);
        let out = dir.display().to_string();
        let base =
            ["bench", "--quiet", "--workload", "hello", "--target", "process,container", "--out", &out];
        let output = self.run(&[&base[..], args].concat());
        assert!(output.status.success(), "{}{}", text(&output), errors(&output));
        let record = reader::read(&dir).expect("record");
        (dir, record)
    }
}

fn rows(record: &Path) -> usize {
    std::fs::read_to_string(record.join("runs.csv")).map_or(0, |t| t.lines().count())
}

#[test]
fn a_killed_bench_is_taken_up_where_it_was() {
    let ground = Ground::new();
    let dir = ground.path("record");
    let args = ["bench", "--quiet", "--runs", "30", "--workload", "hello", "--target", "process,container"];
    let mut command =
        ground.command(&[&args[..], &["--wait", "0", "--out", &dir.display().to_string()]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("taremark");
    let from = Instant::now();
    while rows(&dir) < 12 {
        assert!(from.elapsed() < Duration::from_secs(60), "no runs");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill -9");
    child.wait().expect("reaped");
    assert!(rows(&dir) < 62, "it had ended: nothing to take up");
    // What a crash of the whole host leaves: half a row.
    let samples = dir.join("samples.csv");
    let mut half = std::fs::read(&samples).expect("samples");
    half.truncate(half.len() - 7);
    std::fs::write(&samples, half).expect("write");
    let output = ground.run(&["bench", "--quiet", "--resume", &dir.display().to_string()]);
    assert!(output.status.success(), "{}", errors(&output));
    let record = reader::read(&dir).expect("record");
    assert_eq!((record.plan.ended_by.as_str(), record.plan.schedule.resumed_utc.len()), ("blocks", 1));
    assert_eq!(record.warnings, [""; 0]);
    let slots: BTreeSet<_> = record.runs.iter().map(|r| (r.block, &r.target)).collect();
    assert_eq!((slots.len(), record.runs.len()), (62, 62), "each once");
    let numbers: BTreeSet<_> = record.runs.iter().map(|r| r.run).collect();
    assert_eq!(numbers, (1..=62).collect());
    let again = ground.run(&["bench", "--resume", &dir.display().to_string()]);
    fails(&again, 2, &["is whole", "blocks"]);
    let nothing = ground.run(&["bench", "--resume", &ground.path("none").display().to_string()]);
    fails(&nothing, 1, &["runs.csv", "the folder of a record"]);
}

#[test]
fn the_schedule_is_recorded_and_the_work_stays_the_same() {
    let ground = Ground::new();
    let (_, record) =
        ground.record("record", &["--runs", "4", "--pin", "0", "--pad", "5000", "--cache", "cold"]);
    let schedule = &record.plan.schedule;
    assert_eq!((&schedule.pin[..], schedule.env_pad_bytes, schedule.quiet_wait_s), (&[0][..], 5000, 5.0));
    let pads: BTreeSet<_> = record.runs.iter().map(|r| (r.block, r.env_pad_bytes)).collect();
    let lengths: BTreeSet<_> = pads.iter().map(|p| p.1).collect();
    assert!(pads.len() == 5 && lengths.len() > 2, "one length a block, and not the same in all: {pads:?}");
    let told: BTreeSet<_> = record.runs.iter().map(|r| &r.job_digest).collect();
    assert_eq!(told.len(), 1, "a longer environment is the same work");
    for metric in ["harness_ms", "harness_cpu_ms"] {
        let of: Vec<_> = record.samples.iter().filter(|s| s.metric == metric).collect();
        assert_eq!(of.len(), record.runs.len(), "{metric}");
        assert!(of.iter().all(|s| s.value.is_some_and(|v| (0.0..1000.0).contains(&v))), "{of:?}");
    }
    fails(&ground.run(&["bench", "--pin", "4095", "--target", "process"]), 2, &["CPU 4095"]);
    fails(&ground.run(&["bench", "--precision", "much"]), 2, &["per cent"]);
}

#[test]
fn a_bench_is_as_long_as_its_precision_needs() {
    let ground = Ground::new();
    let (_, record) = ground.record("record", &["--precision", "900", "--settle", "0"]);
    let pilot = record.plan.schedule.pilot.as_ref().expect("pilot");
    assert_eq!((pilot.blocks, pilot.workload.as_str()), (14, "hello"), "as many as an interval needs");
    assert!(pilot.within_blocks > 0.0, "{pilot:?}");
    if pilot.needed <= record.plan.max_blocks {
        assert_eq!(record.plan.ended_by, "precision");
        assert_eq!(record.runs.iter().map(|r| r.block).max(), Some(pilot.needed + 1), "one of warm-up more");
    } else {
        assert_ne!(record.plan.ended_by, "precision", "{pilot:?}");
    }
}
