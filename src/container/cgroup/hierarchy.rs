//! Which hierarchies this host has.

use super::{CgroupError, io};
use std::path::{Path, PathBuf};

/// The v1 controllers that we use. Every container is in the first six.
const V1: [&str; 13] = [
    "memory", "cpu", "cpuacct", "pids", "freezer", "devices", "cpuset", "blkio", "hugetlb", "net_cls",
    "net_prio", "rdma", "misc",
];
const ALWAYS: usize = 6;
/// Of these, those that cost nothing to be in later: what they count does not depend on when it came (who is there), and
/// no limit is theirs by default.
const LATE: [&str; 3] = ["cpu", "freezer", "pids"];

/// A v1 hierarchy.
#[derive(Debug, Clone)]
pub struct V1Hierarchy {
    /// Its controllers, of those that we use.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub root: PathBuf,
    /// The caller's cgroup in it, relative to the root.
    pub own: PathBuf,
}

impl V1Hierarchy {
    /// Whether only containers with limits in it are in it.
    pub(super) fn is_optional(&self) -> bool {
        !self.controllers.iter().any(|c| V1[..ALWAYS].contains(&c.as_str()))
    }
}

/// See [`Hierarchies::keep`].
fn is_wanted(controllers: &[String], needed: &[&str], lean: bool) -> bool {
    let any_of = |all: &[&str]| controllers.iter().any(|c| all.contains(&c.as_str()));
    let at_once = |c: &String| V1[..ALWAYS].contains(&c.as_str()) && !(lean && LATE.contains(&c.as_str()));
    any_of(needed) || controllers.iter().any(at_once)
}

/// What is mounted.
#[derive(Debug, Clone)]
pub enum Hierarchies {
    /// v2 with its controllers.
    V2 {
        /// Where it is mounted.
        root: PathBuf,
    },
    /// v1, or hybrid, where v2 is mounted beside it but the controllers are here.
    V1(Vec<V1Hierarchy>),
}

/// Where hierarchies are mounted on nearly every host.
const USUAL: &str = "/sys/fs/cgroup";

impl Hierarchies {
    /// Asks the usual places first: /proc/self/mountinfo grows with every mount of the host, and this is on the path of
    /// every start (proc(5), cgroups(7)).
    pub fn detect() -> Result<Self, CgroupError> {
        Self::detect_where(|_| true)
    }

    /// Those that a container with `needed` is in, see [`Self::keep`]; others are not even looked at.
    pub(super) fn detect_for(needed: &[&str], lean: bool) -> Result<Self, CgroupError> {
        let mut found = Self::detect_where(|controllers| is_wanted(controllers, needed, lean))?;
        found.keep(needed, lean);
        Ok(found)
    }

    fn detect_where(wanted: impl Fn(&[String]) -> bool) -> Result<Self, CgroupError> {
        let usual = Path::new(USUAL);
        if magic(usual) == Some(CGROUP2_SUPER_MAGIC) {
            return Ok(Self::V2 { root: usual.to_owned() });
        }
        let own = read("/proc/self/cgroup")?;
        if let Some(found) = Self::usual(&own, wanted, |dir| magic(dir) == Some(CGROUP_SUPER_MAGIC)) {
            return Ok(found);
        }
        Self::parse(&read("/proc/self/mountinfo")?, &own).ok_or(CgroupError::NoHierarchy)
    }

    /// v1 as /proc/self/cgroup lists it, where each hierarchy is mounted in a folder with the names of its controllers.
    fn usual(
        own: &str,
        wanted: impl Fn(&[String]) -> bool,
        is_cgroup: impl Fn(&Path) -> bool,
    ) -> Option<Self> {
        let mut v1 = Vec::new();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next()?, fields.next()?);
            let controllers: Vec<String> =
                names.split(',').filter(|o| V1.contains(o)).map(str::to_owned).collect();
            if controllers.is_empty() || !wanted(&controllers) {
                continue;
            }
            let root = Path::new(USUAL).join(names);
            if !is_cgroup(&root) {
                return None;
            }
            v1.push(V1Hierarchy { controllers, root, own: PathBuf::from(path.trim_start_matches('/')) });
        }
        v1.iter().any(|h| h.controllers.iter().any(|c| c == "memory")).then_some(Self::V1(v1))
    }

    fn parse(mountinfo: &str, own: &str) -> Option<Self> {
        let mut v1: Vec<V1Hierarchy> = Vec::new();
        let mut v2 = None;
        for line in mountinfo.lines() {
            let (before, after) = line.split_once(" - ")?;
            let mount = PathBuf::from(before.split(' ').nth(4)?);
            let mut after = after.split(' ');
            match after.next()? {
                "cgroup2" => v2 = Some(mount),
                "cgroup" => {
                    let options = after.nth(1)?;
                    let controllers: Vec<String> =
                        options.split(',').filter(|o| V1.contains(o)).map(str::to_owned).collect();
                    let own =
                        own_path(own, |names| controllers.iter().any(|c| names.split(',').any(|n| n == c)));
                    if !controllers.is_empty() && !v1.iter().any(|h| h.controllers == controllers) {
                        v1.push(V1Hierarchy { controllers, root: mount, own });
                    }
                }
                _ => {}
            }
        }
        if v1.iter().any(|h| h.controllers.iter().any(|c| c == "memory")) {
            return Some(Self::V1(v1));
        }
        v2.map(|root| Self::V2 { root })
    }

    /// Mount point of the hierarchy that has `controller`.
    pub fn dir(&self, controller: &str) -> Option<PathBuf> {
        match self {
            Self::V2 { root } => Some(root.clone()),
            Self::V1(all) => {
                all.iter().find(|h| h.controllers.iter().any(|c| c == controller)).map(|h| h.root.clone())
            }
        }
    }

    /// All mount points.
    pub fn roots(&self) -> Vec<PathBuf> {
        match self {
            Self::V2 { root } => vec![root.clone()],
            Self::V1(all) => all.iter().map(|h| h.root.clone()).collect(),
        }
    }

    /// Whether it is v2.
    pub fn is_v2(&self) -> bool {
        matches!(self, Self::V2 { .. })
    }

    /// v1: leaves out the optional hierarchies that have none of `controllers`; `lean`: and those of [`LATE`] alone.
    pub(super) fn keep(&mut self, controllers: &[&str], lean: bool) {
        if let Self::V1(all) = self {
            all.retain(|h| is_wanted(&h.controllers, controllers, lean));
        }
    }

    /// v1: nobody can join a cpuset without CPUs and memory nodes, so an empty one gets its parent's, from the top.
    pub(super) fn inherit_cpuset(&self, path: &Path) -> Result<(), CgroupError> {
        let Self::V1(all) = self else { return Ok(()) };
        let Some(h) = all.iter().find(|h| h.controllers.iter().any(|c| c == "cpuset")) else { return Ok(()) };
        let steps: Vec<&Path> = path.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
        for step in steps.into_iter().rev() {
            let dir = h.root.join(step);
            for name in ["cpuset.cpus", "cpuset.mems"] {
                let read = |dir: &Path| std::fs::read_to_string(dir.join(name)).map_err(io("read", dir));
                if read(&dir)?.trim().is_empty() {
                    let above = read(dir.parent().unwrap_or(&h.root))?;
                    std::fs::write(dir.join(name), above.trim()).map_err(io("write", &dir.join(name)))?;
                }
            }
        }
        Ok(())
    }

    /// v2 only: enables all controllers that are there for `path`, in its ancestors (cgroup.subtree_control). One that
    /// cannot be enabled, as in a folder that was delegated to a user without it, matters only to who wants to limit by
    /// it, and is named there.
    pub(super) fn delegate(&self, path: &Path) -> Result<(), CgroupError> {
        let Self::V2 { root } = self else { return Ok(()) };
        let ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
        for ancestor in ancestors.into_iter().rev() {
            let dir = root.join(ancestor);
            let read = |name: &str| std::fs::read_to_string(dir.join(name)).map_err(io("read", &dir));
            let (there, on) = (read("cgroup.controllers")?, read("cgroup.subtree_control")?);
            let missing = there.split_whitespace().filter(|c| !on.split_whitespace().any(|o| o == *c));
            let missing: Vec<String> = missing.map(|c| format!("+{c}")).collect();
            let file = dir.join("cgroup.subtree_control");
            if !missing.is_empty() && std::fs::write(&file, missing.join(" ")).is_err() {
                for one in missing {
                    let _ = std::fs::write(&file, one);
                }
            }
        }
        Ok(())
    }
}

impl Hierarchies {
    /// v2: whether a child of this process may be born in `path`: that takes the right to write to the `cgroup.procs` of
    /// their common ancestor (Documentation/admin-guide/cgroup-v2.rst, "Delegation Containment"). v1 knows no such rule.
    pub(super) fn may_move_to(&self, path: &Path) -> bool {
        let Self::V2 { root } = self else { return true };
        let Some(own) = own_of_v2() else { return false };
        let common = own.components().zip(path.components()).take_while(|(a, b)| a == b).map(|(a, _)| a);
        let procs = root.join(common.collect::<PathBuf>()).join("cgroup.procs");
        rustix::fs::access(&procs, rustix::fs::Access::WRITE_OK).is_ok()
    }
}

/// This process's cgroup of v2, relative to its root. None where it is not in sight.
fn own_of_v2() -> Option<PathBuf> {
    let text = read("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|l| l.strip_prefix("0::/"))?;
    (!path.starts_with("..")).then(|| path.into())
}

/// On v2 the cgroup above this process's own, `/a/b`; None on v1, and where there is none above.
pub(in crate::container) fn parent_of_own() -> Option<String> {
    let own = own_of_v2().filter(|_| magic(Path::new(USUAL)) == Some(CGROUP2_SUPER_MAGIC))?;
    let parent = own.parent().filter(|p| !p.as_os_str().is_empty())?;
    Some(format!("/{}", parent.display()))
}

/// linux/magic.h
const CGROUP_SUPER_MAGIC: i64 = 0x0027_e0eb;
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

fn magic(path: &Path) -> Option<i64> {
    rustix::fs::statfs(path).ok().map(|s| s.f_type)
}

/// A file of procfs whole, by few and large reads: each read makes the kernel write the text anew.
fn read(path: &str) -> Result<String, CgroupError> {
    use std::io::Read;
    let failed = |e| io("read", Path::new(path))(e);
    let mut text = String::with_capacity(16 << 10);
    std::fs::File::open(path).and_then(|mut f| f.read_to_string(&mut text)).map_err(failed)?;
    Ok(text)
}

/// Path of the caller's cgroup: third field of the line of /proc/self/cgroup whose controllers match.
fn own_path(own: &str, matches: impl Fn(&str) -> bool) -> PathBuf {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let names = fields.next()?;
        matches(names).then(|| fields.next()).flatten()
    });
    PathBuf::from(path.unwrap_or("/").trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "30 29 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        32 29 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        33 29 0:29 / / rw - ext4 /dev/vda rw\n";

    #[test]
    fn hybrid_is_v1() {
        let h = Hierarchies::parse(HYBRID, "4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n").expect("hierarchies");
        let Hierarchies::V1(all) = h else { panic!("not v1") };
        assert_eq!(all[0].own, Path::new("a/b"));
        assert_eq!(all[1].controllers, ["cpu", "cpuacct"]);
    }

    #[test]
    fn the_usual_places_need_no_mountinfo() {
        let own = "4:name=systemd:/\n3:memory:/a\n2:cpu,cpuacct:/\n0::/\n";
        let Some(Hierarchies::V1(all)) = Hierarchies::usual(own, |_| true, |_| true) else {
            panic!("not v1")
        };
        assert_eq!(all[0].root, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(all[1].root, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert!(Hierarchies::usual(own, |_| true, |p| !p.ends_with("memory")).is_none());
        let lean = |c: &[String]| is_wanted(c, &[], true);
        let more = "5:freezer:/\n4:blkio:/\n3:memory:/a\n2:cpu,cpuacct:/\n1:cpu:/\n";
        let Some(Hierarchies::V1(few)) = Hierarchies::usual(more, lean, |_| true) else { panic!("not v1") };
        assert_eq!(few.iter().map(|h| h.controllers.len()).collect::<Vec<_>>(), [1, 2], "{few:?}");
    }

    #[test]
    fn v2_alone_is_v2_and_nothing_is_none() {
        let v2 = "25 24 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert!(Hierarchies::parse(v2, "0::/x\n").expect("hierarchies").is_v2());
        assert!(Hierarchies::parse("33 29 0:29 / / rw - ext4 /dev/vda rw\n", "").is_none());
    }
}
