//! The runtime on cgroup v2 with all its controllers, which few hosts of tests have: in a machine, on another kernel.

use crate::machine::{in_machine_session, listen, machine_job, started};
use crate::support::{busybox, shell};
use serde_json::json;
use std::os::unix::fs::symlink;

/// What the guest does; each line of output is looked at below.
const SCRIPT: &str = r#"
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 90
mkdir -p /run /tmp
said() { "$@" </dev/null >/tmp/said 2>&1 || { echo "FAILED $*: $(cat /tmp/said)"; exit 91; }; }
said tarec run --detach --bundle /bundle c
d=/sys/fs/cgroup/c
show() { for f; do echo "$f $(cat $d/$f)"; done; }
show memory.max memory.swap.max memory.low cpu.max cpu.weight pids.max cpuset.cpus memory.oom.group
echo "alone $(grep -c . $d/cgroup.procs)"
echo "place $(tarec exec c cat /proc/self/cgroup)"
echo "seen $(tarec exec c cat /sys/fs/cgroup/pids.max)"
tarec exec c sh -c 'touch /sys/fs/cgroup/x' 2>&1 | grep -c 'Read-only' | sed 's/^/readonly /'
tarec exec c sh -c 'busybox mknod /tmp/mem c 1 1; busybox mknod /tmp/zero c 1 5; busybox mknod /tmp/urandom c 1 9
  dd if=/tmp/zero of=/dev/null bs=1 count=1 2>/dev/null && echo "zero yes"
  dd if=/tmp/mem of=/dev/null bs=1 count=1 2>&1 | grep -c "not permitted" | sed "s/^/mem /"'
said tarec update --resources /more c
show memory.max cpu.max cpu.weight pids.max memory.high
tarec exec c sh -c 'dd if=/tmp/mem of=/dev/null bs=1 count=1 2>&1 | grep -c "not permitted" | sed "s/^/mem again /"'
said tarec pause c
echo "frozen $(cat $d/cgroup.freeze) $(tarec state c | grep -c paused)"
said tarec resume c
mkdir -p $d/below/deeper
said tarec delete --force c
[ -e $d ] && echo "left" || echo "gone"
tarec run --bundle /eater e >/dev/null 2>&1; echo "eater $?"
"#;

const EXPECTED: &str = "memory.max 67108864
memory.swap.max 33554432
memory.low 16777216
cpu.max 50000 100000
cpu.weight 39
pids.max 77
cpuset.cpus 0
memory.oom.group 1
alone 1
place 0::/
seen 77
readonly 1
zero yes
mem 1
memory.max 134217728
cpu.max max 100000
cpu.weight 1
pids.max max
memory.high 100663296
mem again 1
frozen 1 1
gone
eater 137
";

#[test]
fn limits_devices_and_freezer_on_cgroup_v2() {
    if !in_machine_session("cgroups_guest::limits_devices_and_freezer_on_cgroup_v2") {
        return;
    }
    let layer = busybox();
    let root = layer.path();
    for applet in ["mkdir", "sed", "kill", "head"] {
        symlink("busybox", root.join("bin").join(applet)).expect("link");
    }
    std::fs::copy(crate::support::TAREC, root.join("bin/tarec")).expect("tarec");
    let write = |name: &str, script: &str, resources: serde_json::Value| {
        let bundle = root.join(name);
        std::fs::create_dir_all(bundle.join("rootfs")).expect("folder");
        for dir in ["proc", "dev", "sys", "tmp", "bin"] {
            std::fs::create_dir(bundle.join("rootfs").join(dir)).expect("folder");
        }
        std::fs::copy(root.join("bin/busybox"), bundle.join("rootfs/bin/busybox")).expect("busybox");
        for applet in ["sh", "sleep", "cat", "touch", "dd", "grep", "sed", "head"] {
            symlink("busybox", bundle.join("rootfs/bin").join(applet)).expect("link");
        }
        let mut config = serde_json::to_value(shell(root, script).config()).expect("json");
        config["annotations"] = json!({});
        config["root"]["path"] = json!("rootfs");
        config["linux"]["cgroupsPath"] = json!(null);
        config["linux"].as_object_mut().expect("linux").remove("cgroupsPath");
        config["linux"]["resources"] = resources;
        std::fs::write(bundle.join("config.json"), config.to_string()).expect("config");
    };
    let deny = json!([{"allow": false, "access": "rwm"}]);
    let resources = json!({
        "memory": {"limit": 64 << 20, "swap": 96 << 20, "reservation": 16 << 20},
        "cpu": {"quota": 50_000, "period": 100_000, "shares": 1024, "cpus": "0"},
        "pids": {"limit": 77},
        "unified": {"memory.oom.group": "1"},
        "devices": deny,
    });
    write("bundle", "sleep 100", resources);
    write(
        "eater",
        "head -c 60000000 /dev/zero | grep x; dd if=/dev/zero of=/dev/shm/x bs=1M count=50",
        json!({"memory": {"limit": 8 << 20, "swap": 8 << 20}, "devices": deny}),
    );
    let more = json!({
        "memory": {"limit": 128 << 20},
        "cpu": {"quota": -1, "shares": 2},
        "pids": {"limit": -1},
        "unified": {"memory.high": "100663296"},
        "devices": deny,
    });
    std::fs::write(root.join("more"), more.to_string()).expect("resources");
    let said = started(&machine_job(root, SCRIPT, false), |running, _| listen(running, ""));
    assert_eq!(said.out, EXPECTED, "{}{:?}", said.err, said.closed);
    assert_eq!(said.code, Some(0));
}
