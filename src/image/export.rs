//! The tree that can be seen through all layers, as one tar archive.

use super::error::{ImageError, io};
use super::flatten::attributes;
use super::handle::Image;
use super::store::Store;
use super::tree::split;
use super::view::{Seen, walk};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, major, minor, openat, readlinkat};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use tar::{EntryType, Header};

/// Writes a PAX archive: owners, modes, times, attributes, devices and hard links as they are. Unpacks the layers that
/// are not yet.
pub fn export(store: &Store, image: &Image, to: impl Write) -> Result<(), ImageError> {
    let layers = image.lower_dirs(store)?;
    let mut all: Vec<(Vec<u8>, usize, Stat)> = Vec::new();
    walk(&layers, &mut |seen| {
        all.push((seen.path.to_vec(), seen.layer, seen.stat));
        Ok(())
    })?;
    // Each folder right before what is in it: readers set a folder's time when they leave it.
    all.sort_by(|(a, ..), (b, ..)| a.split(|b| *b == b'/').cmp(b.split(|b| *b == b'/')));
    let mut packer = Packer { tar: tar::Builder::new(to), links: HashMap::new() };
    let mut last: Option<(usize, Vec<u8>, OwnedFd)> = None;
    for (path, layer, stat) in all {
        let shown = layers[layer].join(String::from_utf8_lossy(&path).as_ref());
        let failed = |e: std::io::Error| io("pack", &shown)(e);
        let (dir, name) = split(&path);
        let kept = last.take().filter(|(l, d, _)| *l == layer && d.as_slice() == dir);
        let (_, _, at) = match kept {
            Some(kept) => last.insert(kept),
            None => last.insert((layer, dir.to_vec(), folder(&layers[layer], dir).map_err(failed)?)),
        };
        let name: &[u8] = if path.is_empty() { b"." } else { name };
        packer.one(&Seen { path: &path, at, name, stat, layer }).map_err(failed)?;
    }
    let ended = packer.tar.into_inner().and_then(|mut to| to.flush());
    ended.map_err(io("write", Path::new("the archive")))
}

/// A folder of a layer, whatever was put into it meanwhile.
fn folder(layer: &Path, dir: &[u8]) -> std::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(layer, flags, Mode::empty())?;
    if dir.is_empty() {
        return Ok(root);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(&root, dir, flags, Mode::empty(), resolve)?)
}

struct Packer<W: Write> {
    tar: tar::Builder<W>,
    /// Where a file that has several names was written first.
    links: HashMap<(usize, u64), Vec<u8>>,
}

impl<W: Write> Packer<W> {
    fn one(&mut self, seen: &Seen<'_>) -> std::io::Result<()> {
        let kind = FileType::from_raw_mode(seen.stat.st_mode);
        // A socket has no place in an archive, as GNU tar has it.
        if kind == FileType::Socket {
            return Ok(());
        }
        let mut records = Records::default();
        let mut header = header(seen, &mut records);
        let mut path = if seen.path.is_empty() { b"./".to_vec() } else { seen.path.to_vec() };
        if kind == FileType::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let mut link = Vec::new();
        let entry = match kind {
            FileType::Directory => EntryType::Directory,
            FileType::Symlink => {
                link = readlinkat(seen.at, seen.name, Vec::new())?.into_bytes();
                EntryType::Symlink
            }
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            FileType::Fifo => EntryType::Fifo,
            _ => EntryType::Regular,
        };
        header.set_entry_type(entry);
        if kind != FileType::Directory && seen.stat.st_nlink > 1 {
            let first =
                self.links.entry((seen.layer, seen.stat.st_ino)).or_insert_with(|| seen.path.to_vec());
            if *first != seen.path {
                link = first.clone();
                header.set_entry_type(EntryType::Link);
                header.set_size(0);
            }
        }
        let regular = header.entry_type() == EntryType::Regular;
        for (key, value) in attributes(seen.at, seen.name)? {
            records.add(&[b"SCHILY.xattr.".as_slice(), &key].concat(), &value);
        }
        name(&mut header.as_old_mut().name, "path", &path, &mut records);
        name(&mut header.as_old_mut().linkname, "linkpath", &link, &mut records);
        header.set_cksum();
        records.write(self.tar.get_mut())?;
        if !regular {
            return self.tar.append(&header, std::io::empty());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(seen.at, seen.name, flags, Mode::empty())?);
        self.tar.append(&header, file.take(seen.stat.st_size.cast_unsigned()))
    }
}

fn header(seen: &Seen<'_>, records: &mut Records) -> Header {
    let stat = &seen.stat;
    let mut header = Header::new_ustar();
    header.set_mode(stat.st_mode & 0o7777);
    // ustar's fields are octal: 7 digits for the ids, 11 for size and time (POSIX.1-1988).
    for (key, value) in [("uid", stat.st_uid), ("gid", stat.st_gid)] {
        if value > 0o777_7777 {
            records.add(key.as_bytes(), value.to_string().as_bytes());
        }
    }
    header.set_uid((stat.st_uid & 0o777_7777).into());
    header.set_gid((stat.st_gid & 0o777_7777).into());
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    header.set_size(if regular { stat.st_size.cast_unsigned() } else { 0 });
    header.set_mtime(stat.st_mtime.max(0).cast_unsigned());
    if stat.st_mtime < 0 || stat.st_mtime_nsec != 0 {
        records.add(b"mtime", seconds(stat.st_mtime, stat.st_mtime_nsec).as_bytes());
    }
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(major(stat.st_rdev));
        ustar.set_device_minor(minor(stat.st_rdev));
    }
    header
}

/// A time before 1970 counts backwards, its nanoseconds too.
fn seconds(seconds: i64, nanos: impl Into<i128>) -> String {
    let all = i128::from(seconds) * 1_000_000_000 + nanos.into();
    let sign = if all < 0 { "-" } else { "" };
    let all = all.unsigned_abs();
    format!("{sign}{}.{:09}", all / 1_000_000_000, all % 1_000_000_000)
}

fn name(field: &mut [u8; 100], key: &str, value: &[u8], records: &mut Records) {
    let fits = value.len() <= field.len();
    let short = &value[..value.len().min(field.len())];
    field[..short.len()].copy_from_slice(short);
    if !fits {
        records.add(key.as_bytes(), value);
    }
}

/// Of an extended header (POSIX.1-2001, pax, "Extended Header").
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        // The length counts its own digits.
        let digits = (1..20).find(|d| (rest + d).to_string().len() == *d).unwrap_or(1);
        self.0.extend_from_slice(format!("{} ", rest + digits).as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut header = super::save::header("PaxHeaders/x", self.0.len() as u64)?;
        header.set_entry_type(EntryType::XHeader);
        header.set_cksum();
        to.write_all(header.as_bytes())?;
        to.write_all(&self.0)?;
        to.write_all(&[0; 512][..super::save::padding(self.0.len() as u64)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves_and_times_may_be_old() {
        let mut records = Records::default();
        records.add(b"path", b"x");
        records.add(b"k", &[b'v'; 94]);
        assert!(records.0.starts_with(b"9 path=x\n101 k=v"), "{:?}", String::from_utf8_lossy(&records.0));
        assert_eq!((seconds(-2, 250_000_000), seconds(7, 5)), ("-1.750000000".into(), "7.000000005".into()));
    }
}
