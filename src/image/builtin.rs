//! The embedded default image: `FROM scratch` with the static `tare-load`. Needs no network and no other image.

use super::error::{ImageError, io};
use super::handle::Image;
use super::import::{ImportOptions, import};
use super::store::Store;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Its name.
pub const REFERENCE: &str = "taremark/load:latest";
/// Tells which program an image was made of.
const LABEL: &str = "taremark.program";

/// The image with the program at `load`, made when it is missing, damaged or of another program. The same program gives
/// the same digest.
pub fn ensure(store: &Store, load: &Path) -> Result<Image, ImageError> {
    let mut program = Vec::new();
    File::open(load).and_then(|mut f| f.read_to_end(&mut program)).map_err(io("read", load))?;
    let digest = super::digest::Digest::of(&program).to_string();
    if let Ok(image) = store.resolve(REFERENCE) {
        let label = image.config_json().pointer("/config/Labels").and_then(|l| l.get(LABEL));
        let whole = image.blobs()?.keys().all(|blob| store.blob_path(blob).is_file());
        if whole && label.and_then(|l| l.as_str()) == Some(&digest) {
            return Ok(image);
        }
    }
    let mut header = tar::Header::new_ustar();
    header.set_path("tare-load").map_err(io("name", load))?;
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::with_capacity(program.len() + 2048));
    archive.append(&header, &program[..]).map_err(io("pack", load))?;
    let archive = archive.into_inner().map_err(io("pack", load))?;
    let options = ImportOptions {
        entrypoint: vec!["/tare-load".into()],
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()],
        labels: [(LABEL.to_owned(), digest)].into(),
        ..ImportOptions::default()
    };
    import(store, &archive[..], &REFERENCE.parse()?, &options)
}
