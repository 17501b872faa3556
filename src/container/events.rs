//! `events`: figures of a container, in the form in which runc prints them and engines read them.

use super::cgroup::RunCgroup;
use super::error::RuntimeError;
use super::state::{StateDir, Status};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Whether it has a process to tell of.
pub fn is_running(root: &Path, id: &str) -> bool {
    let status = StateDir::open(root, id).and_then(|dir| Ok(dir.status(&dir.load()?)));
    status.is_ok_and(|status| status != Status::Stopped)
}

/// One event with all figures.
pub fn stats(root: &Path, id: &str) -> Result<Value, RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    if dir.status(&saved) == Status::Stopped {
        return Err(RuntimeError::NotRunning { id: id.to_owned() });
    }
    dir.note_joined()?;
    let cgroup = RunCgroup::open_joined(&saved.cgroups_path, &["pids"])?;
    cgroup.must_exist()?;
    let files = Files(cgroup);
    let data = json!({
        "cpu": files.cpu(),
        "memory": files.memory(),
        "pids": {"current": files.number("pids", &["pids.current"]), "limit": files.limit("pids", &["pids.max"])},
        "blkio": {"ioServiceBytesRecursive": files.io()},
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": null,
    });
    Ok(json!({"type": "stats", "id": id, "data": data}))
}

/// How many processes the kernel has killed there for want of memory, also where the container has ended of it.
pub fn oom_kills(root: &Path, id: &str) -> Result<u64, RuntimeError> {
    let saved = StateDir::open(root, id)?.load()?;
    let files = Files(RunCgroup::open_at(&saved.cgroups_path)?);
    let counted = |name: &str| files.pairs("memory", name).get("oom_kill").and_then(Value::as_u64);
    Ok(counted("memory.oom_control").or(counted("memory.events")).unwrap_or(0))
}

/// Control files by controller; v1 and v2 differ in names only, where both have the figure.
struct Files(RunCgroup);

impl Files {
    fn path(&self, controller: &str, name: &str) -> Option<PathBuf> {
        self.0.dir(controller).map(|d| d.join(name))
    }

    fn text(&self, controller: &str, names: &[&str]) -> Option<String> {
        let mut paths = names.iter().filter_map(|name| self.path(controller, name));
        paths.find_map(|path| std::fs::read_to_string(path).ok())
    }

    /// The first of the files that is there; 0 without one, as in runc.
    fn number(&self, controller: &str, names: &[&str]) -> u64 {
        self.text(controller, names).and_then(|t| t.trim().parse().ok()).unwrap_or(0)
    }

    /// `max` is the largest number.
    fn limit(&self, controller: &str, names: &[&str]) -> u64 {
        match self.text(controller, names).as_deref().map(str::trim) {
            Some("max") if controller == "pids" => 0,
            Some("max") => u64::MAX,
            Some(text) => text.parse().unwrap_or(0),
            None => 0,
        }
    }

    fn pairs(&self, controller: &str, name: &str) -> Map<String, Value> {
        let text = self.text(controller, &[name]).unwrap_or_default();
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), Value::from(value.trim().parse::<u64>().ok()?)))
        };
        text.lines().filter_map(pair).collect()
    }

    /// Times in nanoseconds.
    fn cpu(&self) -> Value {
        let total = self.0.cpu_ns().unwrap_or(0);
        let stat = self.pairs("cpu", "cpu.stat");
        let get = |key: &str| stat.get(key).and_then(Value::as_u64);
        let micros = |key: &str| get(key).map(|us| us * 1000);
        let v1 = self.pairs("cpuacct", "cpuacct.stat");
        // cpuacct.stat counts in USER_HZ, which is 100 on every architecture that we run on.
        let ticks = |key: &str| v1.get(key).and_then(Value::as_u64).map(|t| t * 10_000_000);
        let per_cpu: Vec<u64> = self
            .text("cpuacct", &["cpuacct.usage_percpu"])
            .map(|t| t.split_whitespace().filter_map(|n| n.parse().ok()).collect())
            .unwrap_or_default();
        json!({
            "usage": {
                "total": total,
                "percpu": per_cpu,
                "kernel": micros("system_usec").or(ticks("system")).unwrap_or(0),
                "user": micros("user_usec").or(ticks("user")).unwrap_or(0),
            },
            "throttling": {
                "periods": get("nr_periods").unwrap_or(0),
                "throttledPeriods": get("nr_throttled").unwrap_or(0),
                "throttledTime": get("throttled_time").or(micros("throttled_usec")).unwrap_or(0),
            },
        })
    }

    fn memory(&self) -> Value {
        let n = |names: &[&str]| self.number("memory", names);
        let raw = self.pairs("memory", "memory.stat");
        let get = |key: &str| raw.get(key).and_then(Value::as_u64);
        json!({
            "cache": get("total_cache").or(get("file")).unwrap_or(0),
            "usage": {
                "limit": self.limit("memory", &["memory.limit_in_bytes", "memory.max"]),
                "usage": n(&["memory.usage_in_bytes", "memory.current"]),
                "max": n(&["memory.max_usage_in_bytes", "memory.peak"]),
                "failcnt": n(&["memory.failcnt"]),
            },
            "swap": {
                "limit": self.limit("memory", &["memory.memsw.limit_in_bytes", "memory.swap.max"]),
                "usage": n(&["memory.memsw.usage_in_bytes", "memory.swap.current"]),
                "failcnt": n(&["memory.memsw.failcnt"]),
            },
            "kernel": {
                "limit": self.limit("memory", &["memory.kmem.limit_in_bytes"]),
                "usage": n(&["memory.kmem.usage_in_bytes"]),
                "failcnt": n(&["memory.kmem.failcnt"]),
            },
            "raw": raw,
        })
    }

    /// Lines `MAJ:MIN Read BYTES` (v1) or `MAJ:MIN rbytes=BYTES …` (v2).
    fn io(&self) -> Vec<Value> {
        let names = ["blkio.throttle.io_service_bytes_recursive", "io.stat"];
        let text = self.text("blkio", &names).unwrap_or_default();
        text.lines().flat_map(io_line).collect()
    }
}

fn io_line(line: &str) -> Vec<Value> {
    let mut words = line.split_whitespace();
    let Some((major, minor)) = words.next().and_then(|d| d.split_once(':')) else { return Vec::new() };
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else { return Vec::new() };
    let entry = |op: &str, value: &str| {
        let value: u64 = value.parse().ok()?;
        Some(json!({"major": major, "minor": minor, "op": op, "value": value}))
    };
    let rest: Vec<&str> = words.collect();
    match rest[..] {
        [op, value] if !op.contains('=') => entry(op, value).into_iter().collect(),
        _ => {
            let named = |w: &&str| {
                let (key, value) = w.split_once('=')?;
                match key {
                    "rbytes" => entry("Read", value),
                    "wbytes" => entry("Write", value),
                    _ => None,
                }
            };
            rest.iter().filter_map(named).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_of_both_versions_reads_the_same() {
        let v1 = [io_line("8:0 Read 512"), io_line("8:0 Write 1024")].concat();
        let v2 = io_line("8:0 rbytes=512 wbytes=1024 rios=1 wios=2 dbytes=0 dios=0");
        assert_eq!(v1, v2);
        assert!(io_line("Total 9").is_empty());
    }
}
