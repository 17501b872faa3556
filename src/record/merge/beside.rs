//! The folder in which a merge writes until all is there: nobody reads half of it, and what a killed merge left is removed by
//! the next one to the same place.

use crate::record::error::{RecordError, io};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};

/// See the module. Dropped before it was given its name, it is removed.
pub(super) struct Beside {
    path: PathBuf,
    out: PathBuf,
    /// Its lock goes with the process.
    _lock: File,
}

impl Beside {
    /// Makes it for `out`, and removes those of merges that are dead.
    pub(super) fn of(out: &Path) -> Result<Self, RecordError> {
        let name = out.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let prefix = format!(".{name}.merging-");
        let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let left = std::fs::read_dir(parent).map_err(io("read", parent))?.flatten();
        for dead in left.filter(|e| e.file_name().to_string_lossy().starts_with(&prefix)) {
            if File::open(dead.path()).is_ok_and(|dir| lock(&dir)) {
                // Whatever stays of it is in nobody's way.
                let _ = std::fs::remove_dir_all(dead.path());
            }
        }
        let path = out.with_file_name(format!("{prefix}{}", std::process::id()));
        std::fs::create_dir(&path).map_err(io("create", &path))?;
        let dir = File::open(&path).map_err(io("open", &path))?;
        // A file system without locks is taken as it is.
        lock(&dir);
        Ok(Self { path, out: out.to_owned(), _lock: dir })
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    pub(super) fn done(self) -> Result<(), RecordError> {
        std::fs::rename(&self.path, &self.out).map_err(io("write", &self.out))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Not there any more where it has its name.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn lock(dir: &File) -> bool {
    flock(dir, FlockOperation::NonBlockingLockExclusive).is_ok()
}
