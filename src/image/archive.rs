//! Reads a tar stream, member by member: ustar, GNU and PAX, sparse files of all kinds.
//!
//! Headers are parsed by the `tar` crate; the stream is walked here, because extended attributes have to survive any
//! byte, an archive that is cut off between two members has to be noticed, and no header may make memory grow.

use super::error::ImageError;
use super::pax;
use super::sparse::{self, Segment};
use std::io::Read;
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// Most bytes of an extended header or long name; attributes of Linux have at most 64 KiB each.
const EXTENSION_BYTES: u64 = 4 << 20;

/// A time since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds above them.
    pub nanos: u32,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Symlink,
    HardLink,
    Character,
    Block,
    Fifo,
}

/// One member of an archive, without its data.
#[derive(Debug)]
pub(super) struct Member {
    /// As it stands in the archive.
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Target of a link.
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    /// Apparent bytes.
    pub size: u64,
    /// Where the stored bytes belong, for a sparse file.
    pub segments: Option<Vec<Segment>>,
    /// Major and minor number.
    pub device: (u32, u32),
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Member {
    /// For people.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    /// An error about it.
    pub fn error(&self, why: impl Into<String>) -> ImageError {
        ImageError::Entry { entry: self.shown(), why: why.into() }
    }
}

/// See the module.
pub(super) struct Archive<R> {
    reader: R,
    what: String,
    /// Stored bytes of the current member that were not read yet, and the padding after them.
    left: u64,
    padding: u64,
    last: String,
    ended: bool,
}

/// What the headers before a member say about it.
#[derive(Default)]
struct Extensions {
    pax: Vec<u8>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: Read> Archive<R> {
    /// Reads from `reader`; `what` names it in errors.
    pub fn new(reader: R, what: impl Into<String>) -> Self {
        Self { reader, what: what.into(), left: 0, padding: 0, last: String::new(), ended: false }
    }

    /// The next member; none at the end of the archive, which has to be marked. What was not read of the data of the
    /// one before is passed over.
    pub fn next(&mut self) -> Result<Option<Member>, ImageError> {
        let mut extensions = Extensions::default();
        loop {
            self.pass_over()?;
            let mut block = [0; BLOCK];
            if self.ended || !self.header(&mut block)? {
                self.ended = true;
                return Ok(None);
            }
            self.check_sum(Header::from_byte_slice(&block))?;
            fill_blanks(&mut block);
            let header = Header::from_byte_slice(&block);
            let mut size = header.entry_size().map_err(|e| self.bad(header, &e))?;
            match header.entry_type() {
                EntryType::XHeader => extensions.pax = self.extension(header, size)?,
                EntryType::GNULongName => extensions.name = Some(trimmed(self.extension(header, size)?)),
                EntryType::GNULongLink => extensions.link = Some(trimmed(self.extension(header, size)?)),
                // Comments, as by `git archive`; every reader of images passes them over. `V`: a label.
                EntryType::XGlobalHeader => drop(self.extension(header, size)?),
                other if other.as_byte() == b'V' => self.expect(size),
                _ => {
                    let records =
                        pax::records(&extensions.pax).map_err(|why| self.entry_error(header, why))?;
                    if let Some(text) = last(&records, b"size") {
                        size =
                            pax::number(text).ok_or_else(|| self.entry_error(header, "size is no number"))?;
                    }
                    let member = self.member(header, &extensions, &records, size)?;
                    self.last = member.shown();
                    return Ok(Some(member));
                }
            }
        }
    }

    /// Reads stored data of the current member; 0 at its end.
    pub fn data(&mut self, buffer: &mut [u8]) -> Result<usize, ImageError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let n = self.reader.read(&mut buffer[..most]).map_err(|e| self.stream(e))?;
        if n == 0 {
            return Err(self.cut_off());
        }
        self.left -= n as u64;
        Ok(n)
    }

    /// Stored data of the current member, without a copy; empty at its end. What was used is [consumed](Self::consume).
    pub fn chunk(&mut self) -> Result<&[u8], ImageError>
    where
        R: std::io::BufRead,
    {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        if most == 0 {
            return Ok(&[]);
        }
        match self.reader.fill_buf().map(<[u8]>::len) {
            Ok(0) => Err(self.cut_off()),
            Err(e) => Err(self.stream(e)),
            Ok(n) => {
                let all = self.reader.fill_buf().unwrap_or_default();
                Ok(&all[..n.min(most)])
            }
        }
    }

    /// So many bytes of the last [chunk](Self::chunk) were used.
    pub fn consume(&mut self, n: usize)
    where
        R: std::io::BufRead,
    {
        self.reader.consume(n);
        self.left -= n as u64;
    }

    /// Reads what follows the archive, so that everything has gone through the reader's hash.
    pub fn finish(mut self) -> Result<R, ImageError> {
        let read = std::io::copy(&mut self.reader, &mut std::io::sink());
        read.map_err(|e| self.stream(e))?;
        Ok(self.reader)
    }

    fn member(
        &mut self,
        header: &Header,
        ext: &Extensions,
        records: &[pax::Record<'_>],
        size: u64,
    ) -> Result<Member, ImageError> {
        let path = last(records, b"GNU.sparse.name").or(last(records, b"path")).map(<[u8]>::to_vec);
        let path = path.or(ext.name.clone()).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = last(records, b"linkpath").map(<[u8]>::to_vec).or(ext.link.clone());
        let link = link.or_else(|| header.link_name_bytes().map(Into::into)).unwrap_or_default();
        let bad = |e: std::io::Error| ImageError::Entry { entry: shown(&path), why: e.to_string() };
        let kind = match header.entry_type() {
            EntryType::Regular if path.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::HardLink,
            EntryType::Char => Kind::Character,
            EntryType::Block => Kind::Block,
            EntryType::Fifo => Kind::Fifo,
            other => {
                let why = format!("members of type {:?} are not supported", other.as_byte() as char);
                return Err(ImageError::Entry { entry: shown(&path), why });
            }
        };
        let id = |key: &[u8], plain: std::io::Result<u64>| match last(records, key).map(pax::number) {
            Some(number) => number.and_then(|n| u32::try_from(n).ok()),
            None => plain.ok().and_then(|n| u32::try_from(n).ok()),
        };
        let no_id = || bad(std::io::Error::other("user or group is no 32-bit number"));
        let mtime = match last(records, b"mtime") {
            Some(text) => pax::time(text).ok_or_else(|| bad(std::io::Error::other("mtime is no number")))?,
            None => Time { seconds: header.mtime().map_err(bad)?.cast_signed(), nanos: 0 },
        };
        let device = |number: std::io::Result<Option<u32>>| match kind {
            Kind::Character | Kind::Block => number.map(Option::unwrap_or_default).map_err(bad),
            _ => Ok(0),
        };
        let attribute = |(key, value): &pax::Record<'_>| {
            key.strip_prefix(b"SCHILY.xattr.").map(|name| (name.to_vec(), value.to_vec()))
        };
        let mut member = Member {
            kind,
            link,
            mode: header.mode().map_err(bad)? & 0o7777,
            uid: id(b"uid", header.uid()).ok_or_else(no_id)?,
            gid: id(b"gid", header.gid()).ok_or_else(no_id)?,
            mtime,
            size,
            segments: None,
            device: (device(header.device_major())?, device(header.device_minor())?),
            xattrs: records.iter().filter_map(attribute).collect(),
            path,
        };
        // Some writers give links and folders a size; nothing follows it (as Go's archive/tar reads it, which is what
        // image tools are written with).
        if member.kind == Kind::File {
            self.expect(size);
            sparse::read(self, header, records, &mut member)?;
        }
        Ok(member)
    }

    /// Reads exactly `buffer`, which belongs to the current member's stored data.
    pub(super) fn stored(&mut self, buffer: &mut [u8]) -> Result<(), ImageError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.data(&mut buffer[filled..])? {
                0 => return Err(self.cut_off()),
                n => filled += n,
            }
        }
        Ok(())
    }

    /// Reads one block that no size counts: GNU's extended sparse headers.
    pub(super) fn extra_block(&mut self) -> Result<[u8; BLOCK], ImageError> {
        let mut block = [0; BLOCK];
        self.reader.read_exact(&mut block).map_err(|e| self.stream(e))?;
        Ok(block)
    }

    /// Stored bytes of the current member that were not read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn extension(&mut self, header: &Header, size: u64) -> Result<Vec<u8>, ImageError> {
        if size > EXTENSION_BYTES {
            return Err(self.entry_error(header, "its extended header is too long"));
        }
        self.expect(size);
        let mut data = vec![0; usize::try_from(size).unwrap_or_default()];
        self.stored(&mut data)?;
        Ok(data)
    }

    fn pass_over(&mut self) -> Result<(), ImageError> {
        if self.left > 0 {
            let mut waste = [0; 16 << 10];
            while self.data(&mut waste)? > 0 {}
        }
        self.left = std::mem::take(&mut self.padding);
        let mut waste = [0; BLOCK];
        while self.data(&mut waste)? > 0 {}
        Ok(())
    }

    /// False at the mark of the end: a block of zeros.
    fn header(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, ImageError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]).map_err(|e| self.stream(e))? {
                0 => return Err(self.cut_off()),
                n => filled += n,
            }
        }
        Ok(block.iter().any(|b| *b != 0))
    }

    fn check_sum(&self, header: &Header) -> Result<(), ImageError> {
        // The field itself counts as eight spaces (POSIX.1-1988, ustar).
        let bytes = header.as_bytes();
        let sum = bytes[..148].iter().chain(&bytes[156..]).map(|b| u32::from(*b)).sum::<u32>() + 8 * 32;
        if header.cksum().is_ok_and(|c| c == sum) {
            return Ok(());
        }
        let why = "what follows is no tar header: its check sum is wrong".to_owned();
        Err(ImageError::Entry { entry: format!("after {:?}", self.last), why })
    }

    fn entry_error(&self, header: &Header, why: &str) -> ImageError {
        ImageError::Entry { entry: shown(&header.path_bytes()), why: why.to_owned() }
    }

    fn bad(&self, header: &Header, error: &std::io::Error) -> ImageError {
        self.entry_error(header, &error.to_string())
    }

    fn stream(&self, source: std::io::Error) -> ImageError {
        match super::compression::too_large(&source) {
            Some(limit) => ImageError::TooLarge { limit },
            None if source.kind() == std::io::ErrorKind::UnexpectedEof => self.cut_off(),
            None => ImageError::Stream { what: self.what.clone(), source },
        }
    }

    fn cut_off(&self) -> ImageError {
        ImageError::CutOff { what: self.what.clone(), after: self.last.clone() }
    }
}

/// Some writers leave numbers out; every reader takes that for zero, only the crate does not.
fn fill_blanks(block: &mut [u8; BLOCK]) {
    // Mode, user, group, size, mtime, major, minor (POSIX.1-1988, ustar).
    for range in [100..108, 108..116, 116..124, 124..136, 136..148, 329..337, 337..345] {
        if block[range.clone()].iter().all(|b| matches!(b, 0 | b' ')) {
            block[range.start] = b'0';
            block[range.start + 1] = 0;
        }
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

/// The last value of a key: later records override earlier ones.
pub(super) fn last<'a>(records: &[pax::Record<'a>], key: &[u8]) -> Option<&'a [u8]> {
    records.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| *value)
}
