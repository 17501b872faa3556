//! Attacks on what a container's process is given: the runtime's binary, descriptors, rights, groups.

use crate::attacks::{ground, outside, refused};
use crate::support::oci::{Oci, eventually};
use crate::support::{TAREC, busybox, errors, text};
use serde_json::json;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

/// A handle on the binary of a process, as `O_PATH` gives it to whoever may look at the process.
fn handle_on_binary(pid: i32) -> std::os::fd::OwnedFd {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(format!("/proc/{pid}/exe"), flags, rustix::fs::Mode::empty())
        .expect("a look at the binary")
}

fn write_through(handle: &std::os::fd::OwnedFd) -> std::io::Error {
    let opened =
        std::fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    opened.map(drop).expect_err("the runtime's binary can be written to")
}

/// A runtime of the test's own: the one that all tests run is busy at any time.
fn own_runtime(dir: &std::path::Path) -> std::path::PathBuf {
    let own = dir.join("tarec");
    assert!(Command::new("cp").arg(TAREC).arg(&own).status().expect("cp").success());
    own
}

/// CVE-2019-5736: whoever got hold of the binary of the init, or of what `exec` brings in, waits until it has ended, and
/// writes to it. The first stands still before `start`, the second in a container that is paused.
#[test]
fn the_runtime_is_not_writable_through_its_processes() {
    let dir = tempfile::tempdir().expect("folder");
    let own = own_runtime(dir.path());
    let oci = Oci::new("sleep 60", |_| ());
    let own_command = |args: &[&str]| {
        let mut command = Command::new(&own);
        command.arg("--root").arg(oci.states()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let made = own_command(&["create", "--bundle", &oci.bundle(), oci.id()]).status().expect("create");
    assert!(made.success());
    let pid = i32::try_from(oci.state()["pid"].as_i64().expect("pid")).expect("pid");
    let init = handle_on_binary(pid);
    oci.quiet(&["start"], &[]).expect("start");
    let (pid, mut child) = halted(&oci, own_command(&["exec", "--ignore-paused", oci.id(), "true"]));
    let exec = handle_on_binary(pid);
    assert!(oci.verb(&["resume"], &[]).status.success());
    assert!(child.wait().expect("exec").success());
    for handle in [init, exec] {
        let e = write_through(&handle);
        assert_eq!(e.raw_os_error(), Some(nix::libc::EROFS), "{e}");
    }
}

/// An `exec` in a container that is paused first: its process, which is still the runtime, and the runtime that waits.
fn halted(oci: &Oci, mut exec: Command) -> (i32, std::process::Child) {
    assert!(oci.verb(&["pause"], &[]).status.success());
    let child = exec.spawn().expect("tarec");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let mut pid = 0;
    eventually("a process of exec", || {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        pid = text.trim().parse().unwrap_or(0);
        pid != 0
    });
    (pid, child)
}

/// CVE-2016-9962, CVE-2019-5736: the processes of a container see what `exec` brings in, from its first moment, and may
/// not see into it.
#[test]
fn nobody_sees_into_exec_before_its_exec() {
    let oci = Oci::new("sleep 60", |_| ()).started();
    let mut exec = oci.command(&["exec", "--ignore-paused", oci.id(), "true"]);
    exec.stdout(Stdio::null()).stderr(Stdio::null());
    let (pid, mut child) = halted(&oci, exec);
    let look = format!("readlink /proc/{pid}/exe; readlink /proc/{pid}/fd/0");
    let seen = Command::new("setpriv")
        .args(["--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", "sh", "-c", &look])
        .output()
        .expect("setpriv");
    assert!(oci.verb(&["resume"], &[]).status.success());
    assert!(child.wait().expect("exec").success());
    assert_eq!(text(&seen), "", "seen from outside");
}

/// CVE-2022-29162, CVE-2022-27650, CVE-2022-24769: what is inheritable outlives the exec of a program with capabilities
/// in its file. Nothing is, unless the config says so; `exec --cap` does not change that.
#[test]
fn nothing_is_inheritable_unasked() {
    let oci = Oci::new("grep CapInh /proc/self/status; sleep 60", |_| ()).started();
    let (_, out, err) = oci.exec(&["--cap", "CAP_NET_ADMIN"], "grep -e CapInh -e CapEff /proc/self/status");
    assert!(out.contains("CapInh:\t0000000000000000"), "{out}{err}");
    let effective = out.lines().find_map(|l| l.strip_prefix("CapEff:\t")).expect("CapEff");
    assert_ne!(u64::from_str_radix(effective, 16).expect("hex") >> 12 & 1, 0, "CAP_NET_ADMIN was asked for");
    eventually("its own words", || oci.said().contains('\n'));
    assert_eq!(oci.said(), "CapInh:\t0000000000000000\n");
    let written = tempfile::tempdir().expect("folder");
    let made = Command::new(TAREC).arg("spec").current_dir(&written).status().expect("tarec");
    assert!(made.success());
    let spec = std::fs::read_to_string(written.path().join("config.json")).expect("config.json");
    let spec: serde_json::Value = serde_json::from_str(&spec).expect("json");
    assert!(spec["process"]["capabilities"]["inheritable"].as_array().is_none_or(Vec::is_empty), "{spec}");
}

/// CVE-2022-29162's kin: groups of whoever calls the runtime open files of the host that the container's user may not.
#[test]
fn no_group_of_the_caller_comes_along() {
    let layer = busybox();
    let ground = ground(layer.path(), "grep Groups: /proc/self/status", |c| {
        c["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [7]});
    });
    let run =
        r#"exec setpriv --groups 4242,4343 "$TAREC" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null"#;
    let output = outside(&ground, run);
    assert_eq!(text(&output).split_whitespace().collect::<Vec<_>>(), ["Groups:", "7"], "{}", errors(&output));
}

/// A path of cgroups that climbs would make the container's cgroup that of others, or take it out of its limits.
#[test]
fn a_path_of_cgroups_does_not_climb() {
    let layer = busybox();
    for path in ["/../escaped", "/a/../../escaped", "..", "/a/./../b/.."] {
        let ground = ground(layer.path(), "true", |c| c["linux"]["cgroupsPath"] = json!(path));
        let output = ground.run();
        refused(&ground, &output, "linux.cgroupsPath");
    }
}

/// A parameter that no namespace has for itself would be changed for the whole host, by whoever writes the config.
#[test]
fn no_parameter_of_the_host_is_changed() {
    let layer = busybox();
    // Written as it is: without the guard nothing changes.
    let now = std::fs::read_to_string("/proc/sys/kernel/panic").expect("sysctl").trim().to_owned();
    for name in ["kernel.panic", "kernel/panic"] {
        let ground = ground(layer.path(), "true", |c| c["linux"]["sysctl"] = json!({name: now}));
        refused(&ground, &ground.run(), "is the host's");
    }
    let forward = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("sysctl").trim().to_owned();
    for path in [None, Some("/proc/self/ns/net")] {
        let ground = ground(layer.path(), "true", |c| {
            c["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": forward});
            let namespaces = c["linux"]["namespaces"].as_array_mut().expect("namespaces");
            namespaces.retain(|n| n["type"] != "network");
            namespaces.extend(path.map(|path| json!({"type": "network", "path": path})));
        });
        refused(&ground, &ground.run(), "namespace of the container's own");
    }
}

/// `--root` and each state in it are for their owner alone, and a link in place of a state leads nowhere.
#[test]
fn a_state_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let oci = Oci::new("sleep 60", |_| ()).started();
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).expect("state").permissions().mode() & 0o777;
    assert_eq!((mode(oci.states()), mode(oci.states().join(oci.id()))), (0o700, 0o700));
    let said = Command::new("setpriv")
        .args(["--reuid=4242", "--regid=4242", "--clear-groups", TAREC, "--root"])
        .arg(oci.states())
        .args(["kill", oci.id(), "KILL"])
        .output()
        .expect("setpriv");
    assert!(!said.status.success(), "another user ended it");
    assert_eq!(oci.status(), "running");
}

/// CVE-2024-21626 and CVE-2019-5736 once more, by `exec`: no folder that the caller left open, and no binary of ours.
#[test]
fn exec_follows_no_magic_link_either() {
    let secrets = tempfile::tempdir().expect("folder");
    std::fs::write(secrets.path().join("secret"), "of the host").expect("secret");
    let oci = Oci::new("sleep 60", |_| ()).started();
    for cwd in ["/proc/self/fd/9", "/proc/self/fd/9/..", "/proc/thread-self/fd/9"] {
        let run = format!(
            "exec 9<'{}'; exec \"$TAREC\" --root \"$ROOT\" exec --cwd {cwd} \"$ID\" sh -c 'cat secret; ls'",
            secrets.path().display()
        );
        let output = outside(&oci.ground, &run);
        assert!(!output.status.success() && text(&output).is_empty(), "{cwd}: {}", text(&output));
        assert!(errors(&output).contains("process.cwd"), "{cwd}: {}", errors(&output));
    }
    let script = oci.layer.path().join("tmp/script");
    std::fs::write(&script, "#!/proc/self/exe\n").expect("script");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    for program in ["/proc/self/exe", "/tmp/script"] {
        let output = oci.verb(&["exec"], &[program, "--version"]);
        assert!(!output.status.success() && !text(&output).contains("tarec"), "{}", text(&output));
        assert!(errors(&output).contains("magic link"), "{program}: {}", errors(&output));
    }
}
