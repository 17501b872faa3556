//! One task of a campaign, `scripts/slurm/task`, as it is without Slurm: what it leaves when the shared folder is full, and when
//! two hosts believe that one task is theirs.

use crate::fleet_merge::{counted, taremark};
use crate::support::{errors, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use taremark::record::merge::MergedRecord;
use taremark::record::reader;

/// A campaign as `fleet submit` lays it out, before it asks Slurm for anything.
fn campaign(dir: &Path, bench: &[&str], shards: u32) {
    for folder in ["records", "partial", "log"] {
        std::fs::create_dir_all(dir.join(folder)).expect("folder");
    }
    let tasks: Vec<serde_json::Value> = (1..=shards)
        .map(|i| serde_json::json!({ "index": i, "name": format!("shard-{i}"), "node": null }))
        .collect();
    let json = serde_json::json!({ "schema": 1, "mode": "shards", "submitted_utc": "", "job": null, "bench": bench, "tasks": tasks });
    let lines = |words: &[&str]| words.iter().map(|w| format!("{w}\n")).collect::<String>();
    for (name, text) in [
        ("campaign.json", json.to_string()),
        ("bench.args", lines(bench)),
        ("doctor.args", lines(&["--target", "process"])),
        ("taremark", format!("{}\n", env!("CARGO_BIN_EXE_taremark"))),
    ] {
        std::fs::write(dir.join(name), text).expect("file");
    }
}

const TASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/slurm/task");

#[test]
fn a_task_that_finds_the_folder_full_hands_nothing_over_and_goes_on_when_there_is_room() {
    let ground = tempfile::tempdir().expect("folder");
    let shared = ground.path().join("shared");
    std::fs::create_dir(&shared).expect("folder");
    let laid_out = ground.path().join("laid-out");
    let bench =
        ["--workload", "hello", "--target", "process", "--runs", "200", "--seed", "3", "--settle", "0"];
    campaign(&laid_out, &[&bench[..], &["--wait", "0"]].concat(), 1);
    let script = format!(
        "export TAREMARK_STORE={0}/store TMPDIR={0}; mount -t tmpfs -o size=96k none {1} && cp -r {2} {1}/c && \
         {TASK} {1}/c shard-1 --shard 1/1; echo code $?; ls {1}/c/records; echo rows $(wc -l <{1}/c/partial/shard-1/runs.csv); \
         mount -o remount,size=8m {1}; {TASK} {1}/c shard-1 --shard 1/1; echo code $?; {TASK} {1}/c shard-1 --shard 1/1; echo code $?; \
         cp -r {1}/c {0}/after",
        ground.path().display(),
        shared.display(),
        laid_out.display()
    );
    let output = Command::new("unshare").args(["--mount", "bash", "-c", &script]).output().expect("unshare");
    let (said, complained) = (text(&output), errors(&output));
    let codes: Vec<&str> = said.lines().filter(|l| l.starts_with("code ")).collect();
    assert_eq!(codes, ["code 3", "code 0", "code 0"], "{said}{complained}");
    assert!(complained.contains("No space left on device"), "{said}{complained}");
    assert!(said.contains("did not come to its end (exit code 3)"), "{said}");
    let after_first = said.split("code 3\n").nth(1).expect("what came then");
    assert!(after_first.starts_with("rows "), "something was handed over: {said}");
    assert!(said.contains("takes up what an earlier start of this task left"), "{said}");
    assert!(said.contains("is handed over already"), "{said}");
    let record = reader::read(&ground.path().join("after/records/shard-1")).expect("record");
    assert_eq!(record.plan.ended_by, "blocks");
    let mut times: BTreeMap<u32, u32> = BTreeMap::new();
    record.runs.iter().for_each(|r| *times.entry(r.block).or_default() += 1);
    assert!(times.len() == 201 && times.values().all(|n| *n == 1), "{times:?}");
}

/// A host of its own name and machine id runs the task.
fn on_host(name: &str, ground: &Path, campaign: &Path) -> Child {
    let id = ground.join(format!("machine-id-{name}"));
    std::fs::write(&id, format!("{:032x}\n", name.bytes().fold(7u64, |h, b| h * 31 + u64::from(b))))
        .expect("id");
    let script = format!(
        "hostname {name}; mount --bind {} /etc/machine-id; exec {TASK} {} shard-1 --shard 1/1",
        id.display(),
        campaign.display()
    );
    let log = std::fs::File::create(ground.join(format!("{name}.log"))).expect("log");
    Command::new("unshare")
        .args(["--mount", "--uts", "bash", "-c", &script])
        .env("TAREMARK_STORE", ground.join("store"))
        .stdout(log.try_clone().expect("log"))
        .stderr(Stdio::from(log))
        .spawn()
        .expect("unshare")
}

fn rows(record: &Path) -> usize {
    std::fs::read_to_string(record.join("runs.csv")).map_or(0, |t| t.lines().count())
}

/// Slurm takes a node for dead that is only cut off, and gives its task to another: both write the same shard.
#[test]
fn two_hosts_that_believe_one_shard_theirs_lose_nothing_and_are_named() {
    let ground = tempfile::tempdir().expect("folder");
    let shared = ground.path().join("campaign");
    let bench =
        ["--workload", "hello", "--target", "process", "--runs", "600", "--seed", "3", "--settle", "0"];
    campaign(&shared, &[&bench[..], &["--wait", "0"]].concat(), 1);
    let mut first = on_host("cutoff", ground.path(), &shared);
    let work = shared.join("partial/shard-1");
    let from = Instant::now();
    while rows(&work) < 20 {
        let log = || std::fs::read_to_string(ground.path().join("cutoff.log")).unwrap_or_default();
        assert!(from.elapsed() < Duration::from_secs(60), "no runs: {}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut second = on_host("other", ground.path(), &shared);
    let (first, second) = (first.wait().expect("reaped"), second.wait().expect("reaped"));
    let log = |name: &str| std::fs::read_to_string(ground.path().join(format!("{name}.log"))).expect("log");
    let logs = format!("{}{}", log("cutoff"), log("other"));
    assert!(logs.contains("two tasks have shard-1"), "neither is told of the other: {logs}");
    assert!(first.success() && second.code() == Some(1), "{logs}");
    // Whatever has a row is handed over or still lies where it was written.
    let all: Vec<PathBuf> = ["records", "partial"]
        .iter()
        .flat_map(|f| std::fs::read_dir(shared.join(f)).expect("folder").flatten().map(|e| e.path()))
        .collect();
    let written: usize = all.iter().map(|r| rows(r).saturating_sub(1)).sum();
    let names: Vec<String> = all.iter().map(|p| p.display().to_string()).collect();
    let out = ground.path().join("merged").display().to_string();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = taremark(&[&["merge", "-o", &out], &names[..]].concat());
    assert!(output.status.success(), "{}{}{logs}", text(&output), errors(&output));
    let merged = MergedRecord::open(Path::new(&out)).expect("merged");
    assert_eq!(merged.head.runs as usize, written, "{logs}");
    assert_eq!(merged.head.gaps, [""; 0], "{logs}");
    assert_eq!(merged.head.duplicates.is_empty(), merged.sessions.len() == 1, "{:?}", merged.head);
    let mut times: BTreeMap<u32, u32> = BTreeMap::new();
    counted(&merged).iter().for_each(|(block, _)| *times.entry(*block).or_default() += 1);
    assert!(times.len() == 600 && times.values().all(|n| *n == 1), "{times:?}");
}
