//! The little of ELF that machines need (System V ABI, chapters 4 and 5; 64-bit, little-endian).

/// A program header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where its header stands in the file.
    pub header: usize,
    /// PT_LOAD is 1, PT_NOTE is 4.
    pub kind: u32,
    /// In the file.
    pub offset: usize,
    /// Physical address.
    pub physical: u64,
    /// Bytes in the file.
    pub file_bytes: usize,
}

/// Loaded into memory.
pub(super) const LOAD: u32 = 1;
/// Notes.
pub(super) const NOTE: u32 = 4;
/// Length of a 64-bit file header.
pub(super) const HEADER: usize = 64;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Segments of a 64-bit little-endian file whose contents lie inside it; `None` when it is none.
pub(super) fn segments(file: &[u8]) -> Option<Vec<Segment>> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(u64_at(file, 32)?).ok()?;
    let (size, count) = (u16_at(file, 54)?, u16_at(file, 56)?);
    let one = |n: u16| -> Option<Segment> {
        let header = table.checked_add(usize::from(n) * usize::from(size))?;
        file.get(header..header.checked_add(56)?)?;
        let offset = usize::try_from(u64_at(file, header + 8)?).ok()?;
        let file_bytes = usize::try_from(u64_at(file, header + 32)?).ok()?;
        file.get(offset..offset.checked_add(file_bytes)?)?;
        let (kind, physical) = (u32_at(file, header)?, u64_at(file, header + 24)?);
        Some(Segment { header, kind, offset, physical, file_bytes })
    };
    (0..count).map(one).collect()
}

/// The file without what follows its last segment (section headers, symbols, debug information): what `strip` does, and
/// the guest need not unpack. A file that is not ELF comes back as it is.
pub(super) fn loaded_part(mut file: Vec<u8>) -> Vec<u8> {
    let Some(segments) = segments(&file) else { return file };
    let end = segments.iter().map(|s| s.offset + s.file_bytes).max().unwrap_or(file.len()).max(HEADER);
    file.truncate(end);
    // No section headers: their offset, and their number and the index of their names.
    file[40..48].fill(0);
    file[60..64].fill(0);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_without_its_symbols_still_runs() {
        let whole = std::fs::read("/proc/self/exe").expect("own program");
        let length = whole.len();
        let part = loaded_part(whole);
        assert!(part.len() < length, "{} of {length}", part.len());
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("part");
        std::fs::write(&path, &part).expect("write");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("chmod");
        let output = std::process::Command::new(&path).arg("--list").output().expect("run");
        assert!(output.status.success());
    }

    #[test]
    fn what_is_no_elf_is_left_alone() {
        assert_eq!(loaded_part(b"#!/bin/sh".to_vec()), b"#!/bin/sh");
        assert_eq!(segments(b"\x7fELF\x02\x01"), None);
        let mut lies = vec![0u8; 64];
        lies[..6].copy_from_slice(b"\x7fELF\x02\x01");
        lies[32..40].fill(0xff);
        lies[56] = 1;
        assert_eq!(segments(&lies), None);
    }
}
