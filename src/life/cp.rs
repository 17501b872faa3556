//! `cp`: files between the host and a container that runs or has ended, by a tar archive through a pipe.
//!
//! A container's side is done by a thread that has changed its root to the container's, so no link in it leads out,
//! whatever the container does meanwhile (CVE-2018-15664). A machine's side is done by its init, as a second process.

use super::error::{LifeError, io, system};
use super::folder::Folder;
use super::machine_stream::MachineStream;
use super::root;
use super::spec::{Spec, TargetKind};
use super::state::Status;
use crate::guest::copy::{Source, destination, pack, source, unpack, unpack_any};
use crate::guest::copy_program::{line, read_line};
use crate::image::Image;
use crate::image::store::Store;
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the files of a container are, as long as this lives.
pub enum Files {
    /// Beneath a path of the host.
    Root(PathBuf, Option<Store>),
    /// In the memory of a machine.
    Machine(Folder),
}

/// Finds them, or mounts them where the container does not run; in a mount namespace of this process's own.
pub fn files_of(folder: &Folder, spec: &Spec) -> Result<Files, LifeError> {
    let state = folder.state()?;
    let runs = state.status == Status::Running;
    match spec.target {
        TargetKind::Microvm if runs => return Ok(Files::Machine(folder.clone())),
        TargetKind::Microvm => {
            let is =
                format!("{}: a machine's files are in its memory, and gone with it", state.status.as_str());
            return Err(LifeError::State { verb: "copy files of", id: spec.short_id().to_owned(), is });
        }
        _ if runs => return Ok(Files::Root(format!("/proc/{}/root", state.process.pid).into(), None)),
        _ => {}
    }
    root::own_namespace()?;
    let store = Store::open(&spec.store)?;
    let image = Image::read(&store, &spec.image_digest.parse()?)?;
    let layers = image.lower_dirs(&store)?;
    Ok(Files::Root(root::mount_at(folder, &layers)?, Some(store)))
}

/// Runs `f` on a thread whose root is `root`.
fn within<T: Send>(root: &Path, f: impl FnOnce() -> Result<T, LifeError> + Send) -> Result<T, LifeError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_FS).map_err(system("have a root of one's own"))?;
            nix::unistd::chroot(root).map_err(|e| io("enter the container's root", root)(e.into()))?;
            std::env::set_current_dir("/").map_err(io("enter", Path::new("/")))?;
            f()
        });
        let panicked = || Err(system("copy")(std::io::Error::other("the thread panicked")));
        thread.join().unwrap_or_else(|_| panicked())
    })
}

/// Packs on this thread and unpacks on another, or the other way round.
fn through_a_pipe(
    packing: impl FnOnce(File) -> Result<(), LifeError> + Send,
    unpacking: impl FnOnce(File) -> Result<(), LifeError>,
) -> Result<(), LifeError> {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(system("make a pipe"))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| packing(File::from(write)));
        let unpacked = unpacking(File::from(read));
        let packed =
            packing.join().unwrap_or_else(|_| Err(system("copy")(std::io::Error::other("panicked"))));
        // A source that cannot be read breaks the archive, and a full disk the pipe: the first cause is told.
        match (packed, unpacked) {
            (Err(LifeError::Copy(packed)), Err(e))
                if packed.source.kind() == std::io::ErrorKind::BrokenPipe =>
            {
                Err(e)
            }
            (Err(e), _) | (Ok(()), Err(e)) => Err(e),
            (Ok(()), Ok(())) => Ok(()),
        }
    })
}

/// From the container to the host; `-`: a tar archive on standard output.
pub fn from_container(files: &Files, from: &str, to: &str) -> Result<(), LifeError> {
    match (files, to) {
        (Files::Root(root, _), "-") => {
            within(root, || Ok(pack(&source(from)?, true, std::io::stdout().lock())?))
        }
        (Files::Root(root, _), to) => {
            let source: Source = within(root, || Ok(source(from)?))?;
            let to = destination(to, &source)?;
            let pack = |pipe: File| within(root, || Ok(pack(&source, false, pipe)?));
            through_a_pipe(pack, |pipe| Ok(unpack(pipe, &source, &to)?))
        }
        (Files::Machine(folder), "-") => {
            let mut stream = MachineStream::open(folder, &["--send-named", from], false)?;
            let copied = std::io::copy(&mut stream, &mut std::io::stdout().lock());
            // What the guest says comes before what came of it here.
            stream.finish()?;
            copied.map(drop).map_err(system("write the archive"))
        }
        (Files::Machine(folder), to) => {
            let mut stream = MachineStream::open(folder, &["--send", from], false)?;
            let received = read_line(&mut stream).map_err(LifeError::from).and_then(|source| {
                let to = destination(to, &source)?;
                unpack(&mut stream, &source, &to)?;
                Ok(())
            });
            match received {
                Ok(()) => stream.finish(),
                Err(e) => Err(stream.blame().unwrap_or(e)),
            }
        }
    }
}

/// From the host to the container; `-`: a tar archive on standard input.
pub fn to_container(files: &Files, from: &str, to: &str) -> Result<(), LifeError> {
    match (files, from) {
        (Files::Root(root, _), "-") => {
            within(root, || Ok(unpack_any(std::io::stdin().lock(), Path::new(to))?))
        }
        (Files::Root(root, _), from) => {
            let source = source(from)?;
            let to: PathBuf = within(root, || Ok(destination(to, &source)?))?;
            let unpack = |pipe: File| within(root, || Ok(unpack(pipe, &source, &to)?));
            through_a_pipe(|pipe| Ok(pack(&source, false, pipe)?), unpack)
        }
        (Files::Machine(folder), "-") => {
            let mut stream = MachineStream::open(folder, &["--receive-archive", to], true)?;
            let copied = std::io::copy(&mut std::io::stdin().lock(), &mut stream);
            stream.finish()?;
            copied.map(drop).map_err(system("read the archive"))
        }
        (Files::Machine(folder), from) => {
            let source = source(from)?;
            let mut stream = MachineStream::open(folder, &["--receive", to], true)?;
            let told = stream.write_all(&line(&source)?).map_err(system("tell the machine"));
            let packed = told.and_then(|()| Ok(pack(&source, false, &mut stream)?));
            match packed {
                Ok(()) => stream.finish(),
                Err(e) => Err(stream.blame().unwrap_or(e)),
            }
        }
    }
}
