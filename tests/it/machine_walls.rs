//! What keeps a machine from harming its host, looked at while QEMU runs; and QEMUs that hang or fall at every step.

use crate::bench::{Ground, left};
use crate::machine::{in_machine_session, kernel_is_there, listen, machine_job, started};
use crate::runs::{in_session_with, run_on, value, workload};
use crate::support::{busybox, errors};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use taremark::machine::{USER, cache, disk};
use taremark::target::microvm::{MicroVmOptions, MicroVmTarget};
use taremark::target::microvm_restored::RestoredTarget;
use taremark::target::{Job, Place, Target};

pub fn read(pid: i32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// How the cgroups begin in which this process's machines are saved; other tests save machines meanwhile.
pub fn own_saving() -> String {
    format!("/{}-saving-", std::process::id())
}

/// Whether it runs; one that only waits to be reaped has left its cgroup.
pub fn runs(pid: i32) -> bool {
    let state = field(&read(pid, "status"), "State:");
    !state.is_empty() && !state.starts_with('Z')
}

pub fn field(status: &str, name: &str) -> String {
    status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

#[test]
fn a_guest_cannot_write_to_the_image_and_sees_no_network() {
    if !in_machine_session("machine_walls::a_guest_cannot_write_to_the_image_and_sees_no_network") {
        return;
    }
    let layer = busybox();
    for applet in ["blockdev", "umount"] {
        std::os::unix::fs::symlink("busybox", layer.path().join("bin").join(applet)).expect("link");
    }
    // Too large to come with the initramfs.
    std::fs::write(layer.path().join("large"), vec![1; 5 << 20]).expect("file");
    let script = "blockdev --setrw /dev/vda; \
        dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null && echo written || echo refused; \
        ls /sys/class/net; echo up; sleep 600";
    let job = machine_job(layer.path(), script, false);
    let root = disk::root(&cache::dir(), &job.image_digest, &job.lower_dirs).expect("disk").path;
    let before = std::fs::read(&root).expect("disk");
    started(&job, |running, place| {
        let said = listen(running, "up");
        assert_eq!(said.out, "refused\nlo\nup\n", "{said:?}");
        let pid = place.cgroup.pids().expect("pids")[0];
        let arguments = read(pid, "cmdline").replace('\0', " ");
        assert!(!arguments.contains("-netdev") && !arguments.contains("user,"), "{arguments}");
        assert!(
            arguments.contains("-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny"),
            "{arguments}"
        );
        assert!(read(pid, "cgroup").contains(&place.name), "{}", read(pid, "cgroup"));
        // Sockets to the harness, and files: nothing that is reached by a path of the host's.
        let sockets = std::fs::read_to_string("/proc/net/unix").expect("sockets");
        assert!(!sockets.contains("qmp") && !sockets.contains("qemu"), "{sockets}");
    });
    assert!(std::fs::read(&root).expect("disk") == before, "the image's disk was changed");
}

/// QEMU's last status, user and cgroup while `work` runs.
fn watched(work: impl FnOnce()) -> (String, String) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut last = Default::default();
            while !done.load(Ordering::Relaxed) {
                for task in std::fs::read_dir("/proc/self/task").expect("threads").flatten() {
                    let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                    for pid in children.split_whitespace().filter_map(|p| p.parse().ok()) {
                        let status = read(pid, "status");
                        if field(&status, "Name:").starts_with("qemu-system")
                            && field(&status, "Seccomp:") == "2"
                        {
                            let cgroup = read(pid, "cgroup");
                            if !runs(pid) {
                                continue;
                            }
                            last = (status, cgroup);
                        }
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            last
        });
        work();
        done.store(true, Ordering::Relaxed);
        watcher.join().expect("watcher")
    })
}

/// Options with a cache of the test's own, which takes the kernel from the user's.
pub fn options(dir: &Path, boot_deadline: Duration) -> MicroVmOptions {
    let cache_dir = dir.join("cache");
    std::fs::create_dir_all(&cache_dir).expect("folder");
    let kernels = cache_dir.join("kernels");
    if !kernels.exists() {
        std::os::unix::fs::symlink(cache::dir().join("kernels"), kernels).expect("link");
    }
    let accelerator = "tcg".parse().expect("accelerator");
    MicroVmOptions { cache_dir, boot_deadline, accelerator, ..MicroVmOptions::new(dir.to_owned()) }
}

#[test]
fn a_machine_that_is_saved_is_behind_the_same_walls() {
    if !in_machine_session("machine_walls::a_machine_that_is_saved_is_behind_the_same_walls") {
        return;
    }
    let (layer, dir) = (busybox(), tempfile::tempdir().expect("folder"));
    let job = Job { memory_bytes: 128 << 20, ..machine_job(layer.path(), "echo up; sleep 600", false) };
    let mut restored = RestoredTarget::new(options(dir.path(), Duration::from_secs(30))).expect("target");
    let (status, cgroup) = watched(|| {
        restored.prepare(&job).expect("prepare");
    });
    assert!(field(&status, "Uid:").split_whitespace().all(|id| id == USER.to_string()), "{status}");
    assert_eq!(
        (field(&status, "CapEff:"), field(&status, "NoNewPrivs:")),
        ("0000000000000000".into(), "1".into())
    );
    assert!(cgroup.contains("-saving-"), "{cgroup}");
    let snapshots = dir.path().join("cache/snapshots");
    let one = std::fs::read_dir(&snapshots).expect("snapshots").flatten().next().expect("snapshot").path();
    use std::os::unix::fs::MetadataExt;
    for file in ["ram", "state"] {
        let about = std::fs::metadata(one.join(file)).expect("file");
        assert!(about.uid() == 0 && about.mode() & 0o022 == 0, "{file}: {about:?}");
    }
    assert!(!left().iter().any(|l| l.contains(&own_saving())), "{:?}", left());
    // And it can be restored.
    let outcome = run_on(&mut restored, &job, &workload("line:up", true)).expect("run");
    assert!(value(&outcome, "startup_ms") > 0.0);
}

/// A program that stands in for QEMU, in a folder that outlives the test's own process.
fn wrapper(dir: &Path, script: &str) -> PathBuf {
    let (text, path) = (dir.join("text"), dir.join("qemu-system-x86_64"));
    std::fs::write(
        &text,
        format!("#!/bin/sh\ncase $1 in --version) echo 'QEMU stand-in 1'; exit;; esac\n{script}\n"),
    )
    .expect("script");
    let copied = Command::new("install").args(["-m", "755"]).arg(&text).arg(&path).status();
    assert!(copied.expect("install").success());
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).expect("mode");
    path
}

/// Runs the rest of a test with such a QEMU.
fn in_session_with_qemu(test: &str, script: &str) -> bool {
    kernel_is_there();
    let dir = tempfile::tempdir().expect("folder");
    let qemu = wrapper(dir.path(), script).display().to_string();
    in_session_with(test, &[("TAREMARK_QEMU", &qemu)])
}

/// Starts `job` on the QEMU of the environment with a second to boot; why it was closed, and what took how long.
fn closing(job: &Job) -> (String, Duration) {
    let dir = tempfile::tempdir().expect("folder");
    let scratch = tempfile::tempdir().expect("folder");
    let options =
        MicroVmOptions { scratch: scratch.path().to_owned(), ..options(dir.path(), Duration::from_secs(1)) };
    let mut target = MicroVmTarget::new(options).expect("target");
    let name = format!("test-{}-fault", std::process::id());
    let place = Place::create(scratch.path(), &name, &Default::default()).expect("place");
    let armed = target.arm(job, &place).expect("arm");
    let from = Instant::now();
    let mut running = target.launch(armed, &place).expect("launch");
    let closed = listen(&mut running, "").closed.expect("closed");
    running.finish().expect("finish");
    let took = from.elapsed();
    assert_eq!(place.cgroup.pids().expect("pids"), Vec::<i32>::new(), "a process is left");
    place.remove().expect("remove");
    assert_eq!(std::fs::read_dir(scratch.path()).expect("folder").count(), 0, "a file is left");
    (closed, took)
}

#[test]
fn a_qemu_that_hangs_before_it_does_anything_is_given_up() {
    if !in_session_with_qemu(
        "machine_walls::a_qemu_that_hangs_before_it_does_anything_is_given_up",
        "kill -STOP $$",
    ) {
        return;
    }
    let layer = busybox();
    let (closed, took) = closing(&machine_job(layer.path(), "echo up", false));
    assert!(closed.starts_with("the guest's init did not speak within 1 s"), "{closed}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_qemu_that_refuses_its_arguments_is_told_with_its_words() {
    let test = "machine_walls::a_qemu_that_refuses_its_arguments_is_told_with_its_words";
    if !in_session_with_qemu(test, "echo 'no machine for you' >&2; exit 7") {
        return;
    }
    let layer = busybox();
    let (closed, _) = closing(&machine_job(layer.path(), "echo up", false));
    assert_eq!(closed, "QEMU ended with code 7 before the workload did; QEMU: no machine for you");
}

#[test]
fn a_qemu_that_crashes_is_told_with_its_signal() {
    if !in_session_with_qemu("machine_walls::a_qemu_that_crashes_is_told_with_its_signal", "kill -SEGV $$") {
        return;
    }
    let layer = busybox();
    let (closed, _) = closing(&machine_job(layer.path(), "echo up", false));
    assert_eq!(closed, "QEMU was killed by signal 11 before the workload did");
}

#[test]
fn a_qemu_that_leaves_a_child_behind_leaves_nothing() {
    let test = "machine_walls::a_qemu_that_leaves_a_child_behind_leaves_nothing";
    if !in_session_with_qemu(test, "setsid sleep 300 & echo gone >&2; exit 1") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo up", false);
    let dir = tempfile::tempdir().expect("folder");
    let mut target = MicroVmTarget::new(options(dir.path(), Duration::from_secs(1))).expect("target");
    let from = Instant::now();
    let error = run_on(&mut target, &job, &workload("line:up", true)).expect_err("must fail").to_string();
    assert!(
        error.contains("did not speak within 1 s") || error.contains("QEMU ended with code 1"),
        "{error}"
    );
    assert!(from.elapsed() < Duration::from_secs(15), "{:?}", from.elapsed());
}

#[test]
fn a_guest_that_hangs_while_it_is_weighed_is_a_failed_run_in_time() {
    if !in_machine_session("machine_walls::a_guest_that_hangs_while_it_is_weighed_is_a_failed_run_in_time") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo up; sleep 600", false);
    started(&job, |running, place| {
        listen(running, "up");
        let pid = place.cgroup.pids().expect("pids")[0];
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGSTOP).expect("stop");
        let from = Instant::now();
        let error = running.own_figures().expect_err("it hangs").to_string();
        assert_eq!(error, "machine");
        assert!(from.elapsed() < Duration::from_secs(8), "{:?}", from.elapsed());
    });
}

#[test]
fn a_console_that_is_filled_for_ever_stops_nobody() {
    if !in_machine_session("machine_walls::a_console_that_is_filled_for_ever_stops_nobody") {
        return;
    }
    let layer = busybox();
    std::os::unix::fs::symlink("busybox", layer.path().join("bin/yes")).expect("link");
    let job = machine_job(layer.path(), "yes flood > /dev/ttyS0 & echo up; sleep 600", false);
    started(&job, |running, _| {
        assert_eq!(listen(running, "up").closed, None);
        let from = Instant::now();
        running.stop(Duration::from_secs(1)).expect("stop");
        assert!(from.elapsed() < Duration::from_secs(12), "{:?}", from.elapsed());
    });
}

#[test]
fn a_machine_that_hangs_while_it_is_restored_is_given_up() {
    let script = "real=/usr/bin/qemu-system-x86_64; case \"$*\" in *-incoming*) kill -STOP $$;; esac; exec $real \"$@\"";
    if !in_session_with_qemu("machine_walls::a_machine_that_hangs_while_it_is_restored_is_given_up", script) {
        return;
    }
    let (layer, dir) = (busybox(), tempfile::tempdir().expect("folder"));
    let job = Job { memory_bytes: 128 << 20, ..machine_job(layer.path(), "echo up; sleep 600", false) };
    let mut restored = RestoredTarget::new(options(dir.path(), Duration::from_secs(20))).expect("target");
    restored.prepare(&job).expect("a machine that is saved is not restored");
    let mut slow = workload("line:up", true);
    slow.deadline_s = 2;
    let from = Instant::now();
    let error = run_on(&mut restored, &job, &slow).expect_err("it hangs").to_string();
    assert!(error.starts_with("not ready (line:up) within 2 s"), "{error}");
    assert!(from.elapsed() < Duration::from_secs(15), "{:?}", from.elapsed());
}

#[test]
fn a_machine_that_hangs_while_it_is_saved_is_an_error_in_time() {
    let script = "real=/usr/bin/qemu-system-x86_64; case \"$*\" in *share=on,mem-path*) kill -STOP $$;; esac; exec $real \"$@\"";
    if !in_session_with_qemu(
        "machine_walls::a_machine_that_hangs_while_it_is_saved_is_an_error_in_time",
        script,
    ) {
        return;
    }
    let (layer, dir) = (busybox(), tempfile::tempdir().expect("folder"));
    let job = Job { memory_bytes: 128 << 20, ..machine_job(layer.path(), "echo up; sleep 600", false) };
    let mut restored = RestoredTarget::new(options(dir.path(), Duration::from_secs(1))).expect("target");
    let from = Instant::now();
    let error = anyhow::Error::from(restored.prepare(&job).expect_err("it hangs"));
    assert!(format!("{error:#}").contains("the guest's init did not speak within 1 s"), "{error:#}");
    assert!(from.elapsed() < Duration::from_secs(15), "{:?}", from.elapsed());
    let snapshots = std::fs::read_dir(dir.path().join("cache/snapshots")).expect("snapshots").count();
    assert_eq!(snapshots, 0, "a half of a snapshot is left");
    assert!(!left().iter().any(|l| l.contains(&own_saving())), "{:?}", left());
}

#[test]
fn two_benches_at_once_do_not_meet() {
    kernel_is_there();
    let grounds = [Ground::new(), Ground::new()];
    let benches = grounds.iter().map(|ground| {
        let out = ground.path("record").display().to_string();
        let args =
            ["bench", "--quiet", "--target", "container,microvm", "--workload", "hello", "--runs", "2"];
        let mut command = ground.command(&args);
        command.args(["--accel", "tcg", "--warmup", "0", "--out", &out]);
        command
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("taremark")
    });
    let benches: Vec<_> = benches.collect();
    for (bench, ground) in benches.into_iter().zip(&grounds) {
        let pid = bench.id();
        let output = bench.wait_with_output().expect("end");
        assert!(output.status.success(), "{}", errors(&output));
        let record = taremark::record::reader::read(&ground.path("record")).expect("record");
        assert_eq!(record.runs.iter().filter(|r| r.error.is_empty()).count(), 4);
        let rest: Vec<String> = left().into_iter().filter(|l| l.contains(&format!("/{pid}-"))).collect();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[test]
fn a_killed_bench_leaves_a_machine_that_the_next_one_ends() {
    kernel_is_there();
    let ground = Ground::new();
    let out = ground.path("record").display().to_string();
    let args =
        ["bench", "--quiet", "--target", "microvm", "--workload", "idle", "--runs", "1", "--accel", "tcg"];
    let mut bench =
        ground.command(&args).args(["--settle", "60000", "--out", &out]).spawn().expect("taremark");
    let qemu = || {
        let children =
            std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", bench.id())).unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|p| p.parse::<i32>().ok());
        pids.into_iter()
            .find(|p| read(*p, "comm").starts_with("qemu-system") && ground.path("record/runs.csv").exists())
    };
    let from = Instant::now();
    let pid = loop {
        if let Some(pid) = qemu() {
            break pid;
        }
        assert!(from.elapsed() < Duration::from_secs(60), "no machine was started");
        std::thread::sleep(Duration::from_millis(5));
    };
    let own = format!("/{}-", bench.id());
    bench.kill().expect("kill -9");
    bench.wait().expect("wait");
    let output = ground.command(&["doctor", "--clean"]).output().expect("taremark");
    assert!(output.status.success(), "{}", errors(&output));
    assert!(!runs(pid) || !read(pid, "comm").starts_with("qemu-system"), "QEMU lives");
    assert!(!left().iter().any(|l| l.contains(&own)), "{:?}", left());
    assert_eq!(
        std::fs::read_dir(ground.path(""))
            .expect("folder")
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("scratch-"))
            .count(),
        0
    );
}
