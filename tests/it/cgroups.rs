//! Limits as the kernel sees them, on a host of cgroup v1 or hybrid.

use crate::support::{Ground, busybox, errors, shell, text};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A container that sleeps under `resources`; gone with the handle.
pub struct Sleeper(Ground, #[allow(dead_code)] tempfile::TempDir);

impl Sleeper {
    pub fn new(resources: &Value, more: impl FnOnce(&mut Value)) -> Self {
        let layer = busybox();
        let bundle = shell(layer.path(), "sleep 60");
        let mut config = serde_json::to_value(bundle.config()).expect("json");
        let ground = Ground::new(&bundle);
        config["linux"]["resources"] = resources.clone();
        more(&mut config);
        std::fs::write(ground.bundle().join("config.json"), config.to_string()).expect("config");
        let root = ground.bundle().parent().expect("parent").join("states");
        let said = std::fs::File::create(ground.bundle().join("said")).expect("file");
        let mut command = std::process::Command::new(crate::support::TAREC);
        command
            .arg("--root")
            .arg(root)
            .args(["run", "--detach", "--bundle"])
            .arg(ground.bundle())
            .arg(&ground.id);
        let null = std::process::Stdio::null;
        let status = command.stdin(null()).stdout(null()).stderr(said).status().expect("tarec");
        let said = std::fs::read_to_string(ground.bundle().join("said")).expect("said");
        assert!(status.success(), "{said}");
        Self(ground, layer)
    }

    /// A control file, on v1.
    pub fn file(&self, controller: &str, name: &str) -> String {
        let dirs = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|e| e.path());
        let is_it = |p: &PathBuf| {
            p.file_name().is_some_and(|n| n.to_string_lossy().split(',').any(|c| c == controller))
        };
        let dir = dirs.into_iter().find(is_it).expect("hierarchy").join(&self.0.id);
        let path = dir.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim().to_owned()
    }

    /// Whether the kernel has such a control file.
    pub fn has(&self, controller: &str, name: &str) -> bool {
        Path::new("/sys/fs/cgroup").join(controller).join(&self.0.id).join(name).exists()
    }

    /// `update` from JSON; what it says where it fails.
    pub fn update(&self, resources: &Value) -> Result<(), String> {
        let file = self.0.bundle().join("resources.json");
        std::fs::write(&file, resources.to_string()).expect("resources");
        let output = self.0.tarec(&["update", "--resources", &file.display().to_string(), &self.0.id]);
        if output.status.success() { Ok(()) } else { Err(errors(&output)) }
    }

    /// The same, which has to go well.
    pub fn updated(&self, resources: &Value) {
        self.update(resources).unwrap_or_else(|said| panic!("{resources}: {said}"));
    }

    pub fn exec(&self, script: &str) -> (i32, String) {
        let output = self.0.tarec(&["exec", &self.0.id, "/bin/sh", "-c", script]);
        (output.status.code().unwrap_or(-1), text(&output) + &errors(&output))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let gone = self.0.tarec(&["delete", "--force", &self.0.id]);
        if !std::thread::panicking() {
            assert!(gone.status.success(), "{}", errors(&gone));
            assert_eq!(self.0.left(), Vec::<String>::new());
        }
    }
}

/// Whether this host has the controllers of v1, which the tests below read. The machine's tests have v2.
pub fn v1() -> bool {
    Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
        || Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists()
}

#[test]
fn limits_reach_the_kernel_and_are_updated() {
    if !v1() {
        // On a host of v2 the same values are read in the machine, which is of v2 as well.
        return;
    }
    let resources = json!({
        "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 64 << 20, "swappiness": 10},
        "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "burst": 1000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 77},
        "blockIO": {"throttleReadBpsDevice": []},
    });
    let sleeper = Sleeper::new(&resources, |_| ());
    let limits = [
        ("memory", "memory.limit_in_bytes", "67108864"),
        ("memory", "memory.soft_limit_in_bytes", "33554432"),
        ("memory", "memory.swappiness", "10"),
        ("cpu", "cpu.shares", "512"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.cfs_burst_us", "1000"),
        ("cpuset", "cpuset.cpus", "0"),
        ("pids", "pids.max", "77"),
    ];
    for (controller, file, value) in limits {
        assert_eq!(sleeper.file(controller, file), value, "{file}");
    }
    let updated = sleeper.0.tarec(&[
        "update",
        "--memory",
        "134217728",
        "--memory-swap",
        "134217728",
        "--cpu-quota",
        "-1",
        "--cpu-shares",
        "100",
        "--pids-limit",
        "-1",
        &sleeper.0.id,
    ]);
    assert!(updated.status.success(), "{}", errors(&updated));
    let limits = [
        ("memory", "memory.limit_in_bytes", "134217728"),
        ("memory", "memory.swappiness", "10"),
        ("cpu", "cpu.cfs_quota_us", "-1"),
        ("cpu", "cpu.shares", "100"),
        ("pids", "pids.max", "max"),
    ];
    for (controller, file, value) in limits {
        assert_eq!(sleeper.file(controller, file), value, "{file}");
    }
    let (_, seen) = sleeper.exec("cat /proc/self/cgroup | cut -d: -f3 | sort -u; ls /sys/fs/cgroup");
    assert!(!seen.contains(&sleeper.0.id), "the container sees its place: {seen}");
}

#[test]
fn devices_are_denied_but_the_default_ones() {
    let rules = json!({"devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"},
    ]});
    let sleeper = Sleeper::new(&rules, |_| ());
    let (code, said) = sleeper.exec(
        "mknod() { busybox mknod \"$@\"; }
         mknod /tmp/mem c 1 1 && mknod /tmp/zero c 1 5 && mknod /tmp/port c 1 4 &&
         dd if=/tmp/zero of=/dev/null bs=1 count=1 2>/dev/null && echo zero
         dd if=/tmp/mem of=/dev/null bs=1 count=1 2>&1 | grep -c 'not permitted'
         dd if=/tmp/port of=/dev/null bs=1 count=1 2>&1 | grep -c 'not permitted'",
    );
    assert_eq!((code, said.as_str()), (0, "zero\n1\n1\n"));
}

#[test]
fn nested_cgroups_go_with_the_container() {
    if !v1() {
        return;
    }
    let sleeper = Sleeper::new(&json!({}), |_| ());
    let below = Path::new("/sys/fs/cgroup/memory").join(&sleeper.0.id).join("a/b");
    std::fs::create_dir_all(&below).expect("nested cgroup");
    let state: Value =
        serde_json::from_slice(&sleeper.0.tarec(&["state", &sleeper.0.id]).stdout).expect("state");
    std::fs::write(below.join("cgroup.procs"), state["pid"].to_string()).expect("moved");
    // The handle deletes it, and looks whether anything is left.
}

#[test]
fn without_a_cgroup_namespace_only_its_own_cgroup_is_seen() {
    let sleeper = Sleeper::new(&json!({}), |c| {
        c["linux"]["namespaces"].as_array_mut().expect("list").retain(|n| n["type"] != "cgroup");
    });
    let (_, seen) =
        sleeper.exec("cat /sys/fs/cgroup/memory/cgroup.procs | grep -c .; touch /sys/fs/cgroup/memory/x");
    // The sleeper, its shell if it has one, and this script's own processes.
    let count: u32 = seen.lines().next().and_then(|l| l.parse().ok()).expect("count");
    assert!((1..=6).contains(&count) && seen.contains("Read-only"), "{seen}");
}

/// Holds: linux.resources.none, linux.resources.unified-controller
#[test]
fn what_the_host_lacks_is_named() {
    let layer = busybox();
    for (resources, words) in [
        (
            json!({"unified": {"memory.high": "1000000"}}),
            "linux.resources.unified.memory.high needs cgroup v2",
        ),
        (json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}), "hugetlb"),
        (json!({"cpu": {"period": 1}}), "cpu.cfs_period_us"),
    ] {
        if !v1() {
            return;
        }
        let bundle = shell(layer.path(), "true");
        let mut config = serde_json::to_value(bundle.config()).expect("json");
        config["linux"]["resources"] = resources;
        let ground = Ground::new(&bundle);
        std::fs::write(ground.bundle().join("config.json"), config.to_string()).expect("config");
        let output = ground.run();
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).contains(words), "{words} is not in {}", errors(&output));
        assert_eq!(ground.left(), Vec::<String>::new());
    }
}
