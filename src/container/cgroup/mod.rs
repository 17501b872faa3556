//! Cgroups: v1, hybrid (v1 controllers beside an empty v2) and v2. For containers, and for the harness, which puts
//! every run of every target into one.

mod device_program;
mod devices;
mod figures;
mod hierarchy;
mod late;
mod limits;
mod remove;
mod resources;
mod resources_v1;
mod resources_v2;

pub use figures::CgroupMemory;
pub use hierarchy::{Hierarchies, V1Hierarchy};
pub use limits::Limits;

use crate::container::config::Resources;
use crate::sys::spawn::CgroupPlace;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why a cgroup operation failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file or folder of a hierarchy.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Neither v1 nor v2 with a memory controller is mounted.
    #[error("no cgroup hierarchy with a memory controller is mounted (see /proc/self/mountinfo)")]
    NoHierarchy,
    /// A controller that is not there.
    #[error("linux.resources needs the cgroup controller {controller}, which this host does not have")]
    NoController {
        /// Its name.
        controller: String,
    },
    /// A control file that is not there.
    #[error(
        "{path} does not exist: the controller is not enabled for this cgroup, or the kernel is too old for it"
    )]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A value that the kernel does not take.
    #[error("write {value:?} to {path}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The value.
        value: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `unified` on a host of v1.
    #[error("linux.resources.unified.{file} needs cgroup v2, and this host has v1")]
    NotUnified {
        /// Its name.
        file: String,
    },
    /// What v2 has no word for.
    #[error("linux.resources.{field} is for cgroup v1 alone, and this host has v2")]
    NotInV2 {
        /// JSON path below `linux.resources`.
        field: String,
    },
    /// `checkBeforeUpdate` on v2.
    #[error(
        "linux.resources.memory.limit: {limit} is less than the {usage} bytes in use (checkBeforeUpdate)"
    )]
    BelowUsage {
        /// As asked for.
        limit: i64,
        /// As the kernel counts.
        usage: String,
    },
    /// Somebody else's.
    #[error("cgroup {path} has processes already: choose another linux.cgroupsPath")]
    InUse {
        /// Its folder.
        path: PathBuf,
    },
    /// The program that guards the devices.
    #[error("device program of {path}")]
    Devices {
        /// The cgroup.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Still in use after a second.
    #[error("cgroup {path} is still in use")]
    Busy {
        /// Its folder.
        path: PathBuf,
    },
    /// A name or path that would leave the hierarchy.
    #[error("cgroup path {path:?} is not plain")]
    Path {
        /// As given.
        path: String,
    },
}

fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError::Io { step, path, source }
}

/// One cgroup, in every hierarchy that matters, at the same path in each.
#[derive(Debug)]
pub struct RunCgroup {
    hierarchies: Hierarchies,
    /// Relative to the hierarchies' roots.
    path: PathBuf,
}

/// Parent of all cgroups of the harness.
const PARENT: &str = "taremark";

impl RunCgroup {
    /// A fresh cgroup `taremark/<name>` with `limits`.
    pub fn create(name: &str, limits: &Limits) -> Result<Self, CgroupError> {
        Self::create_at(&format!("{PARENT}/{name}"), limits)
    }

    /// A cgroup at `path`, relative to the roots of the hierarchies. Folders that exist are used.
    pub fn create_at(path: &str, limits: &Limits) -> Result<Self, CgroupError> {
        let group = Self::plan_for(path, &Resources::default(), false)?;
        group.make(limits)?;
        Ok(group)
    }

    /// One that is yet to be made, or exists.
    pub fn plan(hierarchies: Hierarchies, path: &str) -> Result<Self, CgroupError> {
        let relative = PathBuf::from(path.trim_start_matches('/'));
        let plain = relative.components().all(|c| matches!(c, std::path::Component::Normal(_)));
        if !plain || relative.as_os_str().is_empty() {
            return Err(CgroupError::Path { path: path.to_owned() });
        }
        Ok(Self { hierarchies, path: relative })
    }

    /// Makes it. Folders that exist are used.
    pub fn make(&self, limits: &Limits) -> Result<(), CgroupError> {
        for dir in self.dirs() {
            make(&dir)?;
        }
        self.hierarchies.delegate(&self.path)?;
        limits.apply(self)
    }

    /// One for a container, in the v1 hierarchies that are part of every container and those that `resources` has something
    /// for. `lean`: nobody outside knows its path, so it is in those of cpu and the freezer only once they are asked for
    /// ([`Self::open_joined`]).
    pub fn plan_for(path: &str, resources: &Resources, lean: bool) -> Result<Self, CgroupError> {
        Self::plan(Hierarchies::detect_for(&resources::needed(resources), lean)?, path)
    }

    /// No cgroup at all: for an ordinary user to whom nothing is delegated.
    pub fn nowhere(self) -> Self {
        Self { hierarchies: Hierarchies::V1(Vec::new()), path: self.path }
    }

    /// Whether it is [`Self::nowhere`].
    pub fn is_nowhere(&self) -> bool {
        matches!(&self.hierarchies, Hierarchies::V1(all) if all.is_empty())
    }

    /// Whether this process may make it: its nearest folder that exists can be written to, in every hierarchy.
    pub fn may_be_made(&self) -> bool {
        let writable = |dir: &Path| rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok();
        self.dirs().iter().all(|dir| dir.ancestors().find(|d| d.exists()).is_some_and(writable))
    }

    /// A cgroup with processes is somebody else's.
    pub fn refuse_if_in_use(&self) -> Result<(), CgroupError> {
        match self.dir("memory") {
            Some(path) if !figures::pids_below(&path)?.is_empty() => Err(CgroupError::InUse { path }),
            _ => Ok(()),
        }
    }

    /// Makes it for a container.
    pub fn make_for(&self, resources: &Resources) -> Result<(), CgroupError> {
        for dir in self.dirs() {
            make(&dir)?;
        }
        self.hierarchies.inherit_cpuset(&self.path)?;
        self.hierarchies.delegate(&self.path)?;
        resources::apply(self, resources)?;
        devices::apply(self, &resources.devices)
    }

    /// Sets what `resources` names; what it does not name stays as it is.
    pub fn update(&self, resources: &Resources) -> Result<(), CgroupError> {
        resources::apply(self, resources)?;
        devices::apply(self, &resources.devices)
    }

    /// The hierarchies that it is in.
    pub fn hierarchies(&self) -> &Hierarchies {
        &self.hierarchies
    }

    /// An existing one.
    pub fn open_at(path: &str) -> Result<Self, CgroupError> {
        if path.trim_matches('/').is_empty() {
            // Never the root of a hierarchy: what is removed or killed there is the host.
            return Err(CgroupError::Path { path: path.to_owned() });
        }
        let path = PathBuf::from(path.trim_start_matches('/'));
        let mut hierarchies = Hierarchies::detect()?;
        if let Hierarchies::V1(all) = &mut hierarchies {
            // It was made only where it had limits, or is part of every container.
            all.retain(|h| h.root.join(&path).is_dir());
        }
        Ok(Self { hierarchies, path })
    }

    /// An existing one, which is from now on also in the v1 hierarchies of `controllers`.
    pub fn open_joined(path: &str, controllers: &[&str]) -> Result<Self, CgroupError> {
        let group = Self::open_at(path)?;
        late::join(&group, controllers)?;
        Self::open_at(path)
    }

    /// [`Self::open_joined`] for what `resources` sets.
    pub fn open_for(path: &str, resources: &Resources) -> Result<Self, CgroupError> {
        Self::open_joined(path, &resources::needed(resources))
    }

    /// Its folder in the v1 hierarchy of `controller`, or in v2.
    pub fn dir(&self, controller: &str) -> Option<PathBuf> {
        self.hierarchies.dir(controller).map(|root| root.join(&self.path))
    }

    fn dirs(&self) -> Vec<PathBuf> {
        self.hierarchies.roots().into_iter().map(|root| root.join(&self.path)).collect()
    }

    /// Where a child has to be born to live in it.
    pub fn place(&self) -> CgroupPlace {
        match &self.hierarchies {
            Hierarchies::V2 { root } => {
                CgroupPlace { v1_tasks: Vec::new(), v2_dir: Some(root.join(&self.path)) }
            }
            Hierarchies::V1(all) => {
                let pair = |h: &V1Hierarchy| {
                    (h.root.join(&self.path).join("tasks"), h.root.join(&h.own).join("tasks"))
                };
                CgroupPlace { v1_tasks: all.iter().map(pair).collect(), v2_dir: None }
            }
        }
    }

    /// v2: its folder, in which clone3 lets a child be born.
    pub fn open_v2(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let Hierarchies::V2 { root } = &self.hierarchies else { return Ok(None) };
        let dir = root.join(&self.path);
        std::fs::File::open(&dir).map(|f| Some(f.into())).map_err(io("open", &dir))
    }

    /// v1: the files by which a process of one thread joins it, see [`join`].
    pub fn open_tasks(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let Hierarchies::V1(all) = &self.hierarchies else { return Ok(Vec::new()) };
        let tasks = |h: &V1Hierarchy| {
            let file = h.root.join(&self.path).join("tasks");
            match std::fs::OpenOptions::new().write(true).open(&file) {
                Ok(file) => Some(Ok(file.into())),
                // A hierarchy that the container has no limits in.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && h.is_optional() => None,
                Err(e) => Some(Err(io("open", &file)(e))),
            }
        };
        all.iter().filter_map(tasks).collect()
    }

    /// Moves a process (0: the caller) into it.
    pub fn enter(&self, pid: i32) -> Result<(), CgroupError> {
        for dir in self.dirs() {
            let file = dir.join("cgroup.procs");
            std::fs::write(&file, pid.to_string()).map_err(io("enter", &file))?;
        }
        Ok(())
    }

    /// Memory charged to it and to those below it.
    pub fn memory(&self) -> Result<CgroupMemory, CgroupError> {
        let dir = self.dir("memory").ok_or(CgroupError::NoHierarchy)?;
        if self.hierarchies.is_v2() { figures::memory_v2(&dir) } else { figures::memory_v1(&dir) }
    }

    /// Processor time used in it and below it, nanoseconds.
    pub fn cpu_ns(&self) -> Result<u64, CgroupError> {
        let dir = self.dir("cpuacct").ok_or(CgroupError::NoHierarchy)?;
        figures::cpu_ns(&dir, self.hierarchies.is_v2())
    }

    /// Processes in it and below it.
    pub fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        let dir = self.dir("memory").ok_or(CgroupError::NoHierarchy)?;
        figures::pids_below(&dir)
    }

    /// Kills everything in it and waits until nothing is left.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        let dir = self.dir("memory").ok_or(CgroupError::NoHierarchy)?;
        remove::kill_all(&dir)
    }

    /// Removes it and those below it.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let mut dirs = self.dirs();
        if self.path.starts_with(PARENT) {
            // Another runtime that ran in it has made it in the hierarchies, too, that we leave alone.
            dirs = Hierarchies::detect()?.roots().into_iter().map(|root| root.join(&self.path)).collect();
        }
        for dir in dirs {
            remove::tree(&dir)?;
            // The last run of the last session takes the parent along; while there is another, this fails.
            if dir.parent().and_then(Path::file_name).is_some_and(|n| n == PARENT) {
                let _ = dir.parent().map(std::fs::remove_dir);
            }
        }
        Ok(())
    }

    /// Removes it where nobody is in it: after a start that failed. What others use stays.
    pub fn discard(&self) {
        for dir in self.dirs() {
            let _ = remove::if_empty(&dir);
        }
    }

    /// Ends what is still in it, if anything is, and removes it.
    pub fn clear(&self) -> Result<(), CgroupError> {
        if self.dirs().iter().all(|dir| remove::at_once(dir)) {
            return Ok(());
        }
        self.kill_all()?;
        self.remove()
    }

    /// Kills and removes what a dead session left: cgroups `taremark/<session>-…`. Their names.
    pub fn remove_stale(session: &str) -> Result<Vec<String>, CgroupError> {
        let hierarchies = Hierarchies::detect()?;
        let root = hierarchies.dir("memory").ok_or(CgroupError::NoHierarchy)?.join(PARENT);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("{session}-")) {
                let group = Self::open_at(&format!("{PARENT}/{name}"))?;
                group.kill_all()?;
                group.remove()?;
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// The calling process, which has one thread, joins the cgroups of `tasks`.
///
/// By `0` in `tasks`, never by a pid in `cgroup.procs`: there the kernel takes a lock that makes it wait for a grace
/// period of RCU, 10 to 20 ms when nobody else has just done the same (kernel/cgroup/cgroup.c,
/// cgroup_procs_write_start). Rights are those of whoever opened the files.
pub fn join(tasks: &[OwnedFd]) -> std::io::Result<()> {
    tasks.iter().try_for_each(|file| rustix::io::write(file, b"0").map(drop).map_err(Into::into))
}

/// mkdir -p; another session may remove the parent between its making and ours, hence the tries.
fn make(dir: &Path) -> Result<(), CgroupError> {
    let mut last = std::fs::create_dir(dir);
    for _ in 0..10 {
        match &last {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
            Err(_) => {}
        }
        last = dir.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::create_dir(dir));
    }
    last.map_err(io("create", dir))
}
