//! `taremark density` on this host, small: containers, and machines with the host's kernel merging their pages.

use crate::machine::in_machine_session;
use std::path::Path;
use std::process::Command;
use taremark::record::density::Density;
use taremark::report::density::{Summary, summary};

fn density(arguments: &[&str], out: &Path) -> (i32, String) {
    let mut taremark = Command::new(env!("CARGO_BIN_EXE_taremark"));
    let done = taremark.arg("density").args(arguments).arg("--out").arg(out).output().expect("taremark");
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    (done.status.code().unwrap_or(-1), text.into_owned())
}

fn measured(arguments: &[&str]) -> (Density, Summary, String) {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("out");
    let (code, text) = density(arguments, &out);
    assert_eq!(code, 0, "{text}");
    assert!(out.join("density.svg").is_file() && out.join("summary.json").is_file());
    let read = Density::read(&out).expect("read");
    let summary = summary(&read).expect("summary");
    (read, summary, text)
}

#[test]
fn containers_are_added_until_there_are_enough() {
    let arguments = ["--target", "container", "--max", "30", "--at-once", "1,4", "--rounds", "2", "--quiet"];
    let (read, summary, text) = measured(&arguments);
    assert_eq!((read.starts.len(), read.header.ended_by.as_str()), (30, "as many as were wanted"));
    assert_eq!(read.together.len(), 2 * (1 + 4));
    assert!(read.starts.iter().all(|s| s.startup_ms > 0.0 && s.cgroup_bytes > 0), "{:?}", read.starts);
    let accounted = summary.accounted_bytes;
    assert!(accounted > 1e5 && accounted < 3e7, "one container is charged {accounted} bytes");
    assert!(summary.together.len() == 2 && summary.together.iter().all(|r| r.per_second > 1.0));
    assert!(text.contains("one more takes of the host") && text.contains(" 4 at once"), "{text}");
}

#[test]
fn memory_that_is_spent_ends_it_and_pages_are_merged() {
    if !in_machine_session("density::memory_that_is_spent_ends_it_and_pages_are_merged") {
        return;
    }
    let limited =
        ["--target", "microvm", "--max", "40", "--memory-limit", "600M", "--at-once", "0", "--quiet"];
    let (read, ..) = measured(&limited);
    assert!(read.starts.len() < 12, "{} machines fit into 600 MB", read.starts.len());
    assert_eq!(read.header.ended_by, "the memory that they may take is spent");
    let merging = ["--target", "microvm", "--max", "2", "--ksm", "--at-once", "0", "--quiet"];
    let (read, _, text) = measured(&merging);
    let merged = read.header.merged.expect("this test needs a kernel with CONFIG_KSM");
    assert!(merged.sharing_bytes > 10 << 20, "{merged:?}: {text}");
    let run = std::fs::read_to_string("/sys/kernel/mm/ksm/run").expect("ksm");
    assert_eq!(run.trim() == "1", read.header.ksm_was_on, "it was left on");
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let dir = tempfile::tempdir().expect("folder");
    let refused = |arguments: &[&str]| density(arguments, &dir.path().join("out"));
    let (code, text) = refused(&["--workload", "http"]);
    assert!(code == 2 && text.contains("http is no service that tells by a line"), "{code} {text}");
    assert_eq!(refused(&["--workload", "none"]).0, 2);
    assert_eq!(refused(&["--max", "1"]).0, 2);
    let (code, text) = density(&[], dir.path());
    assert!(code == 2 && text.contains("is there already"), "{code} {text}");
}
