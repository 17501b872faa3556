//! Other people's programs as targets: those that Debian has, really run, and rows of a user's own.

use crate::bench::{Ground, fails, left};
use crate::runs::{all, in_session, job, row, run_on, value, workload};
use crate::support::engines::{Daemon, Engine};
use crate::support::{busybox, errors, in_namespace, text};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use taremark::record::reader;
use taremark::target::process::ProcessTarget;
use taremark::target::rows::{self, RowTarget, words};
use taremark::target::{Job, Target};

fn target(dir: &Path, name: &str) -> RowTarget {
    let made = RowTarget::new(row(name), dir, dir.join("scratch"));
    made.unwrap_or_else(|e| panic!("these tests need the program of {name}, see scripts/test: {e:?}"))
}

/// Debian's crun refuses a hybrid host; without the mount of v2 it is one of v1. The test's mount namespace is its own.
fn without_unified() {
    let path = "/sys/fs/cgroup/unified";
    if Path::new(path).is_dir() {
        nix::mount::umount2(path, nix::mount::MntFlags::MNT_DETACH).expect("unmount");
    }
}

fn folders() -> (tempfile::TempDir, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::create_dir(dir.path().join("scratch")).expect("folder");
    (dir, busybox())
}

#[test]
fn other_runtimes_run_the_same_job() {
    if !in_session("targets::other_runtimes_run_the_same_job") {
        return;
    }
    without_unified();
    let (dir, layer) = folders();
    let mut job =
        job(layer.path(), "echo hello; echo \"$WORD $(pwd) $(id -u):$(id -g)\"; ls /scratch", false);
    job.env.push("WORD=two words".into());
    job.scratch_bytes = Some(1 << 20);
    job.cwd = "/tmp".into();
    let workload = workload("exit", false);
    let mut process = ProcessTarget::new(dir.path().join("scratch"));
    let net = run_on(&mut process, &job, &workload).expect("process");
    for name in ["oci:runc", "oci:crun", "oci:runsc", "podman:runc"] {
        let mut target = target(dir.path(), name);
        target.prepare(&job).expect("prepare");
        let outcome = run_on(&mut target, &job, &workload).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(outcome.job_digest, net.job_digest, "{name} was told something else");
        assert_eq!(outcome.output_digest, net.output_digest, "{name} did something else");
        assert_eq!(outcome.exit_code, Some(0));
        let program = &target.facts().programs[0];
        assert!(
            program.digest.starts_with("sha256:") && program.version.contains(char::is_numeric),
            "{program:?}"
        );
    }
}

#[test]
fn podman_serves_and_is_stopped() {
    if !in_session("targets::podman_serves_and_is_stopped") {
        return;
    }
    let (dir, layer) = folders();
    let script = "trap 'exit 0' TERM; nc -ll -p 8080 -e echo hi & wait";
    let job = job(layer.path(), script, true);
    let mut podman = target(dir.path(), "podman:runc");
    let o = run_on(&mut podman, &job, &workload("tcp:8080", true)).expect("run");
    assert!(value(&o, "startup_ms") > 0.0 && value(&o, "pss_bytes") > 0.0 && value(&o, "stop_ms") < 8000.0);
    // All of them fail alike.
    let failing = Job { network: false, ..crate::runs::job(layer.path(), "echo lost >&2; exit 3", false) };
    let net = all(&failing, &workload("line:hello", true)).remove(0).expect_err("must fail").to_string();
    let said =
        run_on(&mut podman, &failing, &workload("line:hello", true)).expect_err("must fail").to_string();
    assert_eq!(said, net);
    let states = Engine::new("podman", &["--root"])
        .with(&[&dir.path().join("podman/root").display().to_string(), "--cgroup-manager=cgroupfs"])
        .with(&["--runroot", &dir.path().join("podman/run").display().to_string()]);
    assert_eq!(states.ok(&["ps", "-aq"]).trim(), "", "a container is left");
}

/// A file of targets with one row, `mine`; its clean command writes what it is told into `log`.
fn own_row(ground: &Ground) -> (PathBuf, PathBuf) {
    let (file, log) = (ground.path("mine.toml"), ground.path("log"));
    let text = format!(
        "[[target]]\nname = \"mine\"\ndescription = \"namespaces alone\"\nversion = [\"unshare\", \"--version\"]\n\
         run = [\"unshare\", \"--fork\", \"--pid\", \"--kill-child\", \"--mount\", \"--uts\", \"--ipc\",\n\
         \"/usr/sbin/chroot\", \"{{root}}\", \"{{argv}}\"]\n\
         clean = [\"sh\", \"-c\", \"echo $0 >> {}\", \"{{id}}\"]\n",
        log.display()
    );
    std::fs::write(&file, text).expect("file");
    (file, log)
}

#[test]
fn a_users_row_is_a_target_like_any_other() {
    let ground = Ground::new();
    let (file, log) = own_row(&ground);
    let (file, out) = (file.display().to_string(), ground.path("record").display().to_string());
    let args = ["bench", "--quiet", "--targets", &file, "--target", "mine,process", "--workload", "hello"];
    let output = ground.command(&args).args(["--runs", "2", "--out", &out]).output().expect("taremark");
    assert!(output.status.success(), "{}{}", text(&output), errors(&output));
    let record = reader::read(&ground.path("record")).expect("record");
    let names: Vec<&str> = record.plan.targets.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["process", "mine"]);
    let program = &record.plan.targets[1].programs[0];
    assert!(program.name == "unshare" && program.version.contains("util-linux"), "{program:?}");
    let digests: std::collections::BTreeSet<_> = record.runs.iter().map(|r| &r.job_digest).collect();
    assert_eq!(digests.len(), 1, "they were not told the same");
    let cleaned = std::fs::read_to_string(&log).expect("log");
    let runs = record.runs.iter().filter(|r| r.target == "mine").count();
    assert_eq!(cleaned.lines().count(), runs, "each run is cleaned up after: {cleaned}");
}

#[test]
fn a_run_of_a_killed_bench_is_cleaned_up_after() {
    let ground = Ground::new();
    let (file, log) = own_row(&ground);
    let (file, out) = (file.display().to_string(), ground.path("record").display().to_string());
    let args =
        ["bench", "--quiet", "--targets", &file, "--target", "mine", "--workload", "idle", "--runs", "1"];
    let mut bench =
        ground.command(&args).args(["--settle", "60000", "--out", &out]).spawn().expect("taremark");
    let own = format!("/run/taremark/{}-", bench.id());
    let from = Instant::now();
    let left_file = || {
        let session = left().into_iter().find(|l| l.starts_with(&own))?;
        let runs = std::fs::read_dir(session).ok()?.flatten().map(|e| e.path().join("run.clean.json"));
        runs.into_iter().find(|p| p.is_file())
    };
    while left_file().is_none() {
        assert!(from.elapsed() < Duration::from_secs(60), "no run was begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.kill().expect("kill");
    bench.wait().expect("wait");
    assert!(!log.exists(), "cleaned up by nobody");
    let output = ground.command(&["doctor", "--clean"]).output().expect("taremark");
    assert!(output.status.success(), "{}", errors(&output));
    let cleaned = std::fs::read_to_string(&log).expect("log");
    assert!(
        cleaned.lines().count() == 1
            && own.ends_with(&format!("{}-", cleaned.split('-').next().expect("pid"))),
        "{cleaned}"
    );
    assert!(!left().iter().any(|l| l.starts_with(&own)), "{:?}", left());
}

#[test]
fn a_file_of_targets_that_is_wrong_is_refused_by_line_and_field() {
    let ground = Ground::new();
    let (path, _) = own_row(&ground);
    let good = std::fs::read_to_string(&path).expect("file");
    let file = path.display().to_string();
    let out = ground.path("record").display().to_string();
    let args = ["bench", "--targets", &file, "--target", "mine", "--out", &out];
    for (from, to, says) in [
        ("{argv}", "{rootfs}", ":6: target[0].run[9]: unknown placeholder {rootfs}: known are id, bundle"),
        ("clean = ", "clear = ", ":7: target[0].clear: unknown field `clear`"),
        ("\"mine\"", "\"mine", ":2: not TOML: "),
    ] {
        std::fs::write(&path, good.replacen(from, to, 1)).expect("file");
        let output = ground.command(&args).output().expect("taremark");
        fails(&output, 2, &[&format!("error: {file}{says}")]);
    }
    let missing = ["bench", "--targets", "/nowhere/x.toml", "--target", "mine"];
    fails(&ground.command(&missing).output().expect("taremark"), 1, &["/nowhere/x.toml", "No such file"]);
    std::fs::write(&path, good).expect("file");
    fails(
        &ground.command(&["bench", "--target", "mine"]).output().expect("taremark"),
        2,
        &["unknown target"],
    );
    assert!(!ground.path("record").exists(), "a bench was begun");
}

#[test]
fn docker_runs_the_imported_image_and_forgets_it() {
    if !in_namespace("targets::docker_runs_the_imported_image_and_forgets_it", &[]) {
        return;
    }
    let ground = Ground::new();
    let dir = tempfile::tempdir().expect("folder");
    let daemon = Daemon::docker(dir.path());
    let out = ground.path("record").display().to_string();
    let args = ["bench", "--quiet", "--target", "process,docker", "--workload", "hello,idle", "--runs", "1"];
    let mut command = ground.command(&args);
    let output = command.args(["--warmup", "0", "--out", &out]).env("DOCKER_HOST", &daemon.socket).output();
    let output = output.expect("taremark");
    assert!(output.status.success(), "{}{}", text(&output), errors(&output));
    let record = reader::read(&ground.path("record")).expect("record");
    let docker = record.plan.targets.iter().find(|t| t.name == "docker").expect("docker");
    assert!(docker.programs[0].version.contains("engine "), "{docker:?}");
    for name in ["hello", "idle"] {
        let digests: std::collections::BTreeSet<_> =
            record.runs.iter().filter(|r| r.workload == name).map(|r| &r.job_digest).collect();
        assert_eq!(digests.len(), 1, "they were not told the same");
    }
    assert!(record.samples.iter().any(|s| s.metric == "prepare_ms" && s.target == "docker"));
    let d = Engine::new("docker", &["-H", &daemon.socket]);
    assert_eq!((d.ok(&["ps", "-aq"]).trim(), d.ok(&["images", "-q"]).trim()), ("", ""), "something is left");
    let served = ["bench", "--quiet", "--target", "docker", "--workload", "http", "--runs", "1"];
    let mut command = ground.command(&served);
    let output = command.args(["--out", &ground.path("other").display().to_string()]);
    let output = output.env("DOCKER_HOST", &daemon.socket).output().expect("taremark");
    fails(&output, 1, &["runs failed"]);
    let record = reader::read(&ground.path("other")).expect("record");
    assert!(
        record.runs[0].error.contains("docker cannot give the workload a network"),
        "{:?}",
        record.runs[0]
    );
}

#[test]
fn doctor_tries_every_row() {
    let ground = Ground::new();
    let (file, _) = own_row(&ground);
    let output = ground.command(&["doctor", "--json", "--targets"]).arg(&file).output().expect("taremark");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let state = |name: &str| {
        let all = found["targets"].as_array().expect("targets");
        let one = all.iter().find(|t| t["target"] == name).unwrap_or_else(|| panic!("no {name} in {found}"));
        one["state"].as_str().expect("state").to_owned()
    };
    for name in ["oci:runc", "podman:runc", "mine"] {
        assert_eq!(state(name), "usable", "{found}");
    }
    for row in rows::built_in().expect("rows") {
        assert!(!state(&row.name).is_empty());
    }
}

#[test]
fn the_placeholders_are_those_of_the_documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/targets.md");
    let docs = std::fs::read_to_string(path).expect("docs/targets.md");
    for (name, place, means) in words::PLACEHOLDERS.iter().chain([&words::SCRATCH]) {
        let commands = match place {
            words::Place::Any => "all",
            words::Place::Prepare => "prepare",
            words::Place::Job => "run",
            words::Place::Run if ["bundle", "root"].contains(name) => "run",
            words::Place::Run => "run, clean",
        };
        let line = format!("| `{{{name}}}` | {commands} | {means} |");
        assert!(docs.contains(&line), "docs/targets.md lacks: {line}");
    }
    let example = docs.split("```toml\n").nth(1).and_then(|t| t.split("```").next()).expect("example");
    assert_eq!(rows::parse(example, Path::new("docs"), &[]).expect("example").len(), 1);
}
