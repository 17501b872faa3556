//! Machines that come up once and are restored for each run.

use crate::machine::in_machine_session;
use crate::runs::{job, run_on, value, workload};
use crate::support::busybox;
use std::path::Path;
use taremark::target::microvm::MicroVmOptions;
use taremark::target::microvm_restored::RestoredTarget;
use taremark::target::{Job, Target};
use taremark::workload::Reply;

/// A target with a cache of its own, which takes the kernel from the user's.
fn target(dir: &Path) -> RestoredTarget {
    let cache_dir = dir.join("cache");
    std::fs::create_dir_all(&cache_dir).expect("folder");
    let kernels = taremark::machine::cache::dir().join("kernels");
    let link = cache_dir.join("kernels");
    if !link.exists() {
        std::os::unix::fs::symlink(kernels, link).expect("link");
    }
    let options = MicroVmOptions { cache_dir, ..MicroVmOptions::new(dir.to_owned()) };
    RestoredTarget::new(options).expect("these tests need QEMU: apt-get install qemu-system-x86 erofs-utils")
}

fn small(job: Job) -> Job {
    Job { memory_bytes: 128 << 20, ..job }
}

#[test]
fn each_restore_runs_the_workload_anew_with_the_hour_and_randomness_of_its_own() {
    if !in_machine_session(
        "machine_restored::each_restore_runs_the_workload_anew_with_the_hour_and_randomness_of_its_own",
    ) {
        return;
    }
    let layer = busybox();
    for applet in ["date", "od", "head", "df"] {
        std::os::unix::fs::symlink("busybox", layer.path().join("bin").join(applet)).expect("link");
    }
    let script = "date +%s; head -c 16 /dev/urandom | od -An -tx1; echo mine >> /scratch/x; cat /scratch/x; \
                  echo $WORD; echo up; while :; do sleep 0.05; done";
    let mut job = small(job(layer.path(), script, false));
    job.scratch_bytes = Some(16 << 20);
    let dir = tempfile::tempdir().expect("folder");
    let mut restored = target(dir.path());
    let made = restored.prepare(&job).expect("prepare");
    assert!(made.prepare_ms.is_some_and(|ms| ms > 50.0), "{made:?}");
    let saved = made.sizes.iter().find(|s| s.0 == "snapshot_bytes").expect("size of the snapshot").1;
    assert!((8 << 20..100 << 20).contains(&saved), "{saved} bytes were saved");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let begun = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("clock").as_secs();
        let text = said(&mut restored, &job);
        let lines: Vec<&str> = text.lines().collect();
        let hour: u64 = lines[0].trim().parse().expect("seconds");
        assert!(hour.abs_diff(begun) < 30, "the guest's clock says {hour} at {begun}");
        assert_eq!(lines[2..4], ["mine", ""], "the volume is not that of the day it was saved: {text}");
        seen.push(lines[1].to_owned());
    }
    assert_ne!(seen[0], seen[1], "two restores drew the same random numbers");
    // A second target finds what the first one saved.
    let again = target(dir.path()).prepare(&job).expect("prepare");
    assert_eq!(again.prepare_ms, None, "it was saved again");
    let o = run_on(&mut restored, &job, &workload("line:up", true)).expect("run");
    let phases: Vec<&str> = o.slices.iter().map(|s| s.phase.as_str()).collect();
    assert_eq!(phases, ["restore", "guest_init", "workload"]);
    let (ram, vmm, pss) =
        (value(&o, "guest_ram_touched_bytes"), value(&o, "vmm_bytes"), value(&o, "pss_bytes"));
    assert!((ram + vmm - pss).abs() < 0.05 * pss && ram > 1e6, "RAM {ram} and QEMU {vmm} are not {pss}");
}

/// What a run printed until it was up.
fn said(target: &mut RestoredTarget, job: &Job) -> String {
    let dir = tempfile::tempdir().expect("folder");
    let name = format!("test-{}-restored", std::process::id());
    let limits = target.outer_limits(job);
    let place = taremark::target::Place::create(dir.path(), &name, &limits).expect("place");
    let armed = target.arm(job, &place).expect("arm");
    let mut running = target.launch(armed, &place).expect("launch");
    let said = crate::machine::listen(&mut running, "up\n");
    assert_eq!(said.closed, None);
    running.finish().expect("finish");
    place.remove().expect("remove");
    said.out
}

#[test]
fn a_restored_server_answers_at_once() {
    if !in_machine_session("machine_restored::a_restored_server_answers_at_once") {
        return;
    }
    let layer = busybox();
    std::os::unix::fs::symlink("busybox", layer.path().join("bin/httpd")).expect("link");
    std::fs::write(layer.path().join("etc/index.html"), "weighed").expect("page");
    let mut workload = workload("http:8080/", true);
    let expect = b"weighed".to_vec();
    workload.reply = Some(Reply::Http { port: 8080, path: "/".into(), expect });
    let mut job = small(job(layer.path(), "exec httpd -f -p 8080 -h /etc", true));
    job.port = Some(8080);
    let dir = tempfile::tempdir().expect("folder");
    let mut restored = target(dir.path());
    restored.prepare(&job).expect("prepare");
    for _ in 0..2 {
        let outcome = run_on(&mut restored, &job, &workload).expect("run");
        assert!(value(&outcome, "startup_ms") > 0.0 && outcome.output_digest.starts_with("sha256:"));
        let phases: Vec<&str> = outcome.slices.iter().map(|s| s.phase.as_str()).collect();
        assert_eq!(phases, ["restore", "workload"], "it was started again");
    }
}
