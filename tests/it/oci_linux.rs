//! config-linux.md and runtime-linux.md of the runtime-spec. Above each test stand the clauses that it holds.

use crate::support::oci::{Oci, refuses, says};
use crate::support::{in_namespace, text};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

fn namespaces(c: &mut Value) -> &mut Vec<Value> {
    c["linux"]["namespaces"].as_array_mut().expect("namespaces")
}

/// Holds: linux.default-filesystems
#[test]
fn the_default_file_systems_can_be_used() {
    let script =
        "for p in /proc /sys /dev/pts /dev/shm; do busybox awk -v p=$p '$2==p {print $3}' /proc/mounts; done";
    assert_eq!(says(script, |_| ()), "proc\nsysfs\ndevpts\ntmpfs\n");
}

/// Holds: linux.namespaces.new
#[test]
fn new_namespaces_are_other_than_ours() {
    let kinds = ["pid", "network", "mount", "ipc", "uts", "cgroup", "time", "user"];
    let files = ["pid", "net", "mnt", "ipc", "uts", "cgroup", "time", "user"];
    let script = format!("for n in {}; do busybox readlink /proc/self/ns/$n; done", files.join(" "));
    let out = says(&script, |c| {
        c["linux"]["namespaces"] = kinds.map(|k| json!({"type": k})).into();
        c["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
        c["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    });
    for (line, file) in out.lines().zip(files) {
        let ours = std::fs::read_link(format!("/proc/self/ns/{file}")).expect("namespace");
        assert!(line.starts_with(file), "{line}");
        assert_ne!(line, ours.to_string_lossy(), "{file} is the host's");
    }
    assert_eq!(out.lines().count(), files.len(), "{out}");
}

/// Holds: linux.namespaces.inherit
#[test]
fn a_namespace_that_is_not_named_is_the_runtimes() {
    let out = says("busybox readlink /proc/self/ns/net", |c| {
        namespaces(c).retain(|n| n["type"] != "network");
        // sysfs belongs to the owner of the network namespace; this one is the host's.
        c["linux"]["sysctl"] = json!({});
    });
    assert_eq!(out.trim(), std::fs::read_link("/proc/self/ns/net").expect("namespace").to_string_lossy());
}

/// Holds: linux.namespaces.path
#[test]
fn namespaces_are_entered_by_path() {
    let mut holder = Command::new("unshare")
        .args(["--net", "--ipc", "--uts", "--pid", "--fork", "sleep", "60"])
        .stdout(Stdio::null())
        .spawn()
        .expect("unshare");
    // The child of unshare is the first process of its pid namespace.
    let children = format!("/proc/{0}/task/{0}/children", holder.id());
    let mut child = String::new();
    crate::support::oci::eventually("sleep", || {
        child = std::fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        name.trim() == "sleep"
    });
    let out = says("for n in net ipc uts pid; do busybox readlink /proc/self/ns/$n; done; echo $$", |c| {
        for n in namespaces(c) {
            let file = match n["type"].as_str().expect("type") {
                "network" => "net",
                known @ ("ipc" | "uts" | "pid") => known,
                _ => continue,
            };
            n["path"] = json!(format!("/proc/{child}/ns/{file}"));
        }
        c["hostname"] = json!("");
    });
    let expected: String = ["net", "ipc", "uts", "pid"]
        .map(|n| std::fs::read_link(format!("/proc/{child}/ns/{n}")).expect("namespace"))
        .map(|p| format!("{}\n", p.display()))
        .concat();
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.parse().expect("pid")),
        nix::sys::signal::Signal::SIGKILL,
    );
    let _ = holder.wait();
    assert!(out.starts_with(&expected), "{out}\n{expected}");
    assert_ne!(out.lines().last(), Some("1"), "it is not the first process there");
}

/// Holds: linux.namespaces.path-wrong, linux.namespaces.duplicate
#[test]
fn a_path_that_is_no_such_namespace_is_refused() {
    refuses("linux.namespaces[1].path", |c| namespaces(c)[1]["path"] = json!("proc/self/ns/net"));
    refuses("/no/such/namespace", |c| namespaces(c)[1]["path"] = json!("/no/such/namespace"));
    refuses("linux.namespaces[1]", |c| namespaces(c)[1]["path"] = json!("/proc/self/ns/uts"));
    refuses("linux.namespaces[1].path", |c| namespaces(c)[1]["path"] = json!("/dev/null"));
    refuses("linux.namespaces[6]", |c| namespaces(c).push(json!({"type": "pid"})));
}

/// Holds: linux.userns.mappings
#[test]
fn ids_are_mapped_in_a_user_namespace() {
    let out = says("cat /proc/self/uid_map /proc/self/gid_map; busybox stat -c %u:%g /", |c| {
        namespaces(c).push(json!({"type": "user"}));
        c["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 10}, {"containerID": 10, "hostID": 500, "size": 5}]);
        c["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 20}]);
        c["mounts"].as_array_mut().expect("mounts").retain(|m| m["destination"] != "/dev/mqueue");
    });
    let words: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "10", "10", "500", "5", "0", "0", "20", "0:0"]);
    // mknod is not allowed there: devices are the host's.
    let out = says("test -c /dev/full && echo x > /dev/zero && echo devices", |c| {
        namespaces(c).push(json!({"type": "user"}));
        c["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
        c["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
        c["linux"]["devices"] = json!([{"path": "/dev/zero", "type": "c", "major": 1, "minor": 5}]);
        c["mounts"].as_array_mut().expect("mounts").retain(|m| m["destination"] != "/dev/pts");
    });
    assert_eq!(out, "devices\n");
    refuses("linux.uidMappings", |c| namespaces(c).push(json!({"type": "user"})));
    let one = json!({"containerID": 0, "hostID": 0, "size": 5});
    for (twice, field) in [
        (json!([one, one]), "linux.gidMappings"),
        (json!([{"containerID": 0, "hostID": 0, "size": 0}]), "linux.gidMappings[0].size"),
    ] {
        refuses(field, |c| {
            namespaces(c).push(json!({"type": "user"}));
            c["linux"]["uidMappings"] = json!([one]);
            c["linux"]["gidMappings"] = twice;
        });
    }
}

/// Holds: linux.timeOffsets
#[test]
fn clocks_have_their_offsets() {
    let out = says("cat /proc/self/timens_offsets; busybox cut -d. -f1 /proc/uptime", |c| {
        namespaces(c).push(json!({"type": "time"}));
        c["linux"]["timeOffsets"] =
            json!({"monotonic": {"secs": 1000, "nanosecs": 5}, "boottime": {"secs": 5_000_000}});
    });
    let words: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(&words[..6], ["monotonic", "1000", "5", "boottime", "5000000", "0"]);
    assert!(words[6].parse::<u64>().expect("uptime") >= 5_000_000, "{out}");
    refuses("linux.timeOffsets", |c| c["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 1}}));
    refuses("linux.timeOffsets.lunar", |c| {
        namespaces(c).push(json!({"type": "time"}));
        c["linux"]["timeOffsets"] = json!({"lunar": {"secs": 1}});
    });
}

/// Holds: linux.devices, linux.devices-type, linux.devices-duplicate
#[test]
fn devices_are_made_as_asked() {
    let out = says("busybox stat -c '%t:%T %a %u:%g %F' /dev/mine /dev/sub/pipe", |c| {
        c["linux"]["devices"] = json!([
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 3, "gid": 4},
            {"path": "/dev/sub/pipe", "type": "p", "fileMode": 0o600}]);
    });
    assert_eq!(out, "1:3 640 3:4 character special file\n0:0 600 0:0 fifo\n");
    let device = json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 3});
    refuses("linux.devices[1].path", |c| c["linux"]["devices"] = json!([device, device]));
    refuses("linux.devices[0].type", |c| c["linux"]["devices"] = json!([{"path": "/dev/x", "type": "z"}]));
}

/// Holds: linux.devices-existing
#[test]
fn another_file_in_the_place_of_a_device_is_an_error() {
    let device = json!([{"path": "/etc/thing", "type": "c", "major": 1, "minor": 3}]);
    let oci = Oci::new("true", |c| c["linux"]["devices"] = device.clone());
    std::fs::write(oci.layer.path().join("etc/thing"), "").expect("file");
    let (code, _, err) = oci.run();
    assert_eq!(code, 1);
    assert!(err.contains("/etc/thing") && err.contains("another file is there already"), "{err}");
    // The very device may be there: a default one is.
    let null = json!([{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]);
    assert_eq!(says("echo ran", |c| c["linux"]["devices"] = null), "ran\n");
}

/// Holds: linux.default-devices, runtime-linux.dev-links
#[test]
fn default_devices_and_links_are_there() {
    let script = "for d in null zero full random urandom tty; do busybox stat -c '%n %t:%T %a' /dev/$d; done; \
                  for l in fd stdin stdout stderr ptmx; do busybox readlink /dev/$l; done; test -c /dev/pts/ptmx && echo ptmx";
    let expected = "/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n\
                    /dev/urandom 1:9 666\n/dev/tty 5:0 666\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n\
                    /proc/self/fd/2\npts/ptmx\nptmx\n";
    assert_eq!(says(script, |_| ()), expected);
}

/// Holds: linux.cgroupsPath, linux.cgroupsPath-absolute
#[test]
fn the_cgroup_is_where_it_is_asked_for() {
    let path = format!("/tarec-it-{}/below", std::process::id());
    let oci = Oci::new("sleep 60", |c| c["linux"]["cgroupsPath"] = json!(path)).started();
    let pid = oci.state()["pid"].to_string();
    let of_init = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    assert!(of_init.lines().any(|l| l.ends_with(&path)), "{of_init}");
    drop(oci);
    // The parent is not the container's own; the test made it by naming it.
    for root in std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten() {
        let _ = std::fs::remove_dir(
            root.path().join(path.trim_start_matches('/').split('/').next().expect("name")),
        );
    }
}

/// Holds: linux.sysctl
#[test]
fn kernel_parameters_are_set_in_the_container() {
    let before = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("sysctl");
    let out = says("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni", |c| {
        c["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "99", "kernel.shmmni": "77"});
    });
    assert_eq!(out, "99\n77\n");
    assert_eq!(std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("sysctl"), before);
    refuses("linux.sysctl", |c| c["linux"]["sysctl"] = json!({"../../etc/passwd": "x"}));
    refuses("linux.sysctl net.no.such", |c| c["linux"]["sysctl"] = json!({"net.no.such": "1"}));
}

/// Holds: linux.rootfsPropagation
#[test]
fn the_root_has_the_propagation_that_is_asked_for() {
    let test = "oci_linux::the_root_has_the_propagation_that_is_asked_for";
    // The mounts of the test are its own, and shared, as systemd has them.
    if !in_namespace(test, &["--propagation", "shared"]) {
        return;
    }
    let script = "line=$(grep ' / / \\| / rw\\| / ro' /proc/self/mountinfo | busybox head -1); \
        case $line in *shared:*) echo shared;; *unbindable*) echo unbindable;; *master:*) echo slave;; *) echo private;; esac";
    for (asked, expected) in [
        ("shared", "shared"),
        ("private", "private"),
        ("unbindable", "unbindable"),
        ("slave", "slave"),
        ("rslave", "slave"),
    ] {
        let out = says(script, |c| c["linux"]["rootfsPropagation"] = json!(asked));
        assert_eq!(out.trim(), expected, "{asked}");
    }
    refuses("linux.rootfsPropagation", |c| c["linux"]["rootfsPropagation"] = json!("loud"));
}

/// Holds: linux.maskedPaths
#[test]
fn masked_paths_cannot_be_read() {
    let script =
        "cat /etc/secret; ls /etc/hidden; busybox stat -c %t:%T /etc/secret; test -e /etc/none || echo none";
    let oci =
        Oci::new(script, |c| c["linux"]["maskedPaths"] = json!(["/etc/secret", "/etc/hidden", "/etc/none"]));
    std::fs::write(oci.layer.path().join("etc/secret"), "word\n").expect("file");
    std::fs::create_dir(oci.layer.path().join("etc/hidden")).expect("folder");
    std::fs::write(oci.layer.path().join("etc/hidden/file"), "word\n").expect("file");
    assert_eq!(oci.run().1, "1:3\nnone\n");
    refuses("linux.maskedPaths[0]", |c| c["linux"]["maskedPaths"] = json!(["etc/secret"]));
}

/// Holds: linux.readonlyPaths
#[test]
fn read_only_paths_cannot_be_written() {
    let oci = Oci::new("echo x > /etc/file; touch /etc/folder/x; cat /etc/file", |c| {
        c["linux"]["readonlyPaths"] = json!(["/etc/file", "/etc/folder"]);
    });
    std::fs::write(oci.layer.path().join("etc/file"), "kept\n").expect("file");
    std::fs::create_dir(oci.layer.path().join("etc/folder")).expect("folder");
    let (_, out, err) = oci.run();
    assert_eq!(out, "kept\n");
    assert_eq!(err.matches("Read-only file system").count(), 2, "{err}");
    refuses("linux.readonlyPaths[0]", |c| c["linux"]["readonlyPaths"] = json!(["etc"]));
}

/// Holds: linux.mountLabel
#[test]
fn a_mount_label_needs_selinux() {
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        refuses("linux.mountLabel", |c| c["linux"]["mountLabel"] = json!("system_u:object_r:x:s0"));
    }
}

/// Holds: linux.personality
#[test]
fn the_execution_domain_is_set() {
    let machine = text(&Command::new("uname").arg("-m").output().expect("uname"));
    assert_eq!(says("busybox uname -m", |c| c["linux"]["personality"] = json!({"domain": "LINUX"})), machine);
    if machine.trim() == "x86_64" {
        let out = says("busybox uname -m", |c| c["linux"]["personality"] = json!({"domain": "LINUX32"}));
        assert_eq!(out, "i686\n");
    }
    refuses("linux.personality.domain", |c| c["linux"]["personality"] = json!({"domain": "PLAN9"}));
    let flags = json!({"domain": "LINUX", "flags": ["X"]});
    refuses("linux.personality.flags", |c| c["linux"]["personality"] = flags);
}

/// Holds: linux.intelRdt
#[test]
fn intel_rdt_is_refused() {
    refuses("linux.intelRdt", |c| c["linux"]["intelRdt"] = json!({"l3CacheSchema": "L3:0=f"}));
}

/// Holds: linux.seccomp
#[test]
fn a_filter_decides_by_name_and_argument() {
    let out = says("busybox mkdir /tmp/a 2>&1; busybox sync; busybox nice -n 3 echo x 2>&1; echo end", |c| {
        c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]});
    });
    assert!(out.contains("No space left"), "{out}");
    assert!(out.ends_with("end\n"), "{out}");
    refuses("linux.seccomp", |c| c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_HOPE"}));
}
