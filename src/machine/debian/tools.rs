//! Our part in an operating system: a disk of a megabyte with `tare-init`, so that the system need not be made anew with
//! every version of it.

use super::super::error::{MachineError, io, system};
use super::super::{cache, program};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes it, unless it is in the cache.
pub fn tools(cache_dir: &Path, init: &Path) -> Result<PathBuf, MachineError> {
    let bytes = std::fs::read(init).map_err(io("read", init))?;
    let key = cache::key([b"tools 1".as_slice(), bytes.as_slice()]);
    let path = cache_dir.join("disks").join(format!("tools-{key}.erofs"));
    if path.is_file() {
        return Ok(path);
    }
    let dir = tempfile::tempdir().map_err(system("create a temporary folder"))?;
    let inside = dir.path().join("tare-init");
    std::fs::write(&inside, &bytes).map_err(io("write", &inside))?;
    for path in [dir.path(), &inside] {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).map_err(io("set the mode of", path))?;
    }
    let mkfs = program::find("mkfs.erofs", "erofs-utils")?;
    cache::put(&path, |to| {
        program::run(Command::new(mkfs).args(["--quiet", "--all-root"]).arg(to).arg(dir.path())).map(drop)
    })?;
    Ok(path)
}
