//! The runtime beside a real systemd: a whole Debian with cgroup v2 and systemd as PID 1, in a machine. Once as root, once
//! as an ordinary user with a systemd of the user's own, and once in cgroups that were delegated by hand.

use crate::machine::{listen_for, machine_job, started_on};
use crate::support::{busybox, shell};
use crate::vm::in_vm_session;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use taremark::machine::debian::Flavour;
use taremark::target::microvm::MicroVmOptions;
use taremark::target::vm::{Boot, VmTarget};

/// A quiet machine needs 40 seconds for all of it.
const PATIENCE: Duration = Duration::from_secs(400);

/// In the workload's root: goes over to the system's own, where systemd's sockets and the mounts of all are.
const ENTER: &str = "cp -a /given /proc/1/root/given && cp /given/script /proc/1/root/script && \
                     exec busybox nsenter -t 1 -m /bin/sh /script";

fn write(given: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let bundle = given.join(name);
    std::fs::create_dir(&bundle).expect("folder");
    let mut config = serde_json::to_value(shell(given, "sleep 1000").config()).expect("json");
    config["annotations"] = json!({});
    config["root"] = json!({"path": "../rootfs"});
    config["linux"].as_object_mut().expect("linux").remove("cgroupsPath");
    config["linux"].as_object_mut().expect("linux").remove("resources");
    change(&mut config);
    std::fs::write(bundle.join("config.json"), config.to_string()).expect("config");
}

/// `/given`: the runtime, a root file system and bundles over it.
fn given(layer: &Path) {
    let given = layer.join("given");
    let bin = given.join("rootfs/bin");
    std::fs::create_dir_all(&bin).expect("folder");
    for dir in ["proc", "dev", "sys", "tmp"] {
        std::fs::create_dir(given.join("rootfs").join(dir)).expect("folder");
    }
    std::fs::copy(layer.join("bin/busybox"), bin.join("busybox")).expect("busybox");
    for applet in ["sh", "sleep", "cat", "dd", "grep", "head", "id", "true"] {
        symlink("busybox", bin.join(applet)).expect("link");
    }
    symlink("busybox", layer.join("bin/cp")).expect("link");
    std::fs::copy(crate::support::TAREC, given.join("tarec")).expect("tarec");
    let limits = json!({
        "memory": {"limit": 64 << 20, "swap": 96 << 20, "reservation": 16 << 20},
        "cpu": {"quota": 50_000, "period": 100_000, "shares": 1024, "cpus": "0"},
        "pids": {"limit": 77},
        "unified": {"memory.high": "50331648"},
        "devices": [{"allow": false, "access": "rwm"}],
    });
    write(&given, "heavy", |c| {
        c["linux"]["cgroupsPath"] = json!("weigh-heavy.slice:tare:c");
        c["annotations"] = json!({
            "org.systemd.property.Description": "'a heavy one'",
            "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
            "org.systemd.property.SendSIGHUP": "true",
            "org.systemd.property.After": "['basic.target', 'local-fs.target']",
        });
        c["linux"]["resources"] = limits;
    });
    let run = |c: &mut Value, script: &str| c["process"]["args"] = json!(["sh", "-c", script]);
    // What systemd has no property for.
    write(&given, "rare", |c| {
        c["linux"]["resources"] = json!({
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
            "cpu": {"quota": 50_000, "period": 100_000, "burst": 10_000},
        });
    });
    write(&given, "heavy1", |c| {
        c["linux"]["cgroupsPath"] = json!("weigh-heavy.slice:tare:c");
        c["linux"]["resources"] = json!({
            "memory": {"limit": 64 << 20, "reservation": 16 << 20},
            "cpu": {"quota": 50_000, "period": 100_000, "shares": 512, "cpus": "0"},
            "pids": {"limit": 77},
            "devices": [{"allow": false, "access": "rwm"}],
        });
    });
    write(&given, "eater", |c| {
        run(c, "dd if=/dev/zero of=/dev/shm/x bs=1M count=50");
        c["linux"]["resources"] = json!({"memory": {"limit": 32 << 20, "swap": 32 << 20}});
    });
    write(&given, "forker", |c| {
        run(c, "sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait");
        c["linux"]["resources"] = json!({"pids": {"limit": 4}});
    });
    write(&given, "misnamed", |c| c["annotations"] = json!({"org.systemd.property.KillSignal": "SIGHUP"}));
    write(&given, "unknown", |c| c["annotations"] = json!({"org.systemd.property.NoSuch": "true"}));
    write(&given, "plain", |_| ());
    write(&given, "quick", |c| run(c, "exit 3"));
    write(&given, "broken", |c| c["process"]["args"] = json!(["/nowhere"]));
    write(&given, "pathed", |c| c["linux"]["cgroupsPath"] = json!("/a/b"));
    write_own(&given, "own", "sleep 1000");
    write_own(&given, "ends", ENDS);
    write(&given, "noslice", |c| c["linux"]["cgroupsPath"] = json!("a/b.slice:c:d"));
}

/// The runtime config of an ordinary user, whose only id is 4242.
fn write_own(given: &Path, name: &str, script: &str) {
    let bundle = given.join(name);
    std::fs::create_dir(&bundle).expect("folder");
    let made = Command::new(crate::support::TAREC).args(["spec", "--rootless"]).current_dir(&bundle).status();
    assert!(made.expect("tarec").success());
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).expect("config")).expect("json");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sh", "-c", script]);
    config["process"]["env"] = json!(["PATH=/bin"]);
    config["root"] = json!({"path": "../rootfs"});
    for map in ["uidMappings", "gidMappings"] {
        config["linux"][map] = json!([{"containerID": 0, "hostID": 4242, "size": 1}]);
    }
    config["linux"]["resources"] = match script {
        ENDS => json!({}),
        _ => json!({"memory": {"limit": 64 << 20}, "pids": {"limit": 66}}),
    };
    std::fs::write(path, config.to_string()).expect("config");
}

const ENDS: &str = "exit 3";

/// What the script of this name says in the system, booted with these parameters, has to be what stands beside it.
fn check(name: &str, parameters: &[&str]) {
    let file = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/systemd_guest").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let layer = busybox();
    given(layer.path());
    let script = file("head.sh") + &file(&format!("{name}.sh"));
    std::fs::write(layer.path().join("given/script"), script).expect("script");
    let job = machine_job(layer.path(), ENTER, false);
    let dir = tempfile::tempdir().expect("folder");
    let parameters = parameters.iter().map(|p| (*p).to_owned()).collect();
    let options = MicroVmOptions { parameters, ..MicroVmOptions::new(dir.path().to_owned()) };
    let mut vm = VmTarget::new(options, Flavour::Small, Boot::Direct).expect("these tests need QEMU");
    // What comes after is the system's way down.
    let said = started_on(&mut vm, &job, |running, _| listen_for(running, "\nend\n", PATIENCE));
    assert_eq!(said.out, file(&format!("{name}.expected")), "{}{:?}", said.err, said.closed);
}

/// Holds: linux.cgroupsPath-systemd
#[test]
fn containers_are_scopes_of_systemd() {
    if in_vm_session("systemd_guest::containers_are_scopes_of_systemd") {
        check("root", &[]);
    }
}

/// Holds: linux.cgroupsPath-systemd
#[test]
fn so_they_are_where_the_controllers_are_of_v1() {
    if in_vm_session("systemd_guest::so_they_are_where_the_controllers_are_of_v1") {
        check("hybrid", &["systemd.unified_cgroup_hierarchy=0"]);
    }
}

/// Holds: linux.cgroupsPath-delegated
#[test]
fn an_ordinary_user_has_limits_where_cgroups_are_delegated() {
    if in_vm_session("systemd_guest::an_ordinary_user_has_limits_where_cgroups_are_delegated") {
        check("user", &[]);
    }
}
