//! Files and folders for others that are there only when they are whole, and of which nothing stays when their writer is
//! killed, or what the next writer of the same name takes away.

use super::error::{ImageError, io};
use super::workspace::{lock_folder, remove};
use nix::fcntl::FlockArg;
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

/// Fills the new folder `path`, which is there when it is whole. Meanwhile it has a fixed other name beside it; what a
/// killed writer left there is taken away.
pub fn whole_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(io("create", path)(std::io::ErrorKind::AlreadyExists.into()));
    }
    let new = beside(path);
    match std::fs::create_dir(&new) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let left = lock_folder(&new, FlockArg::LockExclusiveNonblock)?;
            let _nobodys = left.ok_or_else(|| io("write", path)(std::io::ErrorKind::ResourceBusy.into()))?;
            remove(&new)?;
            std::fs::create_dir(&new).map_err(io("create", &new))?;
        }
        other => other.map_err(io("create", &new))?,
    }
    let _lock = lock_folder(&new, FlockArg::LockExclusiveNonblock)?;
    let filled = fill(&new).and_then(|()| std::fs::rename(&new, path).map_err(io("create", path)));
    if filled.is_err() {
        // The first error counts.
        let _ = remove(&new);
    }
    filled
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
    #[test]
    fn a_folder_is_there_when_it_is_whole() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("out");
        std::fs::create_dir_all(dir.path().join(".out.new/of/a/killed/writer")).expect("left");
        let fill = |well: bool| {
            whole_folder(&path, |new| {
                assert!(!path.exists(), "it has its name too early");
                std::fs::write(new.join("f"), "x").map_err(io("write", new))?;
                if well { Ok(()) } else { Err(ImageError::NotFound("it".into())) }
            })
        };
        fill(false).expect_err("failed");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "something was left");
        fill(true).expect("whole");
        assert_eq!(std::fs::read_dir(&path).expect("there").count(), 1);
        fill(true).expect_err("it is there");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 1);
    }
}
