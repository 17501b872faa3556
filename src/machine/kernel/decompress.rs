//! The compressions that kernels come in, told by their magic numbers (scripts/extract-vmlinux of the kernel).

use std::io::Read;

/// Decompresses a kernel's payload. What follows the compressed stream (its length) is ignored.
pub(super) fn decompress(payload: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let read = match payload {
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(payload).read_to_end(&mut out),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            lzma_rust2::XzReader::new(payload, false).read_to_end(&mut out)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::Decoder::new(payload).and_then(|d| d.single_frame().read_to_end(&mut out))
        }
        [0x02, 0x21, 0x4c, 0x18, rest @ ..] => return lz4_legacy(rest),
        _ => {
            let magic = hex::encode(payload.get(..4).unwrap_or(payload));
            return Err(format!("its compression (magic {magic}) is not gzip, xz, zstd or lz4"));
        }
    };
    read.map(|_| out).map_err(|e| format!("its compressed part is damaged: {e}"))
}

/// LZ4's legacy frame: blocks of up to 8 MiB, each with its compressed length (doc/lz4_Frame_format.md, "Legacy frame").
/// The kernel appends the whole's length as four bytes, which look like the start of a block and end the file.
fn lz4_legacy(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    const BLOCK: usize = 8 << 20;
    let mut out = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let Some(block) = after.get(..u32::from_le_bytes(*head) as usize).filter(|b| !b.is_empty()) else {
            break;
        };
        let before = out.len();
        lz4_block(block, &mut out, before + BLOCK).ok_or("its lz4 block is damaged")?;
        rest = &after[block.len()..];
    }
    Ok(out)
}

/// One block (doc/lz4_Block_format.md): sequences of literals and a match that copies from what is already out.
fn lz4_block(mut block: &[u8], out: &mut Vec<u8>, limit: usize) -> Option<()> {
    let start = out.len();
    loop {
        let (&token, rest) = block.split_first()?;
        block = rest;
        let literals = length(usize::from(token >> 4), &mut block)?;
        out.extend_from_slice(block.get(..literals)?);
        block = &block[literals..];
        if out.len() > limit {
            return None;
        }
        if block.is_empty() {
            return Some(());
        }
        let (offset, rest) = block.split_first_chunk::<2>()?;
        block = rest;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let count = length(usize::from(token & 15), &mut block)? + 4;
        let from = out.len().checked_sub(offset).filter(|&f| f >= start && offset > 0)?;
        if out.len() + count > limit {
            return None;
        }
        if offset >= count {
            out.extend_from_within(from..from + count);
        } else {
            (0..count).for_each(|i| out.push(out[from + i]));
        }
    }
}

/// A length of 15 goes on in further bytes, up to the first that is not 255.
fn length(nibble: usize, block: &mut &[u8]) -> Option<usize> {
    let mut length = nibble;
    if nibble == 15 {
        loop {
            let (&byte, rest) = block.split_first()?;
            *block = rest;
            length += usize::from(byte);
            if byte != 255 {
                break;
            }
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    #[test]
    fn each_compression_comes_back() {
        let text = b"kernel ".repeat(1000);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&text).expect("gzip");
        let gz = gz.finish().expect("gzip");
        let zst = zstd::encode_all(text.as_slice(), 3).expect("zstd");
        for mut packed in [gz, zst] {
            packed.extend_from_slice(&7000u32.to_le_bytes());
            assert_eq!(decompress(&packed).expect("decompress"), text);
        }
        // "abc", then a match of 4 + 15 + 2 bytes at distance 3, then the literal "x".
        let block = [0x3f, b'a', b'b', b'c', 3, 0, 2, 0x10, b'x'];
        let packed = [&[0x02, 0x21, 0x4c, 0x18, 9, 0, 0, 0], block.as_slice(), &[25, 0, 0, 0]].concat();
        assert_eq!(decompress(&packed).expect("lz4"), [b"abc".repeat(8).as_slice(), b"x"].concat());
    }

    #[test]
    fn an_unknown_one_is_named() {
        let e = decompress(b"BZh9").expect_err("bzip2");
        assert!(e.contains("425a6839"), "{e}");
    }

    proptest! {
        #[test]
        fn damaged_blocks_are_borne(bytes in any::<Vec<u8>>()) {
            let _ = lz4_block(&bytes, &mut Vec::new(), 1 << 16);
            let _ = lz4_legacy(&bytes);
        }
    }
}
