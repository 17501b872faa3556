//! The measuring core over real targets: the same job as a bare process, in a container, in another runtime's.

use crate::support::busybox;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use taremark::measure::MeasureError;
use taremark::measure::run::{Outcome, Setting, run_once};
use taremark::target::container::ContainerTarget;
use taremark::target::process::ProcessTarget;
use taremark::target::rows::{self, Row, RowTarget};
use taremark::target::{Job, Target};
use taremark::workload::{ImageSource, Workload};

const INSIDE: &str = "TAREMARK_TEST_IN_SESSION";

/// Runs the test again in a process of its own: a session changes the namespaces of the whole process, and has to be
/// entered before there is a second thread, so the child enters through `unshare`.
pub fn in_session(test: &str) -> bool {
    in_session_with(test, &[])
}

/// As [`in_session`], with more variables in the environment.
pub fn in_session_with(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let exe = std::env::current_exe().expect("own path");
    let output = std::process::Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(exe)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("these tests need unshare (util-linux) and ip (iproute2)");
    let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
    false
}

pub fn job(layer: &std::path::Path, script: &str, network: bool) -> Job {
    Job {
        name: "tested".into(),
        image_digest: "sha256:none".into(),
        lower_dirs: vec![layer.to_owned()],
        argv: ["sh", "-c", script].map(String::from).to_vec(),
        env: vec!["PATH=/bin".into()],
        cwd: "/".into(),
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        cpus: 1,
        memory_bytes: 64 << 20,
        network,
        port: None,
        scratch_bytes: None,
    }
}

pub fn workload(ready: &str, service: bool) -> Workload {
    let ready = ready.parse().expect("readiness");
    Workload {
        name: "tested".into(),
        description: String::new(),
        image: ImageSource::default(),
        argv: Vec::new(),
        env: Vec::new(),
        network: false,
        scratch_bytes: None,
        ready,
        service,
        reply: None,
        deadline_s: 20,
    }
}

/// One run on one target, after which nothing of it is left.
pub fn run_on(target: &mut dyn Target, job: &Job, workload: &Workload) -> Result<Outcome, MeasureError> {
    let dir = tempfile::tempdir().expect("folder");
    let interrupted = AtomicBool::new(false);
    let name = format!("test-{}-{}", std::process::id(), target.facts().name.replace(':', "-"));
    let settle = Duration::from_millis(50);
    let setting = Setting { session_dir: dir.path(), name: &name, settle, interrupted: &interrupted };
    let outcome = run_once(target, workload, job, &setting);
    assert!(!dir.path().join(&name).exists(), "the folder of the run is left");
    let cgroup = std::path::Path::new("/sys/fs/cgroup/memory/taremark").join(&name);
    assert!(!cgroup.exists(), "its cgroup is left");
    outcome
}

/// A built-in row.
pub fn row(name: &str) -> Row {
    rows::built_in().expect("rows").into_iter().find(|r| r.name == name).expect("row")
}

/// Runs it as a bare process, in our container and in another runtime's.
pub fn all(job: &Job, workload: &Workload) -> Vec<Result<Outcome, MeasureError>> {
    let dir = tempfile::tempdir().expect("folder");
    let scratch = dir.path().to_owned();
    let targets: Vec<Box<dyn Target>> = vec![
        Box::new(ProcessTarget::new(scratch.clone())),
        Box::new(ContainerTarget::new(scratch.clone()).expect("container target")),
        Box::new(
            RowTarget::new(row("oci:runc"), dir.path(), scratch)
                .expect("these tests need runc: apt-get install runc"),
        ),
    ];
    targets.into_iter().map(|mut target| run_on(target.as_mut(), job, workload)).collect()
}

/// The sample of a metric.
pub fn value(outcome: &Outcome, metric: &str) -> f64 {
    let found = outcome.samples.iter().find(|s| s.0 == metric);
    found.unwrap_or_else(|| panic!("no {metric} in {:?}", outcome.samples)).1
}

#[test]
fn a_service_is_started_weighed_and_stopped() {
    if !in_session("runs::a_service_is_started_weighed_and_stopped") {
        return;
    }
    let layer = busybox();
    let script = "trap 'exit 0' TERM; echo hello; while :; do sleep 0.05; done";
    let outcomes = all(&job(layer.path(), script, false), &workload("line:hello", true));
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|o| o.expect("run")).collect();
    for other in &outcomes[1..] {
        assert_eq!(outcomes[0].job_digest, other.job_digest, "they were not told the same");
        assert_eq!(outcomes[0].output_digest, other.output_digest);
    }
    for o in &outcomes {
        let startup = value(o, "startup_ms");
        let phases: u64 = o.slices.iter().map(|s| s.length_ns).sum();
        assert!(
            (phases as f64 / 1e6 - startup).abs() < startup * 0.02,
            "phases {phases} ns, start-up {startup} ms"
        );
        assert!(
            value(o, "pss_bytes") > 0.0 && value(o, "cgroup_peak_bytes") > 0.0 && value(o, "stop_ms") > 0.0
        );
        assert_eq!(o.exit_code, Some(0));
    }
    assert!(outcomes[1].slices.len() > 5, "the container tells no phases: {:?}", outcomes[1].slices);
}

#[test]
fn a_server_is_reached_in_all() {
    if !in_session("runs::a_server_is_reached_in_all") {
        return;
    }
    let layer = busybox();
    let script = "trap 'exit 0' TERM; nc -ll -p 8080 -e echo hi & wait";
    for outcome in all(&job(layer.path(), script, true), &workload("tcp:8080", true)) {
        assert!(value(&outcome.expect("run"), "startup_ms") > 0.0);
    }
}

#[test]
fn what_fails_is_told_and_cleaned_up() {
    if !in_session("runs::what_fails_is_told_and_cleaned_up") {
        return;
    }
    let layer = busybox();
    for outcome in all(&job(layer.path(), "echo lost >&2; exit 3", false), &workload("line:hello", true)) {
        let error = outcome.expect_err("must fail").to_string();
        assert_eq!(error, "ended with exit code 3 before it was ready; its last words: lost");
    }
    let mut slow = workload("line:hello", true);
    slow.deadline_s = 1;
    for outcome in all(&job(layer.path(), "sleep 30", false), &slow) {
        assert_eq!(outcome.expect_err("must fail").to_string(), "not ready (line:hello) within 1 s");
    }
}
