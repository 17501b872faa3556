//! A machine that stops in the middle of being saved.

use crate::bench::left;
use crate::machine::{in_machine_session, machine_job};
use crate::machine_walls::{field, options, own_saving, read, runs};
use crate::support::busybox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use taremark::target::microvm_restored::RestoredTarget;
use taremark::target::{Job, Target};

/// QEMU below this process, if it runs.
fn qemu() -> Option<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
    let children = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).ok();
    let pids: Vec<i32> = tasks
        .filter_map(children)
        .flat_map(|c| c.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect();
    pids.into_iter()
        .find(|pid| field(&read(*pid, "status"), "Name:").starts_with("qemu-system") && runs(*pid))
}

/// Whether the socket that takes the machine's state is connected: only then does its path stand in two lines.
fn state_flows() -> bool {
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let temporary = std::env::temp_dir().display().to_string();
    sockets.lines().filter(|l| l.ends_with("/s") && l.contains(&temporary)).count() > 1
}

#[test]
fn a_machine_that_stops_in_the_middle_of_being_saved_is_an_error_in_time() {
    let name = "machine_saving::a_machine_that_stops_in_the_middle_of_being_saved_is_an_error_in_time";
    if !in_machine_session(name) {
        return;
    }
    let (layer, dir) = (busybox(), tempfile::tempdir().expect("folder"));
    let job = Job { memory_bytes: 128 << 20, ..machine_job(layer.path(), "echo up; sleep 600", false) };
    let mut restored = RestoredTarget::new(options(dir.path(), Duration::from_secs(30))).expect("target");
    let (done, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut from = Instant::now();
    let saved = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if state_flows()
                    && let Some(pid) = qemu()
                {
                    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("signal");
                    stopped.store(true, Ordering::Relaxed);
                    return;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        from = Instant::now();
        let saved = restored.prepare(&job);
        done.store(true, Ordering::Relaxed);
        saved
    });
    assert!(stopped.load(Ordering::Relaxed), "the machine was saved before it could be stopped");
    let error = format!("{:#}", anyhow::Error::from(saved.expect_err("it was stopped")));
    assert!(error.contains("state") || error.contains("monitor") || error.contains("migrate"), "{error}");
    assert!(from.elapsed() < Duration::from_secs(60), "{:?}", from.elapsed());
    assert!(qemu().is_none(), "QEMU is left");
    let snapshots = std::fs::read_dir(dir.path().join("cache/snapshots")).expect("snapshots").count();
    assert_eq!(snapshots, 0, "a half of a snapshot is left");
    assert!(!left().iter().any(|l| l.contains(&own_saving())), "{:?}", left());
}
