//! `taremark image convert`.

use crate::cli::bytes::decimal;
use crate::cli::json::Json;
use crate::image::store::Store;
use crate::machine::convert::{Format, convert};
use anyhow::Context;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// What a machine boots; without it, by the file's ending
    #[arg(long, value_enum)]
    format: Option<Kind>,
    /// Free MiB in a file system that can be written
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    spare: u64,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Read-only, uncompressed: quickest to boot
    Erofs,
    /// To be written to
    Ext4,
    /// Read-only, compressed by zstd: smallest
    Squashfs,
    /// ext4 in QEMU's format, compressed
    Qcow2,
    /// A cpio archive for the kernel's rootfs
    Initramfs,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let format = match a.format.or_else(|| by_ending(&a.output)) {
        Some(Kind::Erofs) => Format::Erofs,
        Some(Kind::Ext4) => Format::Ext4,
        Some(Kind::Squashfs) => Format::Squashfs,
        Some(Kind::Qcow2) => Format::Qcow2,
        Some(Kind::Initramfs) => Format::Initramfs,
        None => {
            let what = format!("{} does not end in a format: give --format", a.output.display());
            return Err(crate::cli::failure::Usage { what }.into());
        }
    };
    let image = store.resolve(&a.reference)?;
    let made = || -> anyhow::Result<u64> {
        // Nothing is mounted: a tree in the store's tmp is gone with its process, whatever happens.
        let space = store.temporary()?;
        let tree = space.path().join("tree");
        std::fs::create_dir(&tree)?;
        image.flatten_to(store, &tree)?;
        Ok(convert(&tree, &a.output, format, a.spare << 20)?)
    };
    let bytes = made().with_context(|| format!("convert {} to {}", a.reference, a.output.display()))?;
    let made = serde_json::json!({ "path": a.output, "bytes": bytes });
    a.json.or(&made, || println!("{} {}", a.output.display(), decimal(bytes)))
}

fn by_ending(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "erofs" => Some(Kind::Erofs),
        "ext4" | "img" | "raw" => Some(Kind::Ext4),
        "squashfs" | "sqfs" => Some(Kind::Squashfs),
        "qcow2" => Some(Kind::Qcow2),
        "cpio" | "initramfs" => Some(Kind::Initramfs),
        _ => None,
    }
}
