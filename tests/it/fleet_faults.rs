//! What goes wrong on many machines: each is named, and nothing is lost. (A node that dies: `fleet_slurm`; another
//! architecture or schema: `fleet_merge`.)

use crate::figures::fails;
use crate::fleet_merge::{bytes, taremark};
use crate::support::fleets::Made;
use crate::support::{errors, text};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use taremark::record::merge::{Options, merge};
use taremark::record::reader;

/// A file system of so many bytes, in a mount namespace of the command's own, on `folder`.
fn on_small_disk(folder: &std::path::Path, kib: u32, then: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size={kib}k none {} && {then}", folder.display());
    command.args(["--mount", "bash", "-c", &script]);
    command
}

#[test]
fn a_full_shared_folder_is_named_and_what_was_written_can_be_taken_up() {
    let ground = tempfile::tempdir().expect("folder");
    let shared = ground.path().join("shared");
    std::fs::create_dir(&shared).expect("folder");
    let bench = format!("{} bench --quiet --no-report", env!("CARGO_BIN_EXE_taremark"));
    // Full in the middle of the bench; then there is room again, and it is taken up.
    let script = format!(
        "export TAREMARK_STORE={0}/store TMPDIR={0}; {bench} --out {1}/r --workload hello --target process --settle 0 --wait 0 --runs 400; echo code $?; \
         rows=$(wc -l <{1}/r/runs.csv); mount -o remount,size=8m {1} && sed -i 's/\"max_blocks\": 400/\"max_blocks\": 60/; s/\"min_blocks\": 400/\"min_blocks\": 60/' {1}/r/plan.json; \
         {bench} --resume {1}/r; echo code $?; cp -r {1}/r {0}/r; echo rows $rows",
        ground.path().display(),
        shared.display()
    );
    let output = on_small_disk(&shared, 48, &script).output().expect("unshare");
    let (said, complained) = (text(&output), errors(&output));
    assert!(said.starts_with("code 3\ncode 0\n"), "{said}{complained}");
    assert!(
        complained.contains("No space left on device") && complained.contains("/shared/r/"),
        "{complained}"
    );
    let rows: usize = said.trim().rsplit(' ').next().and_then(|n| n.parse().ok()).expect("rows");
    assert!(rows > 10, "it was full before it began: {said}");
    let record = reader::read(&ground.path().join("r")).expect("record");
    assert_eq!(record.plan.ended_by, "blocks");
    let blocks: std::collections::BTreeSet<u32> = record.runs.iter().map(|r| r.block).collect();
    assert_eq!((record.runs.len(), blocks.len()), (blocks.len(), blocks.len()), "each once");
    assert!((1..=61).all(|b| blocks.contains(&b)), "{blocks:?}");
}

#[test]
fn a_merge_that_finds_no_room_leaves_nothing_half_done() {
    let ground = tempfile::tempdir().expect("folder");
    let shared = ground.path().join("shared");
    std::fs::create_dir(&shared).expect("folder");
    let records: Vec<String> = (1..=6)
        .map(|h| Made { blocks: 60, ..Made::new(h, 1) }.write(&ground.path().join(format!("r{h}"))))
        .map(|p| p.display().to_string())
        .collect();
    let then = format!(
        "{} merge {} -o {}/m; code=$?; ls -A {}; exit $code",
        env!("CARGO_BIN_EXE_taremark"),
        records.join(" "),
        shared.display(),
        shared.display()
    );
    let output = on_small_disk(&shared, 24, &then).output().expect("unshare");
    fails(&output, 3, &["/shared/", "No space left on device", "free space"]);
    assert_eq!(text(&output), "", "something is left");
}

#[test]
fn two_tasks_that_write_one_record_are_told_and_neither_spoils_it() {
    let ground = tempfile::tempdir().expect("folder");
    let out = ground.path().join("shard").display().to_string();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_taremark"));
    bench.env("TAREMARK_STORE", ground.path().join("store")).env("TMPDIR", ground.path());
    bench.args(["bench", "--quiet", "--no-report", "--workload", "hello", "--target", "process"]);
    bench.args([
        "--runs", "300", "--seed", "3", "--shard", "1/2", "--settle", "0", "--wait", "0", "--out", &out,
    ]);
    let mut child = bench.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("taremark");
    let from = Instant::now();
    let runs = ground.path().join("shard/runs.csv");
    while std::fs::read_to_string(&runs).map_or(0, |t| t.lines().count()) < 4 {
        assert!(from.elapsed() < Duration::from_secs(60), "no runs");
        std::thread::sleep(Duration::from_millis(5));
    }
    // A second task, which believes that the first is dead, takes it up; a third begins the same anew.
    fails(&taremark(&["bench", "--resume", &out]), 1, &["is being written by another bench", "shard"]);
    let anew = taremark(&["bench", "--runs", "3", "--seed", "3", "--shard", "1/2", "--out", &out]);
    fails(&anew, 2, &["is there already"]);
    let ended = child.wait().expect("reaped");
    assert!(ended.success(), "the first was disturbed");
    let record = reader::read(&ground.path().join("shard")).expect("record");
    assert_eq!((record.runs.len(), record.warnings.len()), (151, 0), "a warm-up and every second block");
    assert!(
        record.runs.iter().all(|r| r.warmup || r.block.is_multiple_of(2)),
        "blocks 2, 4, … with one of warm-up"
    );
}

#[test]
fn shards_need_one_seed_and_length_and_no_more_parts_than_runs() {
    fails(&taremark(&["bench", "--shard", "1/2", "--runs", "4"]), 2, &["--seed"]);
    fails(&taremark(&["bench", "--shard", "3/2", "--runs", "4", "--seed", "1"]), 2, &["I/N"]);
    let fleet = ["fleet", "submit", "/nonexistent/x", "--shards", "2", "--", "--workload", "hello"];
    fails(&taremark(&fleet), 2, &["--runs N"]);
    let theirs = ["fleet", "submit", "/nonexistent/x", "--shards", "2", "--", "--out=x"];
    fails(&taremark(&theirs), 2, &["--out"]);
}

#[test]
fn clocks_that_are_wrong_by_hours_are_named_and_change_no_figure() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    let made: Vec<Made> = (1..=3).map(|host| Made::new(host, 1)).collect();
    let right: Vec<_> = made.iter().map(|m| m.write(&at(&format!("right{}", m.host)))).collect();
    let wrong: Vec<_> = made
        .iter()
        .map(|m| {
            let dir = m.write_as(&at(&format!("wrong{}", m.host)), |_, identity| {
                identity.clock_offset_s = Some(if m.host == 2 { -10_800.0 } else { 0.0 });
            });
            if m.host == 3 {
                let file = dir.join("environment.json");
                let text = std::fs::read_to_string(&file).expect("environment");
                std::fs::write(&file, text.replace("2026-01-01T", "2199-01-01T")).expect("environment");
            }
            dir
        })
        .collect();
    merge(&right, &at("a"), Options::default()).expect("merged");
    let merged = merge(&wrong, &at("b"), Options::default()).expect("merged");
    let notes = merged.notes.join("\n");
    assert!(notes.contains("the clock of host0002") && notes.contains("3.0 h behind"), "{notes}");
    assert!(notes.contains("host0003") && notes.contains("yet to come"), "{notes}");
    let (a, b) = (bytes(&at("a")), bytes(&at("b")));
    assert_eq!(a[2..], b[2..], "every row, in the same order");
    for dir in ["a", "b"] {
        let output = taremark(&["report", &at(dir).display().to_string()]);
        assert!(output.status.success(), "{}", errors(&output));
    }
    let figures = |dir: &str| std::fs::read_to_string(at(dir).join("fleet.csv")).expect("fleet.csv");
    assert_eq!(figures("a"), figures("b"));
}

#[test]
fn cloned_machine_ids_are_named() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    let id = "0".repeat(31) + "7";
    let clone = |host: u32| {
        let id = id.clone();
        Made::new(host, 1).write_as(&at(&format!("c{host}")), move |_, identity| identity.host_id = id)
    };
    let merged = merge(&[clone(1), clone(2)], &at("m"), Options::default()).expect("merged");
    assert_eq!(merged.hosts, 1);
    assert!(merged.notes[0].contains("host0001, host0002 have one host id"), "{:?}", merged.notes);
}

#[test]
fn records_that_cannot_be_read_are_all_named_and_can_be_left_out() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    let shown = |name: &str| at(name).display().to_string();
    for host in 1..=4 {
        Made::new(host, 1).write(&at(&format!("r{host}")));
    }
    // A merged one that was cut, one whose rows contradict themselves, and one with a changed value.
    merge(&[at("r3")], &at("cut"), Options::default()).expect("merged");
    let table = std::fs::OpenOptions::new().write(true).open(at("cut/samples.parquet")).expect("table");
    table.set_len(table.metadata().expect("length").len() / 2).expect("cut");
    let edit = |name: &str, from: &str, to: &str| {
        let path = at(name);
        let text = std::fs::read_to_string(&path).expect("file");
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("file");
    };
    edit("r2/samples.csv", ",startup_ms,ms,", ",startup_ms,s,");
    edit("r4/samples.csv", ",startup_ms,ms,", ",startup_ms,ms,9");
    let all = ["r1", "r2", "cut", "r4"].map(shown);
    let arguments = |more: &[&str]| {
        let mut words = vec!["merge".to_owned(), "-o".into(), shown("m")];
        words.extend(all.iter().cloned());
        words.extend(more.iter().map(|m| (*m).to_owned()));
        words
    };
    let run = |words: Vec<String>| taremark(&words.iter().map(String::as_str).collect::<Vec<_>>());
    fails(&run(arguments(&[])), 2, &["r2/samples.csv", "cut/samples.parquet", "--leave-out"]);
    assert!(!at("m").exists());
    let output = run(arguments(&["--leave-out"]));
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}{}", errors(&output));
    assert!(said.contains("2 sessions of 2 hosts"), "{said}");
    let left: Vec<&str> = said.lines().filter(|l| l.starts_with("left out: ")).collect();
    assert!(left.len() == 2 && left[0].contains("/cut: ") && left[1].contains("/r2: "), "{said}");
    assert!(said.contains("samples.csv is not what the bench wrote"), "the changed value: {said}");
    assert_eq!(std::fs::read_dir(ground.path()).expect("folder").count(), 6, "something is left beside");
}

#[test]
fn what_a_killed_merge_left_is_removed_by_the_next() {
    let ground = tempfile::tempdir().expect("folder");
    let at = |name: &str| ground.path().join(name);
    let records: Vec<std::path::PathBuf> =
        (1..=40).map(|h| Made { blocks: 300, ..Made::new(h, 1) }.write(&at(&format!("r{h}")))).collect();
    let left = || -> Vec<String> {
        let names = std::fs::read_dir(ground.path()).expect("folder").flatten();
        let names = names.map(|e| e.file_name().to_string_lossy().into_owned());
        names.filter(|n| n.starts_with(".m.merging-")).collect()
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_taremark"))
        .arg("merge")
        .args(&records)
        .arg("-o")
        .arg(at("m"))
        .stdout(Stdio::null())
        .spawn()
        .expect("taremark");
    let from = Instant::now();
    while left().is_empty() {
        assert!(from.elapsed() < Duration::from_secs(60), "it did not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("kill");
    child.wait().expect("reaped");
    assert!(!at("m").exists() && left().len() == 1, "it was not in the middle: {:?}", left());
    let output = Command::new(env!("CARGO_BIN_EXE_taremark"))
        .arg("merge")
        .args(&records)
        .arg("-o")
        .arg(at("m"))
        .output();
    assert!(output.expect("taremark").status.success());
    assert_eq!(left(), [""; 0]);
    merge(&records, &at("again"), Options::default()).expect("merged");
    assert!(bytes(&at("m")) == bytes(&at("again")));
}
