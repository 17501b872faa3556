//! From a kernel file to what QEMU boots: an ELF file with a PVH entry.

use super::decompress::decompress;
use crate::machine::elf::{HEADER, LOAD, NOTE, Segment, segments, u16_at, u32_at};
use crate::sys::port;

/// XEN_ELFNOTE_PHYS32_ENTRY of xen/interface/elfnote.h: physical address of the 32-bit entry.
const PHYS32_ENTRY: u32 = 18;
/// Alignment of segments in the file that is written.
const PAGE: usize = 4096;

/// The vmlinux of a bzImage (Documentation/x86/boot.rst), or the file itself if it is one.
pub(super) fn of_kernel(file: &[u8]) -> Result<Vec<u8>, String> {
    if file.starts_with(b"\x7fELF") {
        return Ok(file.to_vec());
    }
    if file.get(0x202..0x206) != Some(b"HdrS") {
        return Err("it is neither a bzImage nor an ELF file".into());
    }
    let payload = || {
        let sectors = usize::from(*file.get(0x1f1)?);
        let start = (sectors + 1) * 512 + u32_at(file, 0x248)? as usize;
        file.get(start..start.checked_add(u32_at(file, 0x24c)? as usize)?)
    };
    decompress(payload().ok_or("it is cut short")?)
}

/// The same kernel in a file that holds what is loaded and no more, with its PVH entry moved to a stub of nine bytes
/// that stamps the debug port and goes on to the kernel's own: the end of the phase `qemu` is seen by that.
pub(super) fn prepare(file: &[u8]) -> Result<Vec<u8>, String> {
    let all = segments(file).ok_or("it is not a whole 64-bit ELF file")?;
    let notes = all.iter().find(|s| s.kind == NOTE).ok_or("it has no PVH entry (CONFIG_PVH)")?;
    let note = pvh_note(file, notes).ok_or("it has no PVH entry (CONFIG_PVH)")?;
    let mut file = file.to_vec();
    add_stub(&mut file, &all, note).ok_or("there is no room for a stub in it")?;
    Ok(pack(&file, &all))
}

/// Offset in the file of the entry address. Notes: two lengths, a type, then name and description, padded to 4.
fn pvh_note(file: &[u8], notes: &Segment) -> Option<usize> {
    let end = notes.offset + notes.file_bytes;
    let mut at = notes.offset;
    while at + 12 <= end {
        let (name, description) = (u32_at(file, at)? as usize, u32_at(file, at + 4)? as usize);
        let body = at + 12 + name.next_multiple_of(4);
        if u32_at(file, at + 8)? == PHYS32_ENTRY && file.get(at + 12..at + 16)? == b"Xen\0" {
            return (description >= 4 && body + 4 <= end).then_some(body);
        }
        at = body.checked_add(description.next_multiple_of(4))?;
    }
    None
}

fn add_stub(file: &mut [u8], all: &[Segment], note: usize) -> Option<()> {
    let entry = u32_at(file, note)?;
    let text = all.iter().find(|s| s.kind == LOAD)?;
    let at = gap(&file[text.offset..text.offset + text.file_bytes])?;
    let address = u32::try_from(text.physical + at as u64).ok()?;
    // mov al, QEMU; out PORT, al; jmp entry. The entry's contract leaves eax to us (Xen's docs/misc/pvh.pandoc).
    let mut stub = vec![0xb0, port::QEMU, 0xe6, port::PORT as u8, 0xe9];
    stub.extend_from_slice(&entry.wrapping_sub(address + 9).to_le_bytes());
    let place = text.offset + at;
    file.get_mut(place..place + stub.len())?.copy_from_slice(&stub);
    file.get_mut(note..note + 4)?.copy_from_slice(&address.to_le_bytes());
    Some(())
}

/// A stretch of at least a page of zeros, which is padding (between code and read-only data): its second half.
fn gap(text: &[u8]) -> Option<usize> {
    let zero = |page: &[u8]| page.iter().all(|b| *b == 0);
    text.chunks_exact(PAGE).position(zero).map(|n| n * PAGE + PAGE / 2)
}

/// Header, program headers, and the segments one after the other without the zeros at their ends: guest RAM is zero
/// where nothing is loaded.
fn pack(file: &[u8], all: &[Segment]) -> Vec<u8> {
    let entry_size = usize::from(u16_at(file, 54).unwrap_or(56));
    let mut out = file[..HEADER].to_vec();
    out[32..40].copy_from_slice(&(HEADER as u64).to_le_bytes());
    out[40..48].fill(0);
    out[60..64].fill(0);
    for s in all {
        out.extend_from_slice(&file[s.header..s.header + entry_size]);
    }
    let mut placed: Vec<(usize, usize)> = Vec::new();
    for s in all.iter().filter(|s| s.kind == LOAD) {
        let bytes = kept(file, s, all);
        out.resize(out.len().next_multiple_of(PAGE), 0);
        placed.push((out.len(), bytes.len()));
        out.extend_from_slice(bytes);
    }
    let mut next = placed.iter();
    for (n, s) in all.iter().enumerate() {
        let header = HEADER + n * entry_size;
        let loaded = if s.kind == LOAD { next.next().copied() } else { inside(s, all, &placed) };
        let (offset, length) = loaded.unwrap_or((0, 0));
        out[header + 8..header + 16].copy_from_slice(&(offset as u64).to_le_bytes());
        out[header + 32..header + 40].copy_from_slice(&(length as u64).to_le_bytes());
    }
    out
}

/// Of a loaded segment, all but the zeros at its end; the zeros of a note's end are kept, for who reads the notes again.
fn kept<'a>(file: &'a [u8], s: &Segment, all: &[Segment]) -> &'a [u8] {
    let bytes = &file[s.offset..s.offset + s.file_bytes];
    let last = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let notes = all.iter().filter(|n| n.kind == NOTE && begins_in(n, s));
    let notes_end = notes.map(|n| n.offset + n.file_bytes - s.offset).max().unwrap_or(0);
    file.get(s.offset..s.offset + last.max(notes_end)).unwrap_or(&bytes[..last])
}

fn begins_in(s: &Segment, load: &Segment) -> bool {
    s.offset >= load.offset && s.offset < load.offset + load.file_bytes
}

/// Where a segment that lies inside a loaded one (the notes) is now.
fn inside(s: &Segment, all: &[Segment], placed: &[(usize, usize)]) -> Option<(usize, usize)> {
    let loads = all.iter().filter(|l| l.kind == LOAD);
    let (load, new) = loads.zip(placed).find(|(l, _)| begins_in(s, l))?;
    Some((new.0 + s.offset - load.offset, s.file_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one loaded segment (a page of code, two of zeros) whose notes lie at its start.
    fn kernel() -> Vec<u8> {
        let mut f = vec![0u8; PAGE];
        f[..6].copy_from_slice(b"\x7fELF\x02\x01");
        f[32] = 64;
        f[54] = 56;
        f[56] = 2;
        let mut header = |n: usize, kind: u32, offset: u64, bytes: u64| {
            let at = 64 + n * 56;
            f[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            f[at + 8..at + 16].copy_from_slice(&offset.to_le_bytes());
            f[at + 24..at + 32].copy_from_slice(&0x10_0000u64.to_le_bytes());
            f[at + 32..at + 40].copy_from_slice(&bytes.to_le_bytes());
        };
        header(0, LOAD, 4096, 3 * 4096);
        header(1, NOTE, 4096, 24);
        let note = [4u32, 8, PHYS32_ENTRY].map(u32::to_le_bytes).concat();
        f.extend_from_slice(&[note.as_slice(), b"Xen\0", &0x10_0100u64.to_le_bytes()].concat());
        f.resize(4 * PAGE, 0);
        f[PAGE + 0x100] = 0xf4;
        f
    }

    #[test]
    fn the_entry_goes_by_way_of_the_stub() {
        let out = prepare(&kernel()).expect("prepare");
        let all = segments(&out).expect("elf");
        let entry = u32_at(&out, pvh_note(&out, &all[1]).expect("note")).expect("entry");
        assert_eq!(entry, 0x10_0000 + 4096 + 2048);
        let stub = &out[all[0].offset + 4096 + 2048..][..9];
        assert_eq!(stub[..5], [0xb0, b'q', 0xe6, 0xe9, 0xe9]);
        let jump = u32_at(stub, 5).expect("jump");
        assert_eq!(entry.wrapping_add(9).wrapping_add(jump), 0x10_0100);
    }

    #[test]
    fn what_was_prepared_can_be_given_again() {
        let mut last = kernel();
        // Code, and then a note at the segment's very end, which ends in zeros.
        last.truncate(3 * PAGE);
        last[64 + 32..64 + 40].copy_from_slice(&(2 * PAGE as u64).to_le_bytes());
        let note = last[PAGE..PAGE + 24].to_vec();
        last[PAGE..PAGE + 24].fill(0);
        last[3 * PAGE - 24..].copy_from_slice(&note);
        last[64 + 56 + 8..64 + 56 + 16].copy_from_slice(&(3 * PAGE as u64 - 24).to_le_bytes());
        last[PAGE..PAGE + 0x100].fill(0x90);
        for kernel in [kernel(), last] {
            let mut file = kernel;
            for _ in 0..2 {
                let all = segments(&file).expect("elf");
                let packed = pack(&file, &all);
                let all = segments(&packed).expect("elf");
                assert_eq!(all[1].file_bytes, 24);
                let note = pvh_note(&packed, &all[1]).expect("note");
                assert_eq!(u32_at(&packed, note), Some(0x10_0100));
                file = packed;
            }
        }
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(of_kernel(b"#!/bin/sh").is_err());
        assert!(prepare(b"\x7fELF").is_err());
        let mut plain = kernel();
        plain[PAGE + 8] = 1;
        assert!(prepare(&plain).expect_err("no note").contains("PVH"));
    }
}
