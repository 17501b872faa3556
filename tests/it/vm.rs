//! A whole operating system as a target. It is made from the distribution's packages if it is not there: half a minute,
//! once.

use crate::machine::{in_machine_session, listen_for, machine_job};
use crate::runs::{run_on, value, workload};
use crate::support::busybox;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use taremark::container::cgroup::Limits;
use taremark::machine::cache;
use taremark::machine::debian::{self, Flavour};
use taremark::target::microvm::MicroVmOptions;
use taremark::target::vm::{Boot, VmTarget};
use taremark::target::{Place, Target};

/// As [`in_machine_session`], after the system was made: inside there is no network.
fn in_vm_session(test: &str) -> bool {
    static BUILD: Mutex<()> = Mutex::new(());
    let guard = BUILD.lock();
    let init = Path::new(env!("CARGO_BIN_EXE_tare-init"));
    let made = debian::build(&cache::dir(), Flavour::Small, init, false);
    made.expect("these tests need mmdebstrap, grub-common, grub-pc-bin, qemu-utils and a package mirror");
    drop(guard);
    in_machine_session(test)
}

fn target(dir: &Path, boot: Boot) -> VmTarget {
    let options = MicroVmOptions::new(dir.to_owned());
    VmTarget::new(options, Flavour::Small, boot).expect("these tests need QEMU")
}

#[test]
fn a_whole_system_starts_the_workload_and_shuts_down_by_its_power_button() {
    if !in_vm_session("vm::a_whole_system_starts_the_workload_and_shuts_down_by_its_power_button") {
        return;
    }
    let layer = busybox();
    // The image's root is its own; the kernel's tables show that systemd is the init around it.
    let script = "trap 'exit 7' TERM; cat /proc/1/comm; grep -c /scratch /proc/mounts; hostname; \
                  echo mine > /scratch/x; echo hello; while :; do sleep 0.05; done";
    let mut job = machine_job(layer.path(), script, false);
    job.scratch_bytes = Some(16 << 20);
    let dir = tempfile::tempdir().expect("folder");
    let mut vm = target(dir.path(), Boot::Loader);
    let prepared = vm.prepare(&job).expect("prepare");
    let size =
        |name: &str| prepared.sizes.iter().chain(&prepared.also).find(|s| s.0 == name).expect("size").1;
    assert!(size("os_disk_bytes") > 100 << 20 && size("os_disk_virtual_bytes") > size("os_disk_bytes"));
    assert!(size("os_disk_transfer_bytes") < size("os_disk_bytes"));
    let before = cache::digest(&debian::find(&cache::dir(), Flavour::Small).expect("system").disk);
    let o = run_on(&mut vm, &job, &workload("line:hello", true)).expect("run");
    let phases: Vec<&str> = o.slices.iter().map(|s| s.phase.as_str()).collect();
    let told = [
        "firmware",
        "boot_loader",
        "kernel",
        "guest_system",
        "guest_drivers",
        "guest_root",
        "guest_init",
        "workload",
    ];
    assert_eq!(phases, told);
    assert_eq!(o.exit_code, Some(7), "the workload did not see SIGTERM");
    let gone = value(&o, "stop_ms");
    assert!(gone > 300.0 && gone < 60_000.0, "no operating system shut down: gone after {gone} ms");
    for metric in
        ["guest_used_bytes", "guest_kernel_bytes", "channel_ms", "guest_ram_touched_bytes", "vmm_bytes"]
    {
        assert!(value(&o, metric) > 0.0, "{metric}");
    }
    let after = cache::digest(&debian::find(&cache::dir(), Flavour::Small).expect("system").disk);
    assert_eq!(before.expect("digest"), after.expect("digest"), "a run wrote to the system's disk");
}

#[test]
fn its_kernel_given_to_qemu_boots_the_same_system() {
    if !in_vm_session("vm::its_kernel_given_to_qemu_boots_the_same_system") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "cat /proc/1/comm; hostname", false);
    let dir = tempfile::tempdir().expect("folder");
    let mut vm = target(dir.path(), Boot::Direct);
    let o = run_on(&mut vm, &job, &workload("line:systemd", false)).expect("run");
    let phases: Vec<&str> = o.slices.iter().map(|s| s.phase.as_str()).collect();
    let told = ["qemu", "kernel", "guest_system", "guest_drivers", "guest_root", "guest_init", "workload"];
    assert_eq!(phases, told);
    assert_eq!(o.exit_code, Some(0));
}

#[test]
fn a_system_that_heeds_no_power_button_is_turned_off_by_force() {
    if !in_vm_session("vm::a_system_that_heeds_no_power_button_is_turned_off_by_force") {
        return;
    }
    let layer = busybox();
    // A kernel that has panicked and was told to stay: it spins with interrupts on and runs nothing any more.
    let script = "echo up; sleep 1; echo 0 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger; sleep 600";
    let job = machine_job(layer.path(), script, false);
    let dir = tempfile::tempdir().expect("folder");
    let mut options = MicroVmOptions::new(dir.path().to_owned());
    options.shutdown_deadline = Duration::from_secs(4);
    let mut vm = VmTarget::new(options, Flavour::Small, Boot::Direct).expect("these tests need QEMU");
    let name = format!("test-{}-deaf", std::process::id());
    let place = Place::create(dir.path(), &name, &Limits::default()).expect("place");
    let armed = vm.arm(&job, &place).expect("arm");
    let mut running = vm.launch(armed, &place).expect("launch");
    listen_for(&mut running, "up", Duration::from_secs(120));
    std::thread::sleep(Duration::from_secs(3));
    let from = Instant::now();
    let gone = running.stop(Duration::from_millis(500)).expect("stop");
    let took = from.elapsed();
    running.finish().expect("finish");
    assert_eq!(gone.exit_code, None, "it was stopped in order: nothing was tested");
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(place.cgroup.pids().expect("pids"), Vec::<i32>::new(), "a process is left");
    place.remove().expect("remove");
    assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "a file is left");
}

#[test]
fn what_making_a_system_needs_is_named() {
    let dir = tempfile::tempdir().expect("folder");
    let mut taremark = std::process::Command::new(env!("CARGO_BIN_EXE_taremark"));
    let vm = taremark.args(["vm", "build", "--small"]).env("XDG_CACHE_HOME", dir.path());
    let output = vm.env("PATH", "/nowhere").output().expect("taremark");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("mmdebstrap") && text.contains("apt-get install mmdebstrap"), "{text}");
    assert!(text.lines().count() < 6, "{text}");
}

#[test]
fn a_system_that_was_not_made_is_told() {
    let dir = tempfile::tempdir().expect("folder");
    let e = debian::find(dir.path(), Flavour::Full).expect_err("none").to_string();
    assert!(e.starts_with("there is no operating system (full) for the target vm: "), "{e}");
}
