//! The state of the host's caches, part of the plan.

use super::error::{MeasureError, io};
use std::path::Path;

/// Writes dirty pages back, then drops page, dentry and inode caches (Linux, admin-guide/sysctl/vm, drop_caches = 3).
pub fn drop_all() -> Result<(), MeasureError> {
    nix::unistd::sync();
    let path = Path::new("/proc/sys/vm/drop_caches");
    std::fs::write(path, "3").map_err(io("write", path))
}
