//! Where a run lives: a cgroup and a folder of its own, and what must be undone when it is gone.

use super::error::{TargetError, container, io};
use super::rows::{CleanUp, DEADLINE};
use crate::container::cgroup::{Limits, RunCgroup};
use std::path::{Path, PathBuf};

/// The surroundings of one run, made before t0 and removed after it.
pub struct Place {
    /// Name of the run, unique on this host; also the name of its cgroup.
    pub name: String,
    /// Folder for its sockets, bundle and mount points.
    pub dir: PathBuf,
    /// Fresh cgroup in which everything of the run lives, host-side helpers included.
    pub cgroup: RunCgroup,
}

impl Place {
    /// Makes the folder below `session_dir` and the cgroup.
    pub fn create(session_dir: &Path, name: &str, limits: &Limits) -> Result<Self, TargetError> {
        let dir = session_dir.join(name);
        std::fs::create_dir(&dir).map_err(io("create", &dir))?;
        let cgroup = RunCgroup::create(name, limits).map_err(|e| {
            let _ = std::fs::remove_dir(&dir);
            container(e)
        })?;
        Ok(Self { name: name.to_owned(), dir, cgroup })
    }

    /// Kills whatever is still there and removes cgroup and folder.
    pub fn remove(self) -> Result<(), TargetError> {
        let killed = self.cgroup.kill_all().map_err(container);
        let removed = self.cgroup.remove().map_err(container);
        let dir = std::fs::remove_dir_all(&self.dir).map_err(io("remove", &self.dir));
        killed.and(removed).and(dir)
    }
}

/// Steps that undo what arming did; run last first, all of them even when one fails.
#[derive(Default)]
pub struct Undo(Vec<UndoStep>);

/// One of them.
#[derive(Debug)]
pub enum UndoStep {
    /// Lazy unmount.
    Unmount(PathBuf),
    /// Delete a network link of the session's namespace.
    DeleteLink(String),
    /// Delete a file.
    RemoveFile(PathBuf),
    /// Empty a folder, and keep it.
    EmptyDir(PathBuf),
    /// What removes what a program may have left of a run, such as `runc delete --force id`. How it ends says nothing:
    /// usually there is nothing left to remove.
    Command(CleanUp),
}

impl Undo {
    /// To be undone later.
    pub fn push(&mut self, step: UndoStep) {
        self.0.push(step);
    }

    /// Undoes everything; the first error is returned, the others are as good as lost with it.
    pub fn run(&mut self) -> Result<(), TargetError> {
        let mut first = Ok(());
        while let Some(step) = self.0.pop() {
            let result = step.run();
            if first.is_ok() {
                first = result;
            }
        }
        first
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = self.run();
    }
}

impl UndoStep {
    fn run(&self) -> Result<(), TargetError> {
        match self {
            UndoStep::Unmount(path) => nix::mount::umount2(path, nix::mount::MntFlags::MNT_DETACH)
                .map_err(|e| TargetError::Io { step: "unmount", path: path.clone(), source: e.into() }),
            UndoStep::DeleteLink(name) => crate::sys::netlink::delete_link(name)
                .map_err(|source| TargetError::Network { step: "delete the link", source }),
            UndoStep::RemoveFile(path) => std::fs::remove_file(path).map_err(io("remove", path)),
            UndoStep::EmptyDir(path) => empty(path).map_err(io("empty", path)),
            UndoStep::Command(command) => command.run(DEADLINE).map(|_| ()),
        }
    }
}

fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
