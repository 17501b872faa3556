//! Writes a layer's tar: the same tree always gives the same bytes. ustar, with PAX records where a field does not fit.

use std::io::{self, Read, Write};
use tar::{EntryType, Header};

/// One member.
#[derive(Debug, Clone, Default)]
pub struct Entry<'a> {
    /// Without a leading `/`.
    pub path: &'a [u8],
    /// Target of a link.
    pub link: &'a [u8],
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Of the data.
    pub size: u64,
    /// Major and minor number.
    pub device: (u32, u32),
    /// Sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// See the module.
pub struct TarWriter<W: Write> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    /// Into `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, buffer: vec![0; 256 << 10] }
    }

    /// A member without data.
    pub fn entry(&mut self, kind: EntryType, entry: &Entry<'_>) -> io::Result<()> {
        let mut records = Vec::new();
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(entry.mode);
        if !set_path(&mut header, entry.path, kind == EntryType::Directory) {
            let slash: &[u8] = if kind == EntryType::Directory { b"/" } else { b"" };
            record(&mut records, b"path", &[entry.path, slash].concat());
            set_path(&mut header, &entry.path[..entry.path.len().min(90)], false);
        }
        if entry.link.len() > 100 {
            record(&mut records, b"linkpath", entry.link);
        }
        let shown = entry.link.len().min(100);
        header.as_mut_bytes()[157..157 + shown].copy_from_slice(&entry.link[..shown]);
        let octal = |n: u64| n < 1 << 21;
        let mut number = |name: &[u8], value: u64, fits: bool| {
            if !fits {
                record(&mut records, name, value.to_string().as_bytes());
            }
            if fits { value } else { 0 }
        };
        header.set_uid(number(b"uid", entry.uid.into(), octal(entry.uid.into())));
        header.set_gid(number(b"gid", entry.gid.into(), octal(entry.gid.into())));
        header.set_size(number(b"size", entry.size, entry.size < 1 << 33));
        if (0..1 << 33).contains(&entry.mtime) {
            header.set_mtime(entry.mtime.cast_unsigned());
        } else {
            header.set_mtime(0);
            record(&mut records, b"mtime", entry.mtime.to_string().as_bytes());
        }
        header.set_device_major(entry.device.0)?;
        header.set_device_minor(entry.device.1)?;
        for (name, value) in &entry.xattrs {
            record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        if !records.is_empty() {
            let mut extended = Header::new_ustar();
            extended.set_entry_type(EntryType::XHeader);
            set_path(&mut extended, b"PaxHeaders.0/x", false);
            extended.set_mode(0o644);
            extended.set_size(records.len() as u64);
            extended.set_cksum();
            self.inner.write_all(extended.as_bytes())?;
            self.inner.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        header.set_cksum();
        self.inner.write_all(header.as_bytes())
    }

    /// A regular file with its data. A file that has become shorter or longer meanwhile is an error.
    pub fn file(&mut self, entry: &Entry<'_>, mut data: impl Read) -> io::Result<()> {
        self.entry(EntryType::Regular, entry)?;
        let mut left = entry.size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let n = data.read(&mut self.buffer[..most])?;
            if n == 0 {
                return Err(io::Error::other("the file became shorter while it was read"));
            }
            self.inner.write_all(&self.buffer[..n])?;
            left -= n as u64;
        }
        self.pad(entry.size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = size.wrapping_neg() % 512;
        self.inner.write_all(&[0; 512][..over as usize])
    }

    /// Marks the end.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 1024])?;
        Ok(self.inner)
    }
}

/// Name and prefix (POSIX.1-1988, ustar): up to 100 bytes, and up to 155 before a `/`.
fn set_path(header: &mut Header, path: &[u8], folder: bool) -> bool {
    let mut whole = path.to_vec();
    if folder {
        whole.push(b'/');
    }
    let bytes = header.as_mut_bytes();
    if whole.len() <= 100 {
        bytes[..whole.len()].copy_from_slice(&whole);
        return true;
    }
    // A folder's own slash cannot be the cut.
    let last = whole.len() - 1;
    let cut = (1..last).rev().find(|i| whole[*i] == b'/' && *i <= 155 && whole.len() - i - 1 <= 100);
    let Some(cut) = cut else { return false };
    let (prefix, name) = (&whole[..cut], &whole[cut + 1..]);
    bytes[..name.len()].copy_from_slice(name);
    bytes[345..345 + prefix.len()].copy_from_slice(prefix);
    true
}

/// `length key=value\n`, where the length counts its own digits.
fn record(to: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    to.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        to.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::archive::Archive;
    use super::*;

    #[test]
    fn what_does_not_fit_comes_back_all_the_same() {
        let long = [b"d".repeat(120), b"/".to_vec(), b"f".repeat(130)].concat();
        let split = [b"p".repeat(150), b"/".to_vec(), b"n".repeat(99)].concat();
        let mut tar = TarWriter::new(Vec::new());
        let entry =
            |path| Entry { path, mode: 0o4755, uid: 3_000_000, gid: 7, mtime: -5, ..Entry::default() };
        let xattrs = vec![(b"user.x".to_vec(), b"a\n=\0".to_vec())];
        tar.file(&Entry { size: 3, xattrs, ..entry(&long) }, &b"abc"[..]).expect("file");
        tar.entry(EntryType::Symlink, &Entry { link: &long, ..entry(&split) }).expect("link");
        tar.entry(EntryType::Char, &Entry { device: (1, 3), ..entry(b"null") }).expect("device");
        tar.entry(EntryType::Directory, &entry(&long)).expect("folder");
        let bytes = tar.finish().expect("end");
        let mut archive = Archive::new(&bytes[..], "test");
        let file = archive.next().expect("member").expect("file");
        assert_eq!((&file.path, file.mode, file.uid, file.mtime.seconds), (&long, 0o4755, 3_000_000, -5));
        assert_eq!(file.xattrs, [(b"user.x".to_vec(), b"a\n=\0".to_vec())]);
        let link = archive.next().expect("member").expect("link");
        assert_eq!((&link.path, &link.link), (&split, &long));
        assert_eq!(archive.next().expect("member").expect("device").device, (1, 3));
        let folder = archive.next().expect("member").expect("folder");
        assert_eq!(folder.path.strip_suffix(b"/"), Some(&long[..]));
        assert!(archive.next().expect("end").is_none());
    }
}
