//! `cp`: files between the host and a container that runs or has ended, by a tar archive through a pipe.
//!
//! The container's side is done by a thread that has changed its root to the container's, so no link in it leads out,
//! whatever the container does meanwhile (CVE-2018-15664).

use super::error::{LifeError, io, system};
use super::folder::Folder;
use super::root;
use super::spec::{Spec, TargetKind};
use super::state::Status;
use crate::image::Image;
use crate::image::store::Store;
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The root of a container, as long as this lives.
pub struct ContainerRoot {
    path: PathBuf,
    _store: Option<Store>,
}

/// Finds it, or mounts it where the container does not run; in a mount namespace of this process's own.
pub fn root_of(folder: &Folder, spec: &Spec) -> Result<ContainerRoot, LifeError> {
    let state = folder.state()?;
    if spec.target == TargetKind::Microvm {
        return Err(LifeError::Unsupported {
            what: "cp".into(),
            target: spec.target,
            why: "the host does not see into a machine's memory, where its files are: use exec with tar",
        });
    }
    if state.status == Status::Running {
        return Ok(ContainerRoot { path: format!("/proc/{}/root", state.process.pid).into(), _store: None });
    }
    root::own_namespace()?;
    let store = Store::open(&spec.store)?;
    let image = Image::read(&store, &spec.image_digest.parse()?)?;
    let layers = image.lower_dirs(&store)?;
    let path = root::mount_at(folder, &layers)?;
    Ok(ContainerRoot { path, _store: Some(store) })
}

/// Runs `f` on a thread whose root is `root`.
fn within<T: Send>(
    root: Option<&Path>,
    f: impl FnOnce() -> Result<T, LifeError> + Send,
) -> Result<T, LifeError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if let Some(root) = root {
                unshare(CloneFlags::CLONE_FS).map_err(system("have a root of one's own"))?;
                nix::unistd::chroot(root).map_err(|e| io("enter the container's root", root)(e.into()))?;
                std::env::set_current_dir("/").map_err(io("enter", Path::new("/")))?;
            }
            f()
        });
        let panicked = || Err(system("copy")(std::io::Error::other("the thread panicked")));
        thread.join().unwrap_or_else(|_| panicked())
    })
}

/// What is copied.
struct Source {
    path: PathBuf,
    is_dir: bool,
    /// `DIR/.`: what is in it, not itself.
    contents: bool,
    name: PathBuf,
}

fn source(path: &str) -> Result<Source, LifeError> {
    let contents = path.ends_with("/.") || path == ".";
    let path = PathBuf::from(path);
    let about = std::fs::symlink_metadata(&path).map_err(io("find", &path))?;
    // A link that is named with a slash after it is its target.
    let is_dir = about.is_dir() || (contents && path.is_dir());
    let name = path.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
    Ok(Source { path, is_dir, contents, name })
}

/// Folder to unpack in, and the name there.
fn destination(path: &str, from: &Source) -> Result<(PathBuf, PathBuf), LifeError> {
    let to = PathBuf::from(path);
    let is_dir = to.is_dir();
    if is_dir {
        let name = if from.contents { PathBuf::from(".") } else { from.name.clone() };
        return Ok((to, name));
    }
    if to.exists() && from.is_dir {
        return Err(LifeError::Argument(format!("{path} is a file, and a folder cannot be copied over it")));
    }
    if path.ends_with('/') && !from.is_dir {
        return Err(LifeError::Argument(format!("{path} is no folder")));
    }
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(LifeError::Argument(format!("there is no folder {}", parent.display())));
    }
    Ok((parent.to_owned(), to.file_name().map(PathBuf::from).unwrap_or_default()))
}

fn pack(source: &Source, name: &Path, to: impl Write) -> Result<(), LifeError> {
    let mut archive = tar::Builder::new(to);
    archive.follow_symlinks(false);
    let added = if source.is_dir {
        archive.append_dir_all(name, &source.path)
    } else {
        archive.append_path_with_name(&source.path, name)
    };
    added.and_then(|()| archive.finish()).map_err(io("read", &source.path))
}

fn unpack(from: impl Read, to: &Path) -> Result<(), LifeError> {
    let mut archive = tar::Archive::new(from);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    archive.unpack(to).map_err(io("write", to))
}

/// Copies `from`, in the container's root or the host's, to `to` in the other.
fn copy(from_root: Option<&Path>, from: &str, to_root: Option<&Path>, to: &str) -> Result<(), LifeError> {
    let source = within(from_root, || source(from))?;
    let (dir, name) = within(to_root, || destination(to, &source))?;
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(system("make a pipe"))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| within(from_root, || pack(&source, &name, File::from(write))));
        let unpacked = within(to_root, || unpack(File::from(read), &dir));
        let packed =
            packing.join().unwrap_or_else(|_| Err(system("copy")(std::io::Error::other("panicked"))));
        // A source that cannot be read breaks the archive, and a full disk the pipe: the first cause is told.
        match (packed, unpacked) {
            (Err(LifeError::Io { source, .. }), Err(e))
                if source.kind() == std::io::ErrorKind::BrokenPipe =>
            {
                Err(e)
            }
            (Err(e), _) | (Ok(()), Err(e)) => Err(e),
            (Ok(()), Ok(())) => Ok(()),
        }
    })
}

/// From the container to the host; `-`: a tar archive on standard output.
pub fn from_container(root: &ContainerRoot, from: &str, to: &str) -> Result<(), LifeError> {
    if to != "-" {
        return copy(Some(&root.path), from, None, to);
    }
    within(Some(&root.path), || {
        let source = source(from)?;
        pack(&source, &source.name.clone(), std::io::stdout().lock())
    })
}

/// From the host to the container; `-`: a tar archive on standard input.
pub fn to_container(root: &ContainerRoot, from: &str, to: &str) -> Result<(), LifeError> {
    if from != "-" {
        return copy(None, from, Some(&root.path), to);
    }
    within(Some(&root.path), || {
        let to = Path::new(to);
        if to.is_dir() {
            unpack(std::io::stdin().lock(), to)
        } else {
            Err(LifeError::Argument(format!("{} is no folder of the container", to.display())))
        }
    })
}
