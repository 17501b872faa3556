//! Kernels without the calls of the mount API: a filter around the runtime says ENOSYS to them.

use crate::support::oci::Oci;
use crate::support::{TAREC, errors, text};
use serde_json::json;
use std::process::{Command, Output, Stdio};
use taremark::container::seccomp;
use taremark::sys::process::install_seccomp;

/// Runs `tarec … run` where the kernel does not know `calls`.
fn run_without(calls: &[&str], oci: &Oci) -> Output {
    run_where(calls, 38, oci)
}

/// Runs it where the kernel answers `calls` with this error.
fn run_where(calls: &[&str], errno: u32, oci: &Oci) -> Output {
    let section = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}],
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
        assert!(install_seccomp(&filter.program, filter.flags).expect("filter").is_none());
        command.output().expect("tarec")
    });
    started.join().expect("thread")
}

const MOUNT_API: [&str; 6] = ["open_tree", "move_mount", "mount_setattr", "fsopen", "fsconfig", "fsmount"];

#[test]
fn all_is_mounted_masked_and_sealed_without_the_new_mount_calls() {
    let volume = tempfile::tempdir().expect("folder");
    std::fs::write(volume.path().join("file"), "seen\n").expect("file");
    let script = "cat /vol/file; touch /vol/x 2>/dev/null || echo read-only; busybox wc -c < /proc/version; \
                  ls /proc/fs | busybox wc -l; echo 1 2>/dev/null > /proc/sys/kernel/hostname || echo kept; \
                  touch /x 2>/dev/null || echo root kept";
    let change = |c: &mut serde_json::Value| {
        c["root"]["readonly"] = json!(true);
        c["linux"]["maskedPaths"] = json!(["/proc/version", "/proc/acpi", "/proc/fs"]);
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
        text(&now).starts_with("seen\nread-only\n0\n0\n") && text(&now).ends_with("kept\nroot kept\n"),
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

/// close_range came with 5.9, its flag for the exec with 5.11, which answers EINVAL to it before.
#[test]
fn no_descriptor_is_left_open_without_close_range() {
    use std::os::fd::AsRawFd;
    let oci = Oci::new("for f in /proc/self/fd/*; do busybox readlink $f; done; echo end", |_| ());
    let leaked = oci.ground.bundle().join("leaked");
    let file = std::fs::File::create(&leaked).expect("file");
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).expect("fcntl");
    assert!(file.as_raw_fd() > 2);
    for errno in [38, 22] {
        let output = run_where(&["close_range"], errno, &oci);
        assert!(text(&output).ends_with("end\n"), "{}", errors(&output));
        assert!(!text(&output).contains("leaked"), "{}", text(&output));
    }
}

/// Calls that newer kernels have and that are only a quicker way, or that the C library tries first.
#[test]
fn what_is_newer_than_needed_is_gone_without() {
    let oci = Oci::new("echo ran", |_| ());
    for calls in [
        &["faccessat2"][..],
        &["statx"],
        &["keyctl"],
        &["rseq"],
        &["getrandom"],
        &["mount_setattr"],
        &["pidfd_open"],
    ] {
        let output = run_without(calls, &oci);
        assert_eq!(
            (output.status.code(), text(&output).as_str()),
            (Some(0), "ran\n"),
            "{calls:?}: {}",
            errors(&output)
        );
        assert_eq!(oci.ground.left(), Vec::<String>::new());
    }
}

/// What nothing older can stand in for is refused: a mount that was to be read-only beneath is never left writable.
#[test]
fn what_an_old_kernel_cannot_do_is_refused() {
    let volume = tempfile::tempdir().expect("folder");
    let maps = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
    for (options, maps, words) in
        [("rro", json!([]), "set recursive options of /data"), ("idmap", maps, "map the ids of")]
    {
        let oci = Oci::new("busybox touch /data/x && echo written", |c| {
            c["mounts"].as_array_mut().expect("mounts").push(json!({"destination": "/data", "type": "bind",
                "source": volume.path(), "options": ["rbind", options], "uidMappings": maps, "gidMappings": maps}));
        });
        let output = run_without(&["mount_setattr"], &oci);
        assert_eq!((output.status.code(), text(&output).as_str()), (Some(1), ""), "{options}");
        assert!(errors(&output).contains(words), "{}", errors(&output));
        assert_eq!(oci.ground.left(), Vec::<String>::new());
    }
}
