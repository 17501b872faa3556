//! Files that the host sends: a tar archive in pieces, unpacked on the root when it is whole.

use super::error::{GuestError, failed};
use super::wire::GuestJob;
use nix::mount::{MsFlags, mount};

/// What has come so far.
#[derive(Default)]
pub(super) struct Files {
    pieces: Vec<u8>,
    /// Whole archives that wait for the root.
    whole: Vec<Vec<u8>>,
    root_is_there: bool,
    root_is_read_only: bool,
}

impl Files {
    /// A piece; an empty one ends an archive.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), GuestError> {
        self.pieces.extend_from_slice(piece);
        if piece.is_empty() {
            self.whole.push(std::mem::take(&mut self.pieces));
        }
        if self.root_is_there { self.unpack_all() } else { Ok(()) }
    }

    /// The root is there: unpacks, then makes read-only what the job says.
    pub(super) fn may_write(&mut self, job: &GuestJob) -> Result<(), GuestError> {
        self.root_is_there = true;
        self.unpack_all()?;
        for path in job.read_only.iter().filter(|p| *p != "/") {
            bind(path)?;
            remount(path, true)?;
        }
        if job.read_only.iter().any(|p| p == "/") {
            self.root_is_read_only = true;
            remount("/", true)?;
        }
        Ok(())
    }

    fn unpack_all(&mut self) -> Result<(), GuestError> {
        let archives = std::mem::take(&mut self.whole);
        if archives.is_empty() {
            return Ok(());
        }
        if self.root_is_read_only {
            remount("/", false)?;
        }
        let unpacked = archives.iter().try_for_each(|a| unpack(a));
        if self.root_is_read_only {
            remount("/", true)?;
        }
        unpacked
    }
}

fn unpack(archive: &[u8]) -> Result<(), GuestError> {
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_overwrite(true);
    archive.unpack("/").map_err(failed("unpack the host's files on", "/"))
}

fn bind(path: &str) -> Result<(), GuestError> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(path), path, None::<&str>, flags, None::<&str>).map_err(failed("bind", path))
}

fn remount(path: &str, read_only: bool) -> Result<(), GuestError> {
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    if read_only {
        flags |= MsFlags::MS_RDONLY;
    }
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).map_err(failed("remount", path))
}
