//! Real microVMs: the guest kernel is fetched if it is not there.

use crate::runs::{in_session, job, value, workload};
use crate::support::busybox;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use taremark::machine::{cache, kernel};
use taremark::measure::MeasureError;
use taremark::measure::run::{Outcome, Setting, run_once};
use taremark::target::Job;
use taremark::target::Target;
use taremark::target::microvm::{MicroVmOptions, MicroVmTarget};
use taremark::workload::Workload;

/// As [`in_session`], after the kernel was fetched: inside there is no network.
fn in_machine_session(test: &str) -> bool {
    let dir = cache::dir();
    // One at a time, not one for each test.
    static FETCH: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = FETCH.lock();
    if kernel::find(&dir, None).is_err() {
        kernel::fetch(&dir).expect("these tests need a guest kernel, and it could not be fetched");
    }
    drop(guard);
    in_session(test)
}

fn target(dir: &Path) -> MicroVmTarget {
    MicroVmTarget::new(MicroVmOptions::new(dir.to_owned()))
        .expect("these tests need QEMU: apt-get install qemu-system-x86 erofs-utils")
}

fn run_on(
    target: &mut dyn Target,
    dir: &Path,
    job: &Job,
    workload: &Workload,
) -> Result<Outcome, MeasureError> {
    let interrupted = AtomicBool::new(false);
    let name = format!("test-{}-microvm", std::process::id());
    let settle = Duration::from_millis(50);
    let setting = Setting { session_dir: dir, name: &name, settle, interrupted: &interrupted };
    target.prepare(job).expect("prepare");
    let outcome = run_once(target, workload, job, &setting);
    assert!(!dir.join(&name).exists(), "the folder of the run is left");
    outcome
}

fn run(job: &Job, workload: &Workload) -> Result<Outcome, MeasureError> {
    let dir = tempfile::tempdir().expect("folder");
    let mut job = job.clone();
    job.memory_bytes = 256 << 20;
    run_on(&mut target(dir.path()), dir.path(), &job, workload)
}

#[test]
fn a_service_is_started_weighed_and_stopped() {
    if !in_machine_session("machine::a_service_is_started_weighed_and_stopped") {
        return;
    }
    let layer = busybox();
    let script = "trap 'exit 0' TERM; echo hello; while :; do sleep 0.05; done";
    let o = run(&job(layer.path(), script, false), &workload("line:hello", true)).expect("run");
    let phases: Vec<&str> = o.slices.iter().map(|s| s.phase.as_str()).collect();
    assert_eq!(phases, ["qemu", "kernel", "guest_drivers", "guest_root", "guest_init", "workload"]);
    for metric in [
        "guest_ram_touched_bytes",
        "vmm_bytes",
        "guest_used_bytes",
        "guest_kernel_bytes",
        "channel_ms",
        "stop_ms",
    ] {
        assert!(value(&o, metric) > 0.0, "{metric}");
    }
    let parts = value(&o, "guest_ram_touched_bytes") + value(&o, "vmm_bytes");
    let pss = value(&o, "pss_bytes");
    assert!((parts - pss).abs() < 0.05 * pss, "parts {parts}, whole {pss}");
    assert_eq!(o.exit_code, Some(0));
}
