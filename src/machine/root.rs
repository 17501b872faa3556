//! Where a machine's root is: a small image comes with the initramfs and is in the guest's RAM, any other on a disk.

use super::convert::each;
use super::error::{MachineError, io};
use super::kernel::Kernel;
use super::{cache, cpio, disk};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// An image of more bytes is on a disk. The drivers of a disk and of two file systems cost an emulated guest more than
/// unpacking so much does, and so much more of its RAM is worth it (docs/performance.md).
pub const MOST_IN_MEMORY: u64 = 4 << 20;

/// Where the image is put in the initramfs; `guest::files` looks there for it.
const PLACE: &str = "new";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// An archive, to come after the initramfs's own.
    Memory(PathBuf),
    /// A read-only disk.
    Disk(PathBuf),
}

/// The image's layers (top first), made unless they are in the cache, and whether they had to be made. For a kernel that would
/// give its files other times than the image has, it is on a disk, however small.
pub fn of(
    cache_dir: &Path,
    kernel: &Kernel,
    image_digest: &str,
    layers: &[PathBuf],
) -> Result<(Root, bool), MachineError> {
    if !kernel.keeps_times() {
        return on_disk(cache_dir, image_digest, layers);
    }
    let names = layers.iter().map(|p| p.as_os_str().as_bytes());
    let key = cache::key([b"root 1".as_slice(), image_digest.as_bytes()].into_iter().chain(names));
    let path = |ending| cache_dir.join("disks").join(format!("{key}.{ending}"));
    let (archive, too_much) = (path("cpio"), path("on-disk"));
    if archive.is_file() {
        return Ok((Root::Memory(archive), false));
    }
    if !too_much.is_file() {
        let mut made = false;
        disk::with_tree(layers, |tree| {
            made = fits(tree)?;
            let put = |to: &Path| match made {
                true => cpio::to_file(to, |archive| archive.tree(tree, Path::new(PLACE))),
                false => std::fs::write(to, "").map_err(io("write", to)),
            };
            cache::put(if made { &archive } else { &too_much }, put)
        })?;
        if made {
            return Ok((Root::Memory(archive), true));
        }
    }
    on_disk(cache_dir, image_digest, layers)
}

/// The same, on a disk whatever it is.
pub fn on_disk(
    cache_dir: &Path,
    image_digest: &str,
    layers: &[PathBuf],
) -> Result<(Root, bool), MachineError> {
    let (disk, made) = disk::root_and_whether_made(cache_dir, image_digest, layers)?;
    Ok((Root::Disk(disk.path), made))
}

/// Whether it is small, and nothing would be lost on the way: an archive knows neither extended attributes nor parts of
/// seconds, and a whiteout of the lowest layer would become a device.
fn fits(tree: &Path) -> Result<bool, MachineError> {
    let (mut bytes, mut whole) = (0, true);
    each(tree, &mut |path, about| {
        bytes += if about.is_file() { about.len() } else { 0 };
        whole = whole
            && bytes <= MOST_IN_MEMORY
            && about.mtime_nsec() == 0
            && u32::try_from(about.mtime()).is_ok()
            && !(about.file_type().is_char_device() && about.rdev() == 0)
            && has_no_attributes(&tree.join(path))?;
        Ok(())
    })?;
    Ok(whole)
}

fn has_no_attributes(path: &Path) -> Result<bool, MachineError> {
    match rustix::fs::llistxattr(path, &mut [0; 4096][..]) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(true),
        Ok(_) | Err(rustix::io::Errno::RANGE) => Ok(false),
        Err(e) => Err(io("look at", path)(e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Origin;
    use super::*;
    use std::time::{Duration, SystemTime};

    fn tree(dir: &Path, bytes: usize) -> PathBuf {
        let tree = dir.join(format!("tree{bytes}"));
        std::fs::create_dir_all(tree.join("sub")).expect("folder");
        std::fs::write(tree.join("sub/file"), vec![1; bytes]).expect("file");
        for name in ["sub/file", "sub", ""] {
            set(&tree.join(name), 0);
        }
        tree
    }

    fn set(path: &Path, nanoseconds: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_000_000_000_000 + nanoseconds);
        std::fs::File::open(path).and_then(|f| f.set_modified(time)).expect("time");
    }

    #[test]
    fn what_is_small_and_can_be_told_by_an_archive_comes_in_memory() {
        let dir = tempfile::tempdir().expect("folder");
        let small = tree(dir.path(), 1000);
        assert!(fits(&small).expect("looks"));
        assert!(!fits(&tree(dir.path(), MOST_IN_MEMORY as usize + 1)).expect("looks"));
        let file = small.join("sub/file");
        set(&file, 5);
        assert!(!fits(&small).expect("looks"), "a part of a second");
        set(&file, 0);
        assert!(fits(&small).expect("looks"));
        rustix::fs::setxattr(&file, "user.x", b"y", rustix::fs::XattrFlags::empty()).expect("attribute");
        assert!(!fits(&small).expect("looks"), "an attribute");
    }

    fn kernel(origin: Origin) -> Kernel {
        let [release, version] = ["r", "v"].map(String::from);
        Kernel { release, version, origin, vmlinux: "/none".into(), bzimage: None, modules: Vec::new() }
    }

    #[test]
    fn a_root_is_made_once_and_stays_what_it_is() {
        let dir = tempfile::tempdir().expect("folder");
        let (cache, small) = (dir.path().join("cache"), [tree(dir.path(), 10)]);
        let of = |digest: &str, layers: &[PathBuf]| of(&cache, &kernel(Origin::Distribution), digest, layers);
        let (root, made) = of("sha256:a", &small).expect("made");
        assert!(matches!(root, Root::Memory(_)) && made, "{root:?}");
        assert_eq!(of("sha256:a", &small).expect("again"), (root, false));
        let large = [tree(dir.path(), MOST_IN_MEMORY as usize + 1)];
        let (root, made) = of("sha256:b", &large).expect("made");
        assert!(matches!(root, Root::Disk(_)) && made, "{root:?}");
        assert_eq!(of("sha256:b", &large).expect("again"), (root, false));
        for unsure in [Origin::User, Origin::Own] {
            let (root, _) = super::of(&cache, &kernel(unsure), "sha256:a", &small).expect("made");
            assert!(matches!(root, Root::Disk(_)), "{unsure:?}: {root:?}");
        }
    }
}
