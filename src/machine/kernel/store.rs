//! The kernels in the cache: a folder each below `kernels`, and two links that say which are used.

use super::{Kernel, modules};
use crate::machine::cache;
use crate::machine::error::{MachineError, io};
use std::path::{Path, PathBuf};

/// Raised when what is made of a package or a source changes. In the names of folders and links, so that builds of
/// taremark with different layouts do not fight over a cache.
const LAYOUT: &str = "3";

/// Where a kernel came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A package of the distribution.
    Distribution,
    /// Built by `taremark kernel build`.
    Own,
    /// A file that the user named.
    User,
}

impl Origin {
    /// As in lists and on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Own => "own",
            Self::User => "user",
        }
    }

    /// The link to the one that is used.
    fn link(self) -> String {
        format!("{}-in-use-{LAYOUT}", self.name())
    }
}

/// A kernel in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Name of its folder, as `kernel use` takes it.
    pub name: String,
    /// The kernel.
    pub kernel: Kernel,
    /// Whether machines boot it: `microvm` the distribution's, `microvm:own` one of our own.
    pub used: bool,
}

pub(super) fn dir(cache_dir: &Path) -> PathBuf {
    cache_dir.join("kernels")
}

fn folder(cache_dir: &Path, name: &str) -> PathBuf {
    dir(cache_dir).join(format!("{name}_{LAYOUT}"))
}

/// Whether it is in the cache, whole.
pub(super) fn has(cache_dir: &Path, name: &str) -> bool {
    folder(cache_dir, name).join("layout").is_file()
}

/// Lets `make` fill a new folder (its second argument; the first is for what is not kept) unless it is there.
pub(super) fn made_once(
    cache_dir: &Path,
    name: &str,
    make: impl FnOnce(&Path, &Path) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    if has(cache_dir, name) {
        return Ok(());
    }
    let kernels = dir(cache_dir);
    std::fs::create_dir_all(&kernels).map_err(io("create", &kernels))?;
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(&kernels);
    let making = making.map_err(io("create in", &kernels))?;
    let made = making.path().join("made");
    std::fs::create_dir(&made).map_err(io("create", &made))?;
    make(making.path(), &made)?;
    let to = folder(cache_dir, name);
    if !has(cache_dir, name) {
        // A torn one makes way. A whole one, of a process that was quicker, is perhaps being booted.
        let _ = std::fs::rename(&to, making.path().join("torn"));
    }
    match std::fs::rename(&made, &to) {
        Err(_) if has(cache_dir, name) => Ok(()),
        done => done.map_err(io("rename to", &to)),
    }
}

pub(super) fn write(made: &Path, name: &str, bytes: &[u8]) -> Result<(), MachineError> {
    let path = made.join(name);
    std::fs::write(&path, bytes).map_err(io("write", &path))
}

/// The names, and last the mark that says that the folder is whole.
pub(super) fn finish(made: &Path, release: &str, version: &str, origin: Origin) -> Result<(), MachineError> {
    write(made, "release", release.as_bytes())?;
    write(made, "version", version.as_bytes())?;
    write(made, "origin", origin.name().as_bytes())?;
    write(made, "layout", LAYOUT.as_bytes())
}

/// Makes it the one of its kind that machines boot.
pub fn choose(cache_dir: &Path, name: &str) -> Result<Kernel, MachineError> {
    let kernel = read(&folder(cache_dir, name)).ok_or_else(|| {
        let known = list(cache_dir).into_iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
        MachineError::UnknownKernel { name: name.to_owned(), known }
    })?;
    cache::put(&dir(cache_dir).join(kernel.origin.link()), |to| {
        std::os::unix::fs::symlink(format!("{name}_{LAYOUT}"), to).map_err(io("create", to))
    })?;
    Ok(kernel)
}

/// The one of this kind that machines boot.
pub(super) fn used(cache_dir: &Path, origin: Origin) -> Option<Kernel> {
    read(&std::fs::canonicalize(dir(cache_dir).join(origin.link())).ok()?)
}

/// The kernel of a cache that this file is the vmlinux of.
pub(super) fn of_file(path: &Path) -> Option<Kernel> {
    let path = std::fs::canonicalize(path).ok()?;
    read(path.parent()?).filter(|k| k.vmlinux == path)
}

/// All that are whole, by name.
pub fn list(cache_dir: &Path) -> Vec<Stored> {
    let entries = std::fs::read_dir(dir(cache_dir)).into_iter().flatten().flatten();
    let mut found: Vec<Stored> = entries
        .filter_map(|e| {
            let name = e.file_name().to_string_lossy().strip_suffix(&format!("_{LAYOUT}"))?.to_owned();
            let kernel = read(&e.path())?;
            let used = used(cache_dir, kernel.origin).is_some_and(|u| u.vmlinux == kernel.vmlinux);
            Some(Stored { name, kernel, used })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn read(dir: &Path) -> Option<Kernel> {
    let dir = std::fs::canonicalize(dir).ok()?;
    let text = |name: &str| Some(std::fs::read_to_string(dir.join(name)).ok()?.trim().to_owned());
    if text("layout")? != LAYOUT {
        return None;
    }
    let release = text("release")?;
    let origin = if text("origin")? == Origin::Own.name() { Origin::Own } else { Origin::Distribution };
    let drivers = dir.join("modules");
    let modules = if drivers.is_dir() { modules::in_order(&release, &drivers).ok()? } else { Vec::new() };
    let bzimage = Some(dir.join("bzImage")).filter(|p| p.is_file());
    Some(Kernel {
        release,
        version: text("version")?,
        origin,
        vmlinux: dir.join("vmlinux"),
        bzimage,
        modules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(cache: &Path, name: &str, origin: Origin) {
        made_once(cache, name, |_, made| {
            write(made, "vmlinux", b"kernel")?;
            finish(made, "6.1", "a package", origin)
        })
        .expect("store");
    }

    #[test]
    fn one_of_each_kind_is_used() {
        let dir = tempfile::tempdir().expect("folder");
        assert!(used(dir.path(), Origin::Own).is_none() && list(dir.path()).is_empty());
        stored(dir.path(), "a", Origin::Distribution);
        stored(dir.path(), "b", Origin::Own);
        stored(dir.path(), "c", Origin::Own);
        for name in ["a", "b", "c"] {
            choose(dir.path(), name).expect("use");
        }
        let used: Vec<(String, bool)> = list(dir.path()).into_iter().map(|s| (s.name, s.used)).collect();
        assert_eq!(used, [("a".into(), true), ("b".into(), false), ("c".into(), true)]);
        let own = folder(dir.path(), "b").join("vmlinux");
        assert_eq!(of_file(&own).map(|k| k.origin), Some(Origin::Own));
        assert!(of_file(&own.with_file_name("release")).is_none());
        let e = choose(dir.path(), "d").expect_err("unknown").to_string();
        assert_eq!(e, "there is no kernel \"d\" in the cache: a, b, c are");
    }

    #[test]
    fn the_quicker_of_two_is_kept_and_a_torn_one_is_not() {
        let dir = tempfile::tempdir().expect("folder");
        let made_slowly = |meanwhile: &dyn Fn()| {
            made_once(dir.path(), "a", |_, made| {
                write(made, "vmlinux", b"slow")?;
                meanwhile();
                finish(made, "6.1", "a package", Origin::Own)
            })
            .expect("store");
            std::fs::read(folder(dir.path(), "a").join("vmlinux")).expect("kernel")
        };
        std::fs::create_dir_all(folder(dir.path(), "a").join("modules")).expect("torn");
        assert_eq!(made_slowly(&|| ()), b"slow");
        std::fs::remove_dir_all(folder(dir.path(), "a")).expect("removed");
        assert_eq!(made_slowly(&|| stored(dir.path(), "a", Origin::Own)), b"kernel");
        assert_eq!(std::fs::read_dir(super::dir(dir.path())).expect("list").count(), 1);
    }

    #[test]
    fn what_is_there_is_not_made_again_and_what_failed_leaves_nothing() {
        let dir = tempfile::tempdir().expect("folder");
        stored(dir.path(), "a", Origin::Own);
        made_once(dir.path(), "a", |_, _| panic!("made again")).expect("there");
        let no = |_: &Path, _: &Path| Err(MachineError::NoPackage { package: "x".into() });
        made_once(dir.path(), "b", no).expect_err("fails");
        assert_eq!(list(dir.path()).len(), 1);
        assert_eq!(std::fs::read_dir(super::dir(dir.path())).expect("list").count(), 1);
    }
}
