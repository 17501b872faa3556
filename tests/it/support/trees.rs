//! All that can be told about a file tree, to compare two.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// By path: mode, owner, size, time, device, attributes, content, and the first path of the same file.
pub fn listed(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    let mut inodes: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    while let Some(path) = waiting.pop() {
        let short = path.strip_prefix(root).expect("below").to_owned();
        let about = std::fs::symlink_metadata(&path).expect("metadata");
        let kind = about.file_type();
        let mut told = format!(
            "{:o} {}:{} {}.{:09}",
            about.mode(),
            about.uid(),
            about.gid(),
            about.mtime(),
            about.mtime_nsec()
        );
        if kind.is_dir() {
            waiting.extend(std::fs::read_dir(&path).expect("folder").flatten().map(|e| e.path()));
        } else {
            inodes.entry(about.ino()).or_default().push(short.clone());
        }
        if kind.is_file() {
            let content = std::fs::read(&path).expect("content");
            told += &format!(" {} {}", content.len(), taremark::image::digest::Digest::of(&content));
        }
        if kind.is_symlink() {
            told += &format!(" -> {:?}", std::fs::read_link(&path).expect("link"));
        }
        if kind.is_char_device() || kind.is_block_device() {
            told += &format!(" device {:x}", about.rdev());
        }
        // Some file systems have none at all.
        let names: std::collections::BTreeSet<_> = match xattr::list(&path) {
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => Default::default(),
            other => other.expect("attributes").collect(),
        };
        for name in names {
            let value = xattr::get(&path, &name).expect("attribute");
            told += &format!(" {}={value:?}", String::from_utf8_lossy(name.as_bytes()));
        }
        all.insert(short, told);
    }
    for mut same in inodes.into_values() {
        same.sort();
        for path in &same {
            all.get_mut(path).expect("listed").push_str(&format!(" = {:?}", same[0]));
        }
    }
    all
}
