//! Saves a machine once and restores it many times.
//!
//! The guest's RAM is a file that QEMU maps shared while the guest comes up; the rest of its state, a few tens of
//! kilobytes, goes through QEMU's migration, which leaves shared RAM out (`x-ignore-shared`). A restore maps that RAM
//! privately: it costs no copy, and restores share every page that none of them writes. The harness holds the RAM in a
//! sealed memfd, because QEMU opens it for writing even for a private mapping, and nobody may write to it.

use super::USER;
use super::cache;
use super::error::{MachineError, io, system};
use super::qmp::Qmp;
use super::running::RunningMachine;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For saving the devices' state.
const SAVE: Duration = Duration::from_secs(20);
/// Name of the volume's file in a snapshot's folder.
pub const SCRATCH: &str = "scratch";
/// Name of the memfd, by which [`super::memory`] knows the guest's RAM.
pub(super) const RAM_NAME: &str = "taremark-ram";

/// A saved machine.
#[derive(Debug)]
pub struct Snapshot {
    /// Of the devices.
    pub(super) state: PathBuf,
    /// Sealed.
    memory: OwnedFd,
    /// Bytes of RAM and state that are not holes.
    pub bytes: u64,
}

impl Snapshot {
    /// Everything that was saved.
    pub fn files(&self) -> Vec<PathBuf> {
        let beside = self.state.parent().and_then(|dir| std::fs::read_dir(dir).ok());
        let mut all: Vec<PathBuf> = beside.into_iter().flatten().flatten().map(|e| e.path()).collect();
        all.retain(|p| p.is_file());
        all.sort();
        all
    }

    pub(super) fn ram(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// A copy of the volume as it was when the machine was saved.
    pub fn copy_scratch(&self, to: &Path) -> Result<(), MachineError> {
        let from = self.state.with_file_name(SCRATCH);
        let (reading, writing) =
            (File::open(&from).map_err(io("open", &from))?, File::create(to).map_err(io("create", to))?);
        copy_sparse(&reading, &writing).map(|_| ()).map_err(io("copy", &from))
    }

    /// Opens what is in the cache under `key`.
    pub fn open(cache_dir: &Path, key: &str) -> Result<Option<Self>, MachineError> {
        let dir = folder(cache_dir, key);
        let (ram, state) = (dir.join("ram"), dir.join("state"));
        if !state.is_file() {
            return Ok(None);
        }
        let (memory, touched) = sealed(&ram)?;
        let bytes = touched + std::fs::metadata(&state).map_err(io("look at", &state))?.len();
        Ok(Some(Self { state, memory, bytes }))
    }
}

fn folder(cache_dir: &Path, key: &str) -> PathBuf {
    cache_dir.join("snapshots").join(key)
}

/// Key of a snapshot: everything that it depends on. It does not outlive a boot of the host, whose time-stamp counter
/// the guest has come to know.
pub fn key(parts: &[&[u8]]) -> Result<String, MachineError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let boot = std::fs::read(path).map_err(io("read", path))?;
    Ok(cache::key([b"snapshot 1".as_slice(), &boot].into_iter().chain(parts.iter().copied())))
}

/// Makes a folder in which `make` is to put `ram` and `state`, and keeps it under `key`.
pub fn make(
    cache_dir: &Path,
    key: &str,
    make: impl FnOnce(&Path) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    let to = folder(cache_dir, key);
    let parent = to.parent().unwrap_or(cache_dir);
    std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(parent);
    let making = making.map_err(io("create in", parent))?;
    make(making.path())?;
    let _ = std::fs::remove_dir_all(&to);
    std::fs::rename(making.path(), &to).map_err(io("rename to", &to))
}

/// The file for a new machine's RAM in `dir`.
pub fn empty_ram(dir: &Path, bytes: u64) -> Result<PathBuf, MachineError> {
    let path = dir.join("ram");
    let file = File::create(&path).map_err(io("create", &path))?;
    file.set_len(bytes).map_err(io("set the length of", &path))?;
    // QEMU opens it anew, as its own user.
    give_to_qemu(&path)?;
    Ok(path)
}

fn give_to_qemu(path: &Path) -> Result<(), MachineError> {
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(USER), Some(USER)).map_err(io("give away", path))?;
    }
    Ok(())
}

/// Stops the machine, writes its state to `dir`, and ends it for good. Its RAM was in `dir` all the time.
pub fn save(machine: &mut RunningMachine, dir: &Path) -> Result<(), MachineError> {
    let mut qmp = Qmp::new(&machine.ours.qmp)?;
    // Not stopped before: the migration stops it, and what was running runs again when it is restored.
    qmp.command("migrate-set-capabilities", &ignore_shared())?;
    let short = tempfile::tempdir().map_err(system("create a temporary folder"))?;
    let path = short.path().join("s");
    let listener = UnixListener::bind(&path).map_err(io("listen on", &path))?;
    give_to_qemu(short.path())?;
    give_to_qemu(&path)?;
    // QEMU connects before it answers, and the kernel takes the connection before we do.
    qmp.command("migrate", &json!({ "uri": format!("unix:{}", path.display()) }))?;
    let mut wait = [PollFd::new(&listener, PollFlags::IN)];
    let deadline = Timespec { tv_sec: SAVE.as_secs() as i64, tv_nsec: 0 };
    if poll(&mut wait, Some(&deadline)).map_err(|e| system("wait for QEMU")(e.into()))? == 0 {
        return Err(refused("QEMU did not connect".into()));
    }
    let (mut stream, _) = listener.accept().map_err(io("accept on", &path))?;
    stream.set_read_timeout(Some(SAVE)).map_err(system("set a deadline"))?;
    let until = Instant::now() + SAVE;
    let state = read_state(&mut stream, until)?;
    loop {
        let status = qmp.command("query-migrate", &json!({}))?;
        match status["status"].as_str().unwrap_or_default() {
            "completed" => break,
            "failed" | "cancelled" => return Err(refused(status.to_string())),
            _ if Instant::now() > until => return Err(refused(format!("not done in {} s", SAVE.as_secs()))),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    machine.quit()?;
    // Nobody's but the user's from here on: another QEMU could write to it otherwise.
    let ram = dir.join("ram");
    std::os::unix::fs::chown(&ram, Some(nix::unistd::geteuid().as_raw()), None)
        .map_err(io("take back", &ram))?;
    let path = dir.join("state");
    std::fs::write(&path, state).map_err(io("write", &path))
}

/// All that QEMU writes until it closes; an error where that takes longer, also if it never pauses.
fn read_state(stream: &mut UnixStream, until: Instant) -> Result<Vec<u8>, MachineError> {
    let (mut state, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    while Instant::now() < until {
        match stream.read(&mut buffer).map_err(system("read the machine's state"))? {
            0 => return Ok(state),
            n => state.extend_from_slice(&buffer[..n]),
        }
    }
    Err(refused(format!("not done in {} s", SAVE.as_secs())))
}

/// RAM stays where it is; the state that is saved holds the devices alone.
pub(super) fn ignore_shared() -> serde_json::Value {
    json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] })
}

fn refused(said: String) -> MachineError {
    MachineError::Qmp { command: "migrate".into(), said }
}

/// A copy of the RAM's file in a memfd that nobody can write to; and how much of it is not a hole.
fn sealed(path: &Path) -> Result<(OwnedFd, u64), MachineError> {
    let from = File::open(path).map_err(io("open", path))?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(RAM_NAME, flags).map_err(|e| system("make a memfd")(e.into()))?;
    let to = File::from(fd);
    let touched = copy_sparse(&from, &to).map_err(io("copy to a memfd", path))?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&to, seals).map_err(|e| system("seal a memfd")(e.into()))?;
    Ok((to.into(), touched))
}

/// Copies what is not zero, and says how much that was.
fn copy_sparse(from: &File, to: &File) -> std::io::Result<u64> {
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut buffer = vec![0u8; 1 << 20];
    let (mut at, mut touched) = (0, 0);
    while at < length {
        // The next stretch that is not a hole; ENXIO past the last one (lseek(2)).
        match rustix::fs::seek(from, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => at = data / 4096 * 4096,
            Err(rustix::io::Errno::NXIO) => break,
            Err(_) => {}
        }
        let n = from.read_at(&mut buffer, at)?;
        if n == 0 {
            break;
        }
        for (page, bytes) in buffer[..n].chunks(4096).enumerate() {
            if bytes.iter().any(|b| *b != 0) {
                to.write_all_at(bytes, at + page as u64 * 4096)?;
                touched += bytes.len() as u64;
            }
        }
        at += n as u64;
    }
    Ok(touched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_sparse_and_sealed() {
        let dir = tempfile::tempdir().expect("folder");
        let path = empty_ram(dir.path(), 8 << 20).expect("ram");
        let file = File::options().write(true).open(&path).expect("open");
        file.write_all_at(b"here", 5 << 20).expect("write");
        let (fd, touched) = sealed(&path).expect("seal");
        assert_eq!(touched, 4096);
        let copy = File::from(fd);
        let mut read = [0u8; 4];
        copy.read_exact_at(&mut read, 5 << 20).expect("read");
        assert_eq!((&read, copy.metadata().expect("length").len()), (b"here", 8 << 20));
        assert!(copy.write_all_at(b"x", 0).is_err() && copy.set_len(1).is_err(), "it can be written to");
    }
}
