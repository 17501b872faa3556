//! Kernels without the calls of the mount API: a filter around the runtime says ENOSYS to them.

use crate::support::oci::Oci;
use crate::support::{TAREC, errors, text};
use serde_json::json;
use std::process::{Command, Output, Stdio};
use taremark::container::seccomp;
use taremark::sys::process::install_seccomp;

/// Runs `tarec … run` where the kernel does not know `calls`.
fn run_without(calls: &[&str], oci: &Oci) -> Output {
    let section = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
    });
    let filter = seccomp::compile(&serde_json::from_value(section).expect("section")).expect("filter");
    let mut command = Command::new(TAREC);
    command
        .arg("--root")
        .arg(oci.states())
        .args(["run", "--bundle", &oci.bundle(), oci.id()])
        .stdin(Stdio::null());
    // A filter is a thread's and its children's.
    let started = std::thread::spawn(move || {
        install_seccomp(&filter.program, filter.flags).expect("filter");
        command.output().expect("tarec")
    });
    started.join().expect("thread")
}

const MOUNT_API: [&str; 6] = ["open_tree", "move_mount", "mount_setattr", "fsopen", "fsconfig", "fsmount"];

#[test]
fn all_is_mounted_masked_and_sealed_without_the_new_mount_calls() {
    let volume = tempfile::tempdir().expect("folder");
    std::fs::write(volume.path().join("file"), "seen\n").expect("file");
    let script = "cat /vol/file; touch /vol/x 2>/dev/null || echo read-only; busybox wc -c < /proc/kcore; \
                  ls /proc/acpi | busybox wc -l; echo 1 2>/dev/null > /proc/sys/kernel/hostname || echo kept; \
                  touch /x 2>/dev/null || echo root kept";
    let change = |c: &mut serde_json::Value| {
        c["root"]["readonly"] = json!(true);
        c["mounts"].as_array_mut().expect("mounts").push(
            json!({"destination": "/vol", "type": "bind", "source": volume.path(), "options": ["rbind", "ro", "nosuid"]}),
        );
    };
    let oci = Oci::new(script, change);
    std::fs::create_dir(oci.layer.path().join("vol")).expect("place");
    let now = oci.verb(&["run", "--bundle", &oci.bundle()], &[]);
    let then = run_without(&MOUNT_API, &oci);
    assert_eq!(text(&then), text(&now), "{}", errors(&then));
    assert!(
        text(&now).starts_with("seen\nread-only\n0\n") && text(&now).ends_with("kept\nroot kept\n"),
        "{}",
        text(&now)
    );
    assert_eq!((then.status.code(), oci.ground.left()), (now.status.code(), Vec::new()));
}

#[test]
fn without_openat2_nothing_is_started() {
    let oci = Oci::new("echo started", |_| ());
    let output = run_without(&["openat2"], &oci);
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(1), ""));
    assert!(errors(&output).contains("Function not implemented"), "{}", errors(&output));
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}
