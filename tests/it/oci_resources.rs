//! config-linux.md, Control groups: what of `linux.resources` reaches the kernel of this host, which has v1 or both. Above
//! each test stand the clauses that it holds; `cgroups_guest` holds them on v2, and with the controllers that this host has
//! not mounted.

use crate::cgroups::{Sleeper, v1};
use crate::support::oci::refuses;
use serde_json::{Value, json};

/// Number of a block device that is no loop, as `254:0`.
fn disk() -> Option<(u32, u32)> {
    let devices = std::fs::read_dir("/sys/block").ok()?.flatten();
    let mut names = devices.map(|e| e.file_name().to_string_lossy().into_owned());
    let name = names.find(|n| ["vd", "sd", "nvme", "xvd"].iter().any(|kind| n.starts_with(kind)))?;
    let number = std::fs::read_to_string(format!("/sys/block/{name}/dev")).ok()?;
    let (major, minor) = number.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn holds(sleeper: &Sleeper, files: &[(&str, &str, &str)]) {
    for (controller, file, value) in files {
        assert_eq!(sleeper.file(controller, file), *value, "{file}");
    }
}

/// Holds: linux.resources.memory.limit, linux.resources.memory.reservation, linux.resources.memory.swap
#[test]
fn limits_of_memory_reach_the_kernel() {
    if !v1() {
        return; // `cgroups_guest` has the same on v2.
    }
    let limits = json!({"memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20}});
    let sleeper = Sleeper::new(&limits, |_| ());
    holds(
        &sleeper,
        &[
            ("memory", "memory.limit_in_bytes", "67108864"),
            ("memory", "memory.soft_limit_in_bytes", "33554432"),
            ("memory", "memory.memsw.limit_in_bytes", "100663296"),
        ],
    );
    sleeper.updated(&json!({"memory": {"limit": 0, "swap": 0, "reservation": 0, "kernelTCP": 0}}));
    assert_eq!(sleeper.file("memory", "memory.limit_in_bytes"), "67108864", "zero is no value");
    sleeper.updated(&json!({"memory": {"limit": -1, "swap": -1, "reservation": -1}}));
    // The most that the kernel counts, in whole pages.
    let none = (i64::MAX / 4096 * 4096).to_string();
    for file in ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"] {
        assert_eq!(sleeper.file("memory", file), none, "{file}");
    }
}

/// Holds: linux.resources.memory.kernel, linux.resources.memory.kernelTCP, linux.resources.memory.useHierarchy
#[test]
fn the_older_words_for_memory_do_no_harm() {
    if !v1() {
        return;
    }
    // A megabyte for the kernel would be too little to start anything.
    let older = json!({"memory": {"kernel": 1 << 20, "kernelTCP": 8 << 20, "useHierarchy": true}});
    let sleeper = Sleeper::new(&older, |_| ());
    holds(
        &sleeper,
        &[("memory", "memory.kmem.tcp.limit_in_bytes", "8388608"), ("memory", "memory.use_hierarchy", "1")],
    );
    assert_ne!(sleeper.file("memory", "memory.kmem.limit_in_bytes"), "1048576");
}

/// Holds: linux.resources.memory.swappiness, linux.resources.memory.disableOOMKiller
#[test]
fn swappiness_and_the_killer_are_set() {
    if !v1() {
        return;
    }
    let memory = json!({"memory": {"swappiness": 17, "disableOOMKiller": true, "limit": 64 << 20}});
    let sleeper = Sleeper::new(&memory, |_| ());
    assert_eq!(sleeper.file("memory", "memory.swappiness"), "17");
    assert!(sleeper.file("memory", "memory.oom_control").contains("oom_kill_disable 1"));
    let plain = Sleeper::new(&json!({"memory": {"disableOOMKiller": false}}), |_| ());
    assert!(plain.file("memory", "memory.oom_control").contains("oom_kill_disable 0"));
}

/// Holds: linux.resources.memory.checkBeforeUpdate
#[test]
fn a_limit_below_the_usage_is_rejected() {
    if !v1() {
        return; // v1's kernel does it; on v2 it is ours, and `cgroups_guest` has it.
    }
    let sleeper = Sleeper::new(&json!({"memory": {"limit": 64 << 20, "swap": 64 << 20}}), |_| ());
    let (code, said) = sleeper.exec("dd if=/dev/zero of=/dev/shm/full bs=1M count=20 2>/dev/null; echo $?");
    assert_eq!((code, said.as_str()), (0, "0\n"));
    let less = json!({"memory": {"limit": 4 << 20, "checkBeforeUpdate": true}});
    let said = sleeper.update(&less).expect_err("more than that is in use");
    assert!(said.contains("memory.limit_in_bytes") && said.contains("busy"), "{said}");
    assert_eq!(sleeper.file("memory", "memory.limit_in_bytes"), "67108864");
}

/// Holds: linux.resources.cpu.shares, linux.resources.cpu.quota, linux.resources.cpu.period, linux.resources.cpu.burst
#[test]
fn time_of_the_cpu_is_limited() {
    if !v1() {
        return;
    }
    let cpu = json!({"cpu": {"shares": 300, "quota": 70_000, "period": 200_000, "burst": 5000}});
    let sleeper = Sleeper::new(&cpu, |_| ());
    holds(
        &sleeper,
        &[
            ("cpu", "cpu.shares", "300"),
            ("cpu", "cpu.cfs_quota_us", "70000"),
            ("cpu", "cpu.cfs_period_us", "200000"),
            ("cpu", "cpu.cfs_burst_us", "5000"),
        ],
    );
    // Each way round a new pair has to pass the kernel's checks against the old one.
    for (quota, period) in [(900_000, 1_000_000), (5000, 10_000), (-1, 100_000)] {
        sleeper.updated(&json!({"cpu": {"quota": quota, "period": period, "burst": 0}}));
        assert_eq!(sleeper.file("cpu", "cpu.cfs_quota_us"), quota.to_string());
        assert_eq!(sleeper.file("cpu", "cpu.cfs_period_us"), period.to_string());
    }
}

/// Holds: linux.resources.cpu.realtime
#[test]
fn realtime_is_limited_or_its_lack_is_an_error() {
    if !v1() {
        return;
    }
    let times = json!({"cpu": {"realtimePeriod": 500_000, "realtimeRuntime": 1000}});
    if std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        let sleeper = Sleeper::new(&times, |_| ());
        holds(&sleeper, &[("cpu", "cpu.rt_period_us", "500000"), ("cpu", "cpu.rt_runtime_us", "1000")]);
    } else {
        refuses("cpu.rt_period_us", |c| c["linux"]["resources"] = times);
    }
}

/// Holds: linux.resources.cpu.cpus, linux.resources.cpu.mems, linux.resources.cpu.idle
#[test]
fn cpus_nodes_and_idleness_are_set() {
    if !v1() {
        return;
    }
    let sleeper = Sleeper::new(&json!({"cpu": {"cpus": "0", "mems": "0", "idle": 1}}), |_| ());
    holds(
        &sleeper,
        &[("cpuset", "cpuset.cpus", "0"), ("cpuset", "cpuset.mems", "0"), ("cpu", "cpu.idle", "1")],
    );
    let (_, said) = sleeper.exec("grep -E 'Cpus_allowed_list|Mems_allowed_list' /proc/self/status");
    assert_eq!(said, "Cpus_allowed_list:\t0\nMems_allowed_list:\t0\n");
    refuses("cpuset.cpus", |c| c["linux"]["resources"] = json!({"cpu": {"cpus": "4000"}}));
}

/// Holds: linux.resources.pids
#[test]
fn no_more_tasks_than_allowed() {
    let script = "sleep 9 & sleep 9 & sleep 9 & sleep 9 & echo none";
    let (code, out, err) = crate::support::oci::Oci::new(script, |c| {
        c["linux"]["resources"]["pids"] = json!({"limit": 3});
    })
    .run();
    assert_ne!((code, out.as_str()), (0, "none\n"), "{err}");
    assert!(err.contains("can't fork"), "{err}");
}

/// Holds: linux.resources.blockIO.throttle, linux.resources.blockIO.weight, linux.resources.blockIO.weightDevice
#[test]
fn input_and_output_are_weighed_and_throttled() {
    let Some((major, minor)) = disk().filter(|_| v1()) else { return };
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let sleeper = Sleeper::new(
        &json!({"blockIO": {"weight": 321, "throttleReadBpsDevice": rate(1 << 20), "throttleWriteBpsDevice": rate(2 << 20),
            "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400)}}),
        |_| (),
    );
    let weight = ["blkio.bfq.weight", "blkio.weight"].into_iter().find(|f| sleeper.has("blkio", f));
    assert_eq!(sleeper.file("blkio", weight.expect("this kernel weighs nothing")), "321");
    for (file, rate) in
        [("read_bps", "1048576"), ("write_bps", "2097152"), ("read_iops", "300"), ("write_iops", "400")]
    {
        let file = format!("blkio.throttle.{file}_device");
        assert_eq!(sleeper.file("blkio", &file), format!("{major}:{minor} {rate}"));
    }
    let device = json!({"blockIO": {"weightDevice": [{"major": major, "minor": minor, "weight": 300}]}});
    match sleeper.update(&device) {
        Ok(()) => assert!(
            sleeper.file("blkio", "blkio.bfq.weight_device").contains(&format!("{major}:{minor} 300"))
        ),
        // The scheduler of the device has to be bfq; the kernel says so of the very value.
        Err(said) => {
            assert!(
                said.contains("weight_device") && said.contains(&format!("{major}:{minor} 300")),
                "{said}"
            );
        }
    }
    let neither: Value = json!({"blockIO": {"weightDevice": [{"major": major, "minor": minor}]}});
    let said = sleeper.update(&neither).expect_err("neither");
    assert!(said.contains("linux.resources.blockIO.weightDevice[0]"), "{said}");
    refuses("linux.resources.blockIO.weightDevice[0]", |c| c["linux"]["resources"] = neither);
}

/// Holds: linux.resources.blockIO.leafWeight
#[test]
fn weights_of_leaves_are_a_dropped_schedulers() {
    let Some((major, minor)) = disk().filter(|_| v1()) else { return };
    if std::path::Path::new("/sys/fs/cgroup/blkio/blkio.leaf_weight").exists() {
        let sleeper = Sleeper::new(&json!({"blockIO": {"leafWeight": 50}}), |_| ());
        assert_eq!(sleeper.file("blkio", "blkio.leaf_weight"), "50");
        return;
    }
    refuses("blkio.leaf_weight", |c| c["linux"]["resources"] = json!({"blockIO": {"leafWeight": 50}}));
    let of_device = json!([{"major": major, "minor": minor, "leafWeight": 50}]);
    refuses("blkio.leaf_weight_device", |c| {
        c["linux"]["resources"] = json!({"blockIO": {"weightDevice": of_device}})
    });
}

/// Holds: linux.resources.rdma
#[test]
fn an_rdma_device_needs_a_number() {
    refuses("linux.resources.rdma.mlx5_1", |c| c["linux"]["resources"] = json!({"rdma": {"mlx5_1": {}}}));
    if v1() && !std::path::Path::new("/sys/fs/cgroup/rdma").exists() {
        let limits = json!({"rdma": {"mlx5_1": {"hcaHandles": 3}}});
        refuses("controller rdma", |c| c["linux"]["resources"] = limits);
    }
}

/// Holds: linux.resources.devices
#[test]
fn rules_for_devices_apply_in_their_order() {
    // A loop, a port, and the first disk of its kind. A later rule has the last word.
    let rules = json!({"devices": [
        {"allow": true},
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "b", "major": 7, "minor": 7, "access": "r"},
        {"allow": true, "type": "c", "major": 1, "minor": 4, "access": "rwm"},
        {"allow": false, "type": "c", "major": 1, "minor": 4, "access": "rw"},
        {"allow": true, "type": "b", "access": "m"},
    ]});
    let sleeper =
        Sleeper::new(&rules, |c| c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW"}));
    let script = "cd /tmp; try() { \"$@\" >/dev/null 2>said && echo yes && return; busybox grep -o 'not permitted' said || cat said; }
        try busybox mknod loop b 7 7; try dd if=loop of=/dev/null bs=1 count=0; try dd if=/dev/null of=loop bs=1 count=0
        try busybox mknod port c 1 4; try dd if=port of=/dev/null count=0; try busybox mknod disk b 7 0
        try dd if=disk of=/dev/null count=0; for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done
        try dd if=/dev/zero of=/dev/null bs=1 count=1";
    let (_, said) = sleeper.exec(script);
    let expected = ["yes", "yes", "not permitted", "yes", "not permitted", "yes", "not permitted", "yes"];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{said}");
}
