//! Machines that hang, flood, panic, run out of memory or heed nobody: each is told with its reason, in time, and leaves
//! nothing.

use crate::machine::{in_machine_session, listen, machine_job, started, started_within};
use crate::support::busybox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use taremark::target::Place;

fn signal_qemu(place: &Place, signal: Signal) {
    let pids = place.cgroup.pids().expect("pids");
    assert_eq!(pids.len(), 1, "only QEMU runs for it");
    kill(Pid::from_raw(pids[0]), signal).expect("signal");
}

#[test]
fn a_qemu_that_hangs_while_it_boots_is_given_up() {
    if !in_machine_session("machine_faults::a_qemu_that_hangs_while_it_boots_is_given_up") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo up", false);
    let from = Instant::now();
    let said = started_within(&job, Duration::from_secs(1), |running, place| {
        signal_qemu(place, Signal::SIGSTOP);
        listen(running, "")
    });
    let closed = said.closed.expect("closed");
    assert!(closed.starts_with("the guest's init did not speak within 1 s"), "{closed}");
    assert!(from.elapsed() < Duration::from_secs(20), "it took {:?}", from.elapsed());
}

#[test]
fn a_qemu_that_hangs_while_it_runs_is_stopped_by_force() {
    if !in_machine_session("machine_faults::a_qemu_that_hangs_while_it_runs_is_stopped_by_force") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo up; sleep 600", false);
    let (code, took) = started(&job, |running, place| {
        listen(running, "up");
        signal_qemu(place, Signal::SIGSTOP);
        let from = Instant::now();
        (running.stop(Duration::from_millis(200)).expect("stop").exit_code, from.elapsed())
    });
    assert_eq!(code, None);
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

#[test]
fn a_guest_that_panics_is_told_with_its_last_words() {
    if !in_machine_session("machine_faults::a_guest_that_panics_is_told_with_its_last_words") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo up; echo c > /proc/sysrq-trigger; sleep 600", false);
    let closed = started(&job, |running, _| listen(running, "")).closed.expect("closed");
    assert!(closed.contains("before the workload did; console: "), "{closed}");
    assert!(closed.contains("Kernel panic - not syncing: sysrq triggered crash"), "{closed}");
}

#[test]
fn a_workload_that_eats_the_guests_memory_is_killed_there() {
    if !in_machine_session("machine_faults::a_workload_that_eats_the_guests_memory_is_killed_there") {
        return;
    }
    let layer = busybox();
    std::os::unix::fs::symlink("busybox", layer.path().join("bin/tail")).expect("link");
    let mut job = machine_job(layer.path(), "exec tail /dev/zero", false);
    job.memory_bytes = 128 << 20;
    let said = started(&job, |running, _| listen(running, ""));
    assert_eq!((said.code, said.closed.as_deref()), (Some(137), Some("")), "{said:?}");
}

#[test]
fn a_console_that_is_flooded_harms_nobody() {
    if !in_machine_session("machine_faults::a_console_that_is_flooded_harms_nobody") {
        return;
    }
    let layer = busybox();
    for applet in ["head", "tr"] {
        std::os::unix::fs::symlink("busybox", layer.path().join("bin").join(applet)).expect("link");
    }
    let flood = "head -c 300000 /dev/zero | tr '\\0' x > /dev/ttyS0; echo up; sleep 600";
    let job = machine_job(layer.path(), flood, false);
    started(&job, |running, place| {
        let said = listen(running, "up");
        assert_eq!(said.closed, None);
        let files = std::fs::read_dir(&place.dir).expect("folder of the run").flatten();
        let bytes: u64 = files.map(|e| e.metadata().map_or(0, |m| m.len())).sum();
        assert!(bytes < 64 << 10, "the guest wrote {bytes} bytes to the host's disk");
    });
}

#[test]
fn qemu_has_no_rights_and_a_filter_of_its_own() {
    if !in_machine_session("machine_faults::qemu_has_no_rights_and_a_filter_of_its_own") {
        return;
    }
    let layer = busybox();
    let mut job = machine_job(layer.path(), "echo up; sleep 600", false);
    job.scratch_bytes = Some(16 << 20);
    started(&job, |running, place| {
        listen(running, "up");
        let pid = place.cgroup.pids().expect("pids")[0];
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).expect("field").trim();
        let user = taremark::machine::USER.to_string();
        assert!(field("Uid:").split_whitespace().all(|id| id == user), "{status}");
        assert!(field("Gid:").split_whitespace().all(|id| id == user), "{status}");
        assert_eq!(
            (field("CapEff:"), field("Seccomp:"), field("NoNewPrivs:")),
            ("0000000000000000", "2", "1")
        );
        // No descriptor by which the image's disk, the kernel or the initramfs could be written.
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").flatten() {
            let to = std::fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            if to.contains(".erofs") || to.contains(".cpio") || to.ends_with("vmlinux") {
                let info = entry.path().display().to_string().replace("/fd/", "/fdinfo/");
                let info = std::fs::read_to_string(info).expect("fdinfo");
                let flags = info.lines().find_map(|l| l.strip_prefix("flags:")).expect("flags").trim();
                let flags = i32::from_str_radix(flags, 8).expect("octal");
                assert_eq!(flags & libc::O_ACCMODE, libc::O_RDONLY, "{to} can be written");
            }
        }
    });
}
