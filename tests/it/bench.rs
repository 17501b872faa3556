//! `taremark bench` as a user runs it: one block on every target, its record, and what goes wrong.

use crate::support::{errors, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use taremark::record::reader;

pub const TAREMARK: &str = env!("CARGO_BIN_EXE_taremark");

/// A store and a results folder of the test's own; the kernel is the user's.
pub struct Ground(tempfile::TempDir);

impl Ground {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(TAREMARK);
        command.args(args).env("TAREMARK_STORE", self.path("store")).env("TMPDIR", self.0.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("taremark")
    }

    fn bench(&self, args: &[&str]) -> Output {
        let out = self.path("record").display().to_string();
        self.run(&[&["bench", "--quiet", "--out", &out], args].concat())
    }
}

#[track_caller]
pub fn fails(output: &Output, code: i32, says: &[&str]) {
    let shown = errors(output);
    assert_eq!(output.status.code(), Some(code), "{}{shown}", text(output));
    for word in says {
        assert!(shown.contains(word), "{word:?} is not in: {shown}");
    }
    assert!(!shown.contains("panicked"), "{shown}");
}

/// What of a session could be left on the host.
pub fn left() -> Vec<String> {
    let folder = |p: &str| {
        let entries = std::fs::read_dir(p).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(|p| p.is_dir()).map(|p| p.display().to_string()).collect::<Vec<_>>()
    };
    let cgroups = ["memory", "cpu", "pids"].map(|c| folder(&format!("/sys/fs/cgroup/{c}/taremark")));
    folder("/run/taremark").into_iter().chain(cgroups.into_iter().flatten()).collect()
}

#[test]
fn one_block_on_every_target_gives_a_whole_record() {
    let ground = Ground::new();
    let output = ground.bench(&["--runs", "2", "--warmup", "0", "--workload", "hello,http", "--seed", "7"]);
    assert!(output.status.success(), "{}{}", text(&output), errors(&output));
    let dir = ground.path("record");
    let record = reader::read(&dir).expect("record");
    assert_eq!((record.runs.len(), record.plan.seed, record.plan.ended_by.as_str()), (12, 7, "blocks"));
    assert!(record.runs.iter().all(|r| r.error.is_empty()), "{:?}", record.runs);
    for workload in ["hello", "http"] {
        let of = |r: &&taremark::record::schema::RunRow| r.workload == workload;
        let first = record.runs.iter().find(of).expect("run");
        for run in record.runs.iter().filter(of) {
            assert_eq!(run.job_digest, first.job_digest, "{} was told something else", run.target);
            assert_eq!(run.output_digest, first.output_digest, "{} printed something else", run.target);
        }
    }
    for run in &record.runs {
        let startup = record.samples.iter().find(|s| s.run == run.run && s.metric == "startup_ms");
        let startup = startup.and_then(|s| s.value).expect("start-up");
        let phases: f64 = record.phases.iter().filter(|p| p.run == run.run).map(|p| p.duration_ms).sum();
        assert!((phases - startup).abs() <= startup * 0.02, "{}: {phases} of {startup} ms", run.target);
        let marked = run.target != "microvm" || ["tcg", "kvm"].contains(&run.accelerator.as_str());
        assert!(marked, "a machine without its accelerator");
    }
    for name in ["plan.json", "environment.json", "summary.csv", "summary.json", "report.md", "report.html"] {
        assert!(std::fs::metadata(dir.join(name)).is_ok_and(|m| m.len() > 100), "{name}");
    }
    let charts: Vec<_> =
        std::fs::read_dir(dir.join("charts")).expect("charts").flatten().map(|e| e.path()).collect();
    let count = |end: &str| charts.iter().filter(|p| p.extension().is_some_and(|e| e == end)).count();
    assert!(count("svg") >= 4 && count("svg") == count("png"), "{charts:?}");
    charts.iter().for_each(|chart| opens(chart));
    assert!(
        text(&output).lines().all(|l| l.chars().count() <= 80 || l.starts_with("report:")),
        "{}",
        text(&output)
    );
}

/// An SVG that is whole, or a PNG that decodes to more than one colour.
#[track_caller]
pub fn opens(chart: &Path) {
    if chart.extension().is_some_and(|e| e == "svg") {
        let svg = std::fs::read_to_string(chart).expect("SVG");
        assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"), "{}", chart.display());
        return;
    }
    let decoder = png::Decoder::new(std::fs::File::open(chart).expect("PNG"));
    let mut reader = decoder.read_info().expect("PNG");
    let mut pixels = vec![0; reader.output_buffer_size()];
    let frame = reader.next_frame(&mut pixels).expect("PNG");
    assert!(frame.width >= 300 && frame.height >= 200, "{}: {frame:?}", chart.display());
    assert!(pixels.iter().any(|b| *b != pixels[0]), "{} is blank", chart.display());
}

#[test]
fn what_is_unknown_is_named_and_nothing_is_begun() {
    let ground = Ground::new();
    fails(&ground.bench(&["--target", "jail"]), 2, &["unknown target \"jail\"", "process, container"]);
    fails(&ground.bench(&["--workload", "hallo"]), 2, &["unknown workload \"hallo\"", "hello"]);
    let image = ["--image", "no/such:1", "--ready", "exit", "--target", "process"];
    fails(&ground.bench(&image), 2, &["no image no/such:1", "image ls"]);
    fails(&ground.bench(&["--image", "x"]), 2, &["--ready tcp:PORT"]);
    fails(&ground.bench(&["--image", "x", "--ready", "udp:1"]), 2, &["udp:1", "tcp:PORT"]);
    fails(&ground.bench(&["--memory", "lots"]), 2, &["lots", "256M"]);
    assert!(!ground.path("record").exists());
    std::fs::create_dir(ground.path("record")).expect("folder");
    fails(&ground.bench(&["--target", "process"]), 2, &["is there already"]);
}

#[test]
fn a_failed_run_is_a_row_and_the_bench_goes_on() {
    let ground = Ground::new();
    let load = ground.run(&["image", "ls"]);
    assert!(load.status.success(), "{}", errors(&load));
    let hello = ground.bench(&["--runs", "1", "--workload", "hello", "--target", "process"]);
    assert!(hello.status.success(), "{}", errors(&hello));
    std::fs::rename(ground.path("record"), ground.path("first")).expect("rename");
    let image = ["--image", "taremark/load:latest", "--ready", "line:never", "--runs", "2", "--warmup", "0"];
    let output = ground.bench(
        &[&image[..], &["--target", "process,container", "--", "/tare-load", "no-such-verb"]].concat(),
    );
    fails(&output, 1, &["4 of 4 runs failed", "runs.csv"]);
    let record = reader::read(&ground.path("record")).expect("record");
    assert_eq!(record.runs.len(), 4);
    assert!(record.runs.iter().all(|r| r.error.contains("before it was ready")), "{:?}", record.runs);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let ground = Ground::new();
    let out = "/proc/taremark-record";
    let output =
        ground.run(&["bench", "--quiet", "--target", "process", "--workload", "hello", "--out", out]);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{output:?}");
    assert!(errors(&output).contains(out), "{}", errors(&output));
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let from = Instant::now();
    while !there() {
        assert!(from.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn begun(ground: &Ground) -> std::process::Child {
    let out = ground.path("record");
    let args = [
        "bench",
        "--quiet",
        "--runs",
        "500",
        "--workload",
        "hello",
        "--target",
        "process,container",
        "--out",
    ];
    let mut command = ground.command(&args);
    let child = command.arg(&out).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("taremark");
    wait_for("a first run", || rows(&out) > 4);
    child
}

fn rows(record: &Path) -> usize {
    std::fs::read_to_string(record.join("runs.csv")).map_or(0, |t| t.lines().count())
}

#[test]
fn ctrl_c_keeps_what_was_measured_and_leaves_nothing() {
    let ground = Ground::new();
    let child = begun(&ground);
    let pid = child.id();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGINT)
        .expect("signal");
    let output = child.wait_with_output().expect("end");
    fails(&output, 1, &["interrupted after"]);
    assert!(!errors(&output).contains("failed"), "{}", errors(&output));
    let record = reader::read(&ground.path("record")).expect("record");
    assert_eq!(record.plan.ended_by, "interrupted");
    assert!(record.runs.iter().filter(|r| r.error.is_empty()).count() > 3);
    assert!(!record.runs.iter().any(|r| r.has_failed()), "what Ctrl-C ends has not failed");
    assert!(ground.path("record/report.html").is_file());
    let mine = left().into_iter().filter(|l| l.contains(&format!("/{pid}-"))).collect::<Vec<_>>();
    assert!(mine.is_empty(), "left: {mine:?}");
}

#[test]
fn what_a_killed_harness_leaves_is_removed_by_the_next() {
    let ground = Ground::new();
    let mut child = begun(&ground);
    let pid = child.id();
    child.kill().expect("kill -9");
    child.wait().expect("reaped");
    let mine = || left().into_iter().filter(|l| l.contains(&format!("/{pid}-"))).collect::<Vec<_>>();
    assert!(!mine().is_empty(), "a killed harness leaves nothing: is this test blind?");
    let output = ground.run(&["doctor", "--clean"]);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(mine().is_empty(), "left: {:?}", mine());
    let record = reader::read(&ground.path("record")).expect("what was written before can be read");
    assert!(record.runs.len() > 3);
    let report = ground.run(&["report", &ground.path("record").display().to_string()]);
    assert!(report.status.success(), "{}", errors(&report));
}
