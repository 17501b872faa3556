//! A runtime makes files and folders to mount on where the image has none. They are not part of what a step made.

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, openat2, statat, unlinkat};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// On which every runtime mounts.
const ALWAYS: [&str; 3] = ["/proc", "/dev", "/sys"];

/// See the module.
#[derive(Debug)]
pub struct Stubs {
    root: Option<OwnedFd>,
    /// What was not there before, from the root down.
    missing: Vec<PathBuf>,
    /// Folders into which something was made, as they were.
    above: Vec<(PathBuf, Stat)>,
}

impl Stubs {
    /// Looks before the command runs.
    pub fn before<'a>(root: &OwnedFd, targets: impl Iterator<Item = &'a Path>) -> Self {
        let mut stubs = Self { root: root.try_clone().ok(), missing: Vec::new(), above: Vec::new() };
        for target in ALWAYS.iter().map(Path::new).chain(targets) {
            // What lies below these is mounted by the runtime itself.
            if ALWAYS.iter().any(|a| target.starts_with(a) && target != Path::new(a)) {
                continue;
            }
            let relative = target.strip_prefix("/").unwrap_or(target);
            let mut paths: Vec<&Path> = relative.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
            paths.reverse();
            for path in paths {
                if find(root, path).is_none() && !stubs.missing.iter().any(|m| m == path) {
                    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty())
                        && let Some(stat) = look(root, parent)
                    {
                        stubs.above.push((parent.to_owned(), stat));
                    }
                    stubs.missing.push(path.to_owned());
                }
            }
        }
        stubs
    }

    /// Takes them away, if they are still empty; and folders of `upper` that are there only because of them.
    pub fn clear(self, upper: Option<&Path>) {
        let Some(root) = &self.root else { return };
        for path in self.missing.iter().rev() {
            let Some(parent) = find(root, path.parent().unwrap_or(Path::new(""))) else { continue };
            let name = path.file_name().unwrap_or_default();
            match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(s) if rustix::fs::FileType::from_raw_mode(s.st_mode).is_dir() => {
                    // One that is not empty stays, as it has something of the command's.
                    let _ = unlinkat(&parent, name, AtFlags::REMOVEDIR);
                }
                Ok(s) if s.st_size == 0 => {
                    let _ = unlinkat(&parent, name, AtFlags::empty());
                }
                _ => {}
            }
        }
        let Some(upper) = upper else { return };
        for (path, before) in self.above.iter().rev() {
            for dir in path.ancestors().filter(|p| !p.as_os_str().is_empty()) {
                let same = rustix::fs::lstat(upper.join(dir)).is_ok_and(|now| {
                    let of = |s: &Stat| (s.st_mode, s.st_uid, s.st_gid);
                    dir != path || of(&now) == of(before)
                });
                // Only an empty one goes: nothing of the command's is in it.
                if !same || std::fs::remove_dir(upper.join(dir)).is_err() {
                    break;
                }
            }
        }
    }
}

fn find(root: &OwnedFd, path: &Path) -> Option<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT).ok()
}

fn look(root: &OwnedFd, path: &Path) -> Option<Stat> {
    find(root, path).and_then(|fd| rustix::fs::fstat(&fd).ok())
}
