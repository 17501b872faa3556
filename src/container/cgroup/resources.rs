//! `linux.resources` of a runtime config, set on a cgroup.

use super::{CgroupError, RunCgroup, io};
use super::{resources_v1, resources_v2};
use crate::container::config::Resources;
use std::path::PathBuf;

/// Sets what `resources` names; what it does not name stays as it is. Devices are for [`super::devices`].
pub(super) fn apply(group: &RunCgroup, resources: &Resources) -> Result<(), CgroupError> {
    let set = Setter { group };
    if group.hierarchies.is_v2() {
        resources_v2::apply(&set, resources)?;
    } else {
        resources_v1::apply(&set, resources)?;
    }
    set.unified(resources)
}

/// Writes control files.
pub(super) struct Setter<'a> {
    group: &'a RunCgroup,
}

impl Setter<'_> {
    fn path(&self, file: &str) -> Result<PathBuf, CgroupError> {
        let controller = file.split('.').next().unwrap_or(file);
        let dir = self.group.dir(controller);
        Ok(dir.ok_or_else(|| CgroupError::NoController { controller: controller.to_owned() })?.join(file))
    }

    /// One value to one file of its controller.
    pub(super) fn write(&self, file: &str, value: impl ToString) -> Result<(), CgroupError> {
        let path = self.path(file)?;
        put(&path, &value.to_string()).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => CgroupError::NoFile { path },
            _ => CgroupError::Value { path, value: value.to_string(), source: e },
        })
    }

    /// The same, where there is a value.
    pub(super) fn write_some<T: ToString>(&self, file: &str, value: Option<T>) -> Result<(), CgroupError> {
        value.map_or(Ok(()), |value| self.write(file, value))
    }

    /// The same for text, where empty is none.
    pub(super) fn write_text(&self, file: &str, value: &str) -> Result<(), CgroupError> {
        if value.is_empty() { Ok(()) } else { self.write(file, value) }
    }

    /// The same, where the kernel has such a file.
    pub(super) fn write_if_there(&self, file: &str, value: impl ToString) -> Result<(), CgroupError> {
        if self.exists(file) { self.write(file, value) } else { Ok(()) }
    }

    pub(super) fn exists(&self, file: &str) -> bool {
        self.path(file).is_ok_and(|p| p.exists())
    }

    pub(super) fn read(&self, file: &str) -> Result<String, CgroupError> {
        let path = self.path(file)?;
        std::fs::read_to_string(&path).map(|t| t.trim().to_owned()).map_err(io("read", &path))
    }

    /// `unified`: files of v2 by their names.
    fn unified(&self, resources: &Resources) -> Result<(), CgroupError> {
        for (file, value) in &resources.unified {
            if !self.group.hierarchies.is_v2() {
                return Err(CgroupError::NotUnified { file: file.clone() });
            }
            let plain =
                !file.is_empty() && !file.contains('/') && file.contains('.') && !file.starts_with('.');
            if !plain {
                return Err(CgroupError::Path { path: file.clone() });
            }
            // Some files, io.max and rdma.max among them, take one line a write.
            value.lines().try_for_each(|line| self.write(file, line))?;
        }
        Ok(())
    }
}

/// One write, no creation: cgroup files are there or not.
fn put(path: &std::path::Path, value: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// v1 controllers that `resources` needs beyond those that every container is in.
pub(super) fn needed(resources: &Resources) -> Vec<&'static str> {
    let cpu = resources.cpu.as_ref();
    let cpuset = cpu.is_some_and(|c| !c.cpus.is_empty() || !c.mems.is_empty());
    let network = resources.network.as_ref();
    let time = cpu.is_some_and(|c| {
        let some = [c.shares.is_some(), c.period.is_some(), c.quota.is_some(), c.burst.is_some()];
        let more = [c.realtime_period.is_some(), c.realtime_runtime.is_some(), c.idle.is_some()];
        some.contains(&true) || more.contains(&true)
    });
    let all = [
        ("cpu", time),
        ("cpuset", cpuset),
        ("blkio", resources.block_io.is_some()),
        ("hugetlb", !resources.hugepage_limits.is_empty()),
        ("net_cls", network.is_some_and(|n| n.class_id.is_some())),
        ("net_prio", network.is_some_and(|n| !n.priorities.is_empty())),
        ("rdma", !resources.rdma.is_empty()),
    ];
    all.into_iter().filter(|(_, needed)| *needed).map(|(name, _)| name).collect()
}
