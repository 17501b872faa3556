//! The runtime on cgroup v2 with all its controllers, which few hosts of tests have: in a machine, on another kernel.

use crate::machine::{in_machine_session, listen, machine_job, started};
use crate::support::{busybox, shell};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The guest's root disk, a virtio block device.
const DISK: (u32, u32) = (254, 0);

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
said tarec run --detach --bundle /more2 m
d=/sys/fs/cgroup/m
show cpu.idle cpu.max cpu.max.burst io.max cpuset.mems hugetlb.2MB.max hugetlb.2MB.rsvd.max
tarec exec m sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null'
refused() { f=$1; shift; echo "$@" | tarec update --resources - m 2>&1 | grep -c "$f" | sed "s/^/$f /"; }
refused 'bytes in use' '{"memory":{"limit":4194304,"checkBeforeUpdate":true}}'
show memory.max
for f in kernelTCP swappiness; do refused memory.$f "{\"memory\":{\"$f\":10}}"; done
refused memory.disableOOMKiller '{"memory":{"disableOOMKiller":true}}'
refused cpu.realtimeRuntime '{"cpu":{"realtimeRuntime":10}}'
refused resources.network '{"network":{"classID":10}}'
refused leafWeight '{"blockIO":{"weightDevice":[{"major":7,"minor":0,"leafWeight":9}]}}'
refused rdma.max '{"rdma":{"mlx5_1":{"hcaHandles":3}}}'
refused controller '{"unified":{"nosuch.max":"1"}}'
refused memory.nosuch '{"unified":{"memory.nosuch":"1"}}'
said tarec delete --force m
"#;

/// The same kernel with v1: the controllers that hosts of tests have not mounted.
const SCRIPT_V1: &str = r#"
mount -t tmpfs tmpfs /sys/fs/cgroup || exit 90
mkdir -p /run /tmp
for c in cpu,cpuacct cpuset memory devices freezer pids blkio hugetlb net_cls,net_prio rdma; do
  mkdir /sys/fs/cgroup/$c; mount -t cgroup -o $c $c /sys/fs/cgroup/$c || echo "no $c"
done
said() { "$@" </dev/null >/tmp/said 2>&1 || { echo "FAILED $*: $(cat /tmp/said)"; exit 91; }; }
said tarec run --detach --bundle /old c
show() { d=$1; shift; for f; do echo "$f $(cat /sys/fs/cgroup/$d/c/$f)"; done; }
show hugetlb hugetlb.2MB.limit_in_bytes hugetlb.2MB.rsvd.limit_in_bytes
show net_cls,net_prio net_cls.classid
cat /sys/fs/cgroup/net_cls,net_prio/c/net_prio.ifpriomap
show cpu,cpuacct cpu.cfs_quota_us
echo '{"rdma":{"mlx5_1":{"hcaHandles":3}}}' | tarec update --resources - c 2>&1 | grep -c 'mlx5_1 hca_handle=3.*rdma.max' | sed 's/^/rdma /'
echo '{"network":{"priorities":[{"name":"nosuch","priority":3}]}}' | tarec update --resources - c 2>&1 | grep -c 'nosuch 3.*ifpriomap' | sed 's/^/prio /'
said tarec delete --force c
ls -d /sys/fs/cgroup/*/c 2>/dev/null; echo gone
"#;

const EXPECTED_V1: &str = "hugetlb.2MB.limit_in_bytes 4194304
hugetlb.2MB.rsvd.limit_in_bytes 4194304
net_cls.classid 1048577
lo 5
cpu.cfs_quota_us 30000
rdma 1
prio 1
gone
";

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
cpu.idle 1
cpu.max 60000 100000
cpu.max.burst 3000
io.max DISK rbps=1048576 wbps=2097152 riops=300 wiops=400
cpuset.mems 0
hugetlb.2MB.max 4194304
hugetlb.2MB.rsvd.max 4194304
bytes in use 1
memory.max 67108864
memory.kernelTCP 1
memory.swappiness 1
memory.disableOOMKiller 1
cpu.realtimeRuntime 1
resources.network 1
leafWeight 1
rdma.max 1
controller 1
memory.nosuch 1
";

/// A file system for the guest, with tarec in it.
fn guest() -> tempfile::TempDir {
    let layer = busybox();
    for applet in ["mkdir", "sed", "kill", "head", "rmdir"] {
        symlink("busybox", layer.path().join("bin").join(applet)).expect("link");
    }
    // By another process, as in support::busybox.
    let copied = Command::new("cp").arg(crate::support::TAREC).arg(layer.path().join("bin/tarec")).status();
    assert!(copied.expect("cp").success());
    layer
}

/// A bundle in it.
fn bundle(root: &Path, name: &str, script: &str, resources: &Value) {
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
    config["linux"].as_object_mut().expect("linux").remove("cgroupsPath");
    config["linux"]["resources"] = resources.clone();
    std::fs::write(bundle.join("config.json"), config.to_string()).expect("config");
}

/// Holds: linux.resources.memory.limit, linux.resources.memory.swap, linux.resources.memory.reservation
/// Holds: linux.resources.memory.checkBeforeUpdate, linux.resources.cpu.shares, linux.resources.cpu.quota
/// Holds: linux.resources.cpu.period, linux.resources.cpu.burst, linux.resources.cpu.cpus
/// Holds: linux.resources.cpu.mems, linux.resources.cpu.idle, linux.resources.pids
/// Holds: linux.resources.blockIO.throttle, linux.resources.hugepageLimits, linux.resources.devices
/// Holds: linux.resources.rdma, linux.resources.unified, linux.resources.unified-controller
/// Holds: linux.resources.conversion
#[test]
fn limits_devices_and_freezer_on_cgroup_v2() {
    if !in_machine_session("cgroups_guest::limits_devices_and_freezer_on_cgroup_v2") {
        return;
    }
    let layer = guest();
    let root = layer.path();
    let deny = json!([{"allow": false, "access": "rwm"}]);
    let resources = json!({
        "memory": {"limit": 64 << 20, "swap": 96 << 20, "reservation": 16 << 20},
        "cpu": {"quota": 50_000, "period": 100_000, "shares": 1024, "cpus": "0"},
        "pids": {"limit": 77},
        "unified": {"memory.oom.group": "1"},
        "devices": deny,
    });
    bundle(root, "bundle", "sleep 100", &resources);
    let eats = "head -c 60000000 /dev/zero | grep x; dd if=/dev/zero of=/dev/shm/x bs=1M count=50";
    let little = json!({"memory": {"limit": 8 << 20, "swap": 8 << 20}, "devices": deny});
    bundle(root, "eater", eats, &little);
    let more = json!({
        "memory": {"limit": 128 << 20},
        "cpu": {"quota": -1, "shares": 2},
        "pids": {"limit": -1},
        "unified": {"memory.high": "100663296"},
        "devices": deny,
    });
    std::fs::write(root.join("more"), more.to_string()).expect("resources");
    let rate = |rate: u64| json!([{"major": DISK.0, "minor": DISK.1, "rate": rate}]);
    let rest = json!({
        "memory": {"limit": 64 << 20, "kernel": 1 << 20},
        "cpu": {"idle": 1, "quota": 60_000, "burst": 3000, "mems": "0"},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
        "blockIO": {"throttleReadBpsDevice": rate(1 << 20), "throttleWriteBpsDevice": rate(2 << 20),
            "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400)},
    });
    bundle(root, "more2", "sleep 100", &rest);
    let said = started(&machine_job(root, SCRIPT, false), |running, _| listen(running, ""));
    let expected = EXPECTED.replace("DISK", &format!("{}:{}", DISK.0, DISK.1));
    assert_eq!(said.out, expected, "{}{:?}", said.err, said.closed);
    assert_eq!(said.code, Some(0));
}

/// Holds: linux.resources.hugepageLimits, linux.resources.network.classID
/// Holds: linux.resources.network.priorities, linux.resources.rdma
#[test]
fn controllers_of_v1_that_few_hosts_have() {
    if !in_machine_session("cgroups_guest::controllers_of_v1_that_few_hosts_have") {
        return;
    }
    let layer = guest();
    let resources = json!({
        "cpu": {"quota": 30_000},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
        "network": {"classID": 0x10_0001, "priorities": [{"name": "lo", "priority": 5}]},
    });
    bundle(layer.path(), "old", "sleep 100", &resources);
    let said = started(&machine_job(layer.path(), SCRIPT_V1, false), |running, _| listen(running, ""));
    assert_eq!(said.out, EXPECTED_V1, "{}{:?}", said.err, said.closed);
    assert_eq!(said.code, Some(0));
}
