//! Files for others that are there only when they are whole, and of which nothing stays when their writer is killed.

use super::error::{ImageError, io};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Writes `path`, or leaves what is there as it was. The file has no name until it is whole, where the file system can
/// do that; elsewhere it has a fixed one, which the next that writes the same file takes over.
pub fn whole<E: From<ImageError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = beside(path);
    let mode = Mode::from_raw_mode(0o644);
    let nameless = openat(CWD, dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode);
    let (mut file, named) = match nameless {
        Ok(file) => (File::from(file), false),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&new);
            (file.map_err(io("create", &new))?, true)
        }
        Err(e) => return Err(io("create a file in", dir)(e.into()).into()),
    };
    let put = |file: &File| {
        if !named {
            link(file, &new)?;
        }
        std::fs::rename(&new, path)
    };
    let written = write(&mut file).and_then(|()| put(&file).map_err(io("write", path)).map_err(E::from));
    if written.is_err() {
        // The first error counts.
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// A link does not replace: what was there is from a writer that was killed between its two last steps.
fn link(file: &File, to: &Path) -> std::io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(CWD, &own, CWD, to, AtFlags::SYMLINK_FOLLOW) {
        Err(Errno::EXIST) => {
            std::fs::remove_file(to)?;
            Ok(linkat(CWD, &own, CWD, to, AtFlags::SYMLINK_FOLLOW)?)
        }
        other => Ok(other?),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn all_or_what_was_there_and_nothing_beside() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("out.tar");
        let put = |text: &'static str, well: bool| {
            whole(&path, |file| {
                file.write_all(text.as_bytes()).map_err(io("write", Path::new("it")))?;
                if well { Ok(()) } else { Err(ImageError::NotFound("it".into())) }
            })
        };
        std::fs::write(dir.path().join(".out.tar.new"), "of a writer that was killed").expect("write");
        put("first", true).expect("written");
        put("second", false).expect_err("failed");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "first");
        put("third, longer", true).expect("replaced");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "third, longer");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 1);
    }
}
