//! Keeps the runtime's own binary out of the reach of containers (CVE-2019-5736).
//!
//! Until its exec the init of a container is this program, and `/proc/self/exe` leads to it; whoever gets hold of that
//! link can open it for writing once we have ended. So a verb that makes processes executes itself again from a mount of
//! the binary alone that is read-only and attached nowhere: what leads to it leads through that mount. That costs 0.06 ms
//! beside the exec itself, a sealed copy in memory 1.3 ms; the copy is for those who may not mount.
//!
//! On x86_64 the entry of the program has done so before its C library began ([`crate::sys::early`]); this is for what
//! it could not do.

use super::error::{RuntimeError, system};
use crate::sys::mount_attr::{MountAttr, mount_setattr};
use rustix::fs::{AtFlags, CWD, MemfdFlags, SealFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

const OWN: &str = "/proc/self/exe";
/// The name by which the second start knows itself. Not a variable of the environment, which hooks could inherit.
const SEALED: &str = "tarec (sealed)";
/// MOUNT_ATTR_RDONLY of linux/mount.h.
const READ_ONLY: u64 = 1;

/// Returns where the binary cannot be written to any more, or never could be.
pub fn seal() -> Result<(), RuntimeError> {
    let mut args = std::env::args_os();
    if args.next().is_some_and(|name| name == SEALED) {
        // Or it would be that of a descriptor.
        let _ = rustix::thread::set_name(c"tarec");
        return Ok(());
    }
    if !may_be_written() {
        return Ok(());
    }
    let binary = read_only().or_else(|_| copy()).map_err(system("seal the runtime's binary"))?;
    let plain = |s: OsString| CString::new(s.into_vec()).map_err(|e| system("seal")(std::io::Error::from(e)));
    let args = std::iter::once(SEALED.into()).chain(args).map(plain).collect::<Result<Vec<_>, _>>()?;
    let pair = |(name, value): (OsString, OsString)| plain([name, value].join(std::ffi::OsStr::new("=")));
    let env = std::env::vars_os().map(pair).collect::<Result<Vec<_>, _>>()?;
    let empty = nix::fcntl::AtFlags::AT_EMPTY_PATH;
    let Err(e) = nix::unistd::execveat(binary.as_fd(), c"", &args, &env, empty);
    Err(system("execute the runtime's sealed binary")(e))
}

/// What we cannot write to, no container of ours can; its owner could make it writable.
fn may_be_written() -> bool {
    let access = rustix::fs::accessat(CWD, OWN, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS);
    match access {
        Ok(()) => true,
        Err(rustix::io::Errno::ROFS) => false,
        Err(_) => rustix::fs::stat(OWN).map_or(true, |s| s.st_uid == nix::unistd::geteuid().as_raw()),
    }
}

fn read_only() -> std::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, OWN, flags)?;
    mount_setattr(tree.as_fd(), false, &MountAttr { set: READ_ONLY, ..MountAttr::default() })?;
    Ok(tree)
}

fn copy() -> std::io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create(c"tarec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut memory = std::fs::File::from(memory);
    std::io::copy(&mut std::fs::File::open(OWN)?, &mut memory)?;
    rustix::fs::fcntl_add_seals(
        &memory,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(memory.into())
}
