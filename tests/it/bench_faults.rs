//! `taremark bench` on a host that fails it: full and read-only disks, missing programs, a kernel that is none, a
//! machine that is killed under way.

use crate::bench::{Ground, TAREMARK, fails, left};
use crate::support::errors;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use taremark::record::reader;

/// `taremark args` with a tmpfs of these options on `ground/disk`, in a mount namespace of its own; what is then on
/// that disk is copied to `ground/kept`.
fn on_disk(ground: &Ground, options: &str, args: &[&str]) -> Output {
    on_disk_with(ground, options, args, &[])
}

fn on_disk_with(ground: &Ground, options: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
    let (disk, kept) = (ground.path("disk"), ground.path("kept"));
    std::fs::create_dir_all(&disk).expect("folder");
    let script = "mount -t tmpfs -o \"$0\" tmpfs \"$1\" || exit 99; disk=$1 kept=$2; shift 2; \"$@\"; code=$?; \
        cp -r \"$disk\" \"$kept\"; exit $code";
    let plain = ground.command(&[]);
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, options]).arg(&disk).arg(&kept).arg(TAREMARK).args(args);
    command.envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?)))).envs(env.iter().copied());
    command.output().expect("unshare (util-linux)")
}

#[track_caller]
fn nothing_is_left_by(pid: u32) {
    let rest: Vec<String> = left().into_iter().filter(|l| l.contains(&format!("/{pid}-"))).collect();
    assert!(rest.is_empty(), "left: {rest:?}");
}

#[test]
fn a_full_disk_is_named_and_what_was_written_can_be_read() {
    let ground = Ground::new();
    let out = ground.path("disk/record").display().to_string();
    let args =
        ["bench", "--quiet", "--runs", "400", "--workload", "hello", "--target", "process", "--out", &out];
    let output = on_disk(&ground, "size=64k", &args);
    fails(&output, 3, &["No space left on device", &out, "try: free space"]);
    let record = reader::read(&ground.path("kept/record")).expect("what was written");
    assert!(record.runs.len() > 3, "{} runs", record.runs.len());
}

#[test]
fn a_full_disk_below_the_store_is_named() {
    let ground = Ground::new();
    let store = ground.path("disk/store").display().to_string();
    let out = ground.path("record").display().to_string();
    let args =
        ["bench", "--quiet", "--runs", "1", "--workload", "hello", "--target", "process", "--out", &out];
    let output = on_disk(&ground, "size=400k", &args);
    assert!(output.status.success(), "with the store elsewhere it goes: {}", errors(&output));
    std::fs::remove_dir_all(ground.path("record")).expect("remove");
    std::fs::remove_dir_all(ground.path("kept")).expect("remove");
    let output = on_disk_with(&ground, "size=400k", &args, &[("TAREMARK_STORE", &store)]);
    fails(&output, 3, &["No space left on device", "store", "TAREMARK_STORE"]);
}

#[test]
fn a_read_only_folder_is_named() {
    let ground = Ground::new();
    let out = ground.path("disk/record").display().to_string();
    let args =
        ["bench", "--quiet", "--runs", "1", "--workload", "hello", "--target", "process", "--out", &out];
    fails(&on_disk(&ground, "ro", &args), 3, &["Read-only file system", &out, "--out"]);
}

#[test]
fn what_the_host_lacks_is_named_with_what_mends_it() {
    let ground = Ground::new();
    let out = ground.path("record").display().to_string();
    let args =
        ["bench", "--quiet", "--runs", "1", "--workload", "hello", "--target", "microvm", "--out", &out];
    let without = |key: &str, value: &Path| {
        let mut command = ground.command(&args);
        command.env_remove("TAREMARK_KERNEL").env(key, value).output().expect("taremark")
    };
    fails(
        &without("PATH", Path::new("/nowhere")),
        3,
        &["qemu-system-x86_64", "apt-get install qemu-system-x86"],
    );
    fails(
        &without("XDG_CACHE_HOME", &ground.path("cache")),
        3,
        &["no guest kernel", "taremark kernel fetch"],
    );
    let other = ["bench", "--quiet", "--target", "oci:no-such-runtime", "--workload", "hello", "--out", &out];
    fails(&ground.command(&other).output().expect("taremark"), 3, &["no-such-runtime"]);
    let broken = ground.path("kernel");
    std::fs::write(&broken, vec![7; 100_000]).expect("file");
    fails(&without("TAREMARK_KERNEL", &broken), 1, &["is not a kernel", "neither a bzImage nor an ELF"]);
    assert!(!ground.path("record/runs.csv").exists(), "a bench was begun");
}

/// The pid of QEMU below this process.
fn qemu_of(pid: u32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().find_map(|c| {
        let name = std::fs::read_to_string(format!("/proc/{c}/comm")).ok()?;
        name.starts_with("qemu-system").then(|| c.parse().ok())?
    })
}

#[test]
fn a_machine_that_is_killed_under_way_is_a_failed_run_and_the_bench_goes_on() {
    let ground = Ground::new();
    let out = ground.path("record").display().to_string();
    let args =
        ["bench", "--quiet", "--runs", "2", "--warmup", "0", "--workload", "idle", "--target", "microvm"];
    let mut command = ground.command(&args);
    command.args(["--settle", "1000", "--out", &out]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = child.spawn().expect("taremark");
    let from = Instant::now();
    let begun = || ground.path("record/runs.csv").exists();
    let qemu = loop {
        // The probe of the accelerator starts machines too, before the record is begun.
        match qemu_of(child.id()).filter(|_| begun()) {
            Some(pid) => break pid,
            None => assert!(from.elapsed() < Duration::from_secs(120), "no machine was started"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let signal = nix::sys::signal::Signal::SIGKILL;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(qemu), signal).expect("kill");
    let pid = child.id();
    let output = child.wait_with_output().expect("end");
    fails(&output, 1, &["1 of 2 runs failed"]);
    let record = reader::read(&ground.path("record")).expect("record");
    let failed: Vec<_> = record.runs.iter().filter(|r| !r.error.is_empty()).collect();
    assert_eq!((record.runs.len(), failed.len()), (2, 1), "{}", errors(&output));
    assert!(failed[0].error.contains("signal 9"), "{}", failed[0].error);
    nothing_is_left_by(pid);
}
