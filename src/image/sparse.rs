//! Sparse files in archives: GNU's own headers, and PAX formats 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse
//! Files").

use super::archive::{Archive, Member, last};
use super::error::ImageError;
use super::pax::{Record, number};
use std::io::Read;
use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

/// Most segments of one file.
const SEGMENTS: usize = 1 << 20;

/// Bytes that are stored, and where they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub offset: u64,
    pub length: u64,
}

/// Completes `member` when it is a sparse file: its real size and its segments.
pub(super) fn read<R: Read>(
    archive: &mut Archive<R>,
    header: &Header,
    records: &[Record<'_>],
    member: &mut Member,
) -> Result<(), ImageError> {
    let bad = "its map of a sparse file is wrong";
    let value = |key: &[u8]| last(records, key).and_then(number);
    let segments = if header.entry_type() == EntryType::GNUSparse {
        let gnu = header.as_gnu().ok_or_else(|| member.error(bad))?;
        member.size = gnu.real_size().map_err(|_| member.error(bad))?;
        old_gnu(archive, gnu).ok_or_else(|| member.error(bad))?
    } else if value(b"GNU.sparse.major") == Some(1) {
        member.size = value(b"GNU.sparse.realsize").ok_or_else(|| member.error(bad))?;
        in_data(archive)?.ok_or_else(|| member.error(bad))?
    } else if let Some(size) = value(b"GNU.sparse.size") {
        member.size = size;
        in_records(records).ok_or_else(|| member.error(bad))?
    } else {
        return Ok(());
    };
    let (mut end, mut stored) = (0u64, 0u64);
    for s in &segments {
        let next = s.offset.checked_add(s.length).filter(|n| s.offset >= end && *n <= member.size);
        end = next.ok_or_else(|| member.error(bad))?;
        stored += s.length;
    }
    if stored != archive.left() {
        return Err(member.error(bad));
    }
    member.segments = Some(segments);
    Ok(())
}

fn old_gnu<R: Read>(archive: &mut Archive<R>, gnu: &tar::GnuHeader) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut add = |blocks: &[GnuSparseHeader]| -> Option<()> {
        for block in blocks.iter().filter(|b| !b.is_empty()) {
            segments.push(Segment { offset: block.offset().ok()?, length: block.length().ok()? });
        }
        (segments.len() <= SEGMENTS).then_some(())
    };
    add(&gnu.sparse)?;
    let mut more = gnu.is_extended();
    while more {
        let mut ext = GnuExtSparseHeader::new();
        ext.as_mut_bytes().copy_from_slice(&archive.extra_block().ok()?);
        add(&ext.sparse)?;
        more = ext.is_extended();
    }
    Some(segments)
}

/// Format 1.0: decimal lines before the data, padded to a block.
fn in_data<R: Read>(archive: &mut Archive<R>) -> Result<Option<Vec<Segment>>, ImageError> {
    let (mut text, mut numbers) = (Vec::new(), Vec::new());
    loop {
        let wanted = numbers.first().map_or(1, |n: &u64| n.saturating_mul(2).saturating_add(1));
        if wanted > 2 * SEGMENTS as u64 {
            return Ok(None);
        }
        if numbers.len() as u64 >= wanted {
            break;
        }
        let mut block = [0; 512];
        archive.stored(&mut block)?;
        text.extend_from_slice(&block);
        while let Some(end) = text.iter().position(|b| *b == b'\n') {
            let Some(n) = number(&text[..end]) else { return Ok(None) };
            numbers.push(n);
            text.drain(..=end);
            if numbers.len() as u64 == numbers[0].saturating_mul(2).saturating_add(1) {
                break;
            }
        }
        if text.len() > 1024 {
            return Ok(None);
        }
    }
    Ok(Some(pairs(&numbers[1..])))
}

/// Formats 0.1 (one record) and 0.0 (a pair of records a segment).
fn in_records(records: &[Record<'_>]) -> Option<Vec<Segment>> {
    let numbers: Option<Vec<u64>> = match last(records, b"GNU.sparse.map") {
        Some(map) => map.split(|b| *b == b',').map(number).collect(),
        None => {
            let of = |key: &[u8]| key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes";
            records.iter().filter(|(key, _)| of(key)).map(|(_, value)| number(value)).collect()
        }
    };
    numbers.filter(|n| n.len() % 2 == 0).map(|n| pairs(&n))
}

fn pairs(numbers: &[u64]) -> Vec<Segment> {
    numbers.chunks_exact(2).map(|p| Segment { offset: p[0], length: p[1] }).collect()
}
