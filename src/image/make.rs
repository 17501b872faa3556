//! Writes images of one layer: the archive goes in plain and comes to lie compressed.

use super::compression::Limited;
use super::digest::{Digest, Hashing};
use super::error::{ImageError, io, json};
use super::gzip::Gzip;
use super::import::ImportOptions;
use super::store::{BlobWriter, Store};
use super::unpack::{Limits, check};
use serde_json::{Value, json as object};
use std::io::{BufReader, Read, Write};

/// image-spec, media-types.md.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layer in the store.
pub(super) struct Layer {
    pub blob: Digest,
    pub bytes: u64,
    pub diff_id: Digest,
}

/// Takes in a plain tar stream, checks it on the way, and stores it compressed by gzip, the same bytes for the same
/// archive.
pub(super) fn layer(store: &Store, tar: impl Read, what: &str, limits: Limits) -> Result<Layer, ImageError> {
    let encoder = Gzip::new(store.writer()?);
    let tee = Tee { from: Limited::new(tar, limits.bytes), to: encoder, failed: None };
    let mut reader = BufReader::with_capacity(256 << 10, Hashing::new(tee));
    let checked = check(&mut reader, what, limits).map(drop);
    let (diff_id, _, tee) = reader.into_inner().finish();
    if let Some(error) = tee.failed {
        return Err(io("write a blob in", store.root())(error));
    }
    checked?;
    let writer = tee.to.finish().map_err(io("write a blob in", store.root()))?;
    let (blob, bytes) = writer.finish(None)?;
    Ok(Layer { blob, bytes, diff_id })
}

/// Writes config and manifest; the manifest's digest.
pub(super) fn image(store: &Store, layer: &Layer, options: &ImportOptions) -> Result<Digest, ImageError> {
    let mut run = serde_json::Map::new();
    let mut set = |key: &str, value: Value, empty: bool| {
        if !empty {
            run.insert(key.to_owned(), value);
        }
    };
    set("User", object!(options.user), options.user.is_empty());
    set("Env", object!(options.env), options.env.is_empty());
    set("Entrypoint", object!(options.entrypoint), options.entrypoint.is_empty());
    set("Cmd", object!(options.argv), options.argv.is_empty());
    set("WorkingDir", object!(options.cwd), options.cwd.is_empty());
    set("Labels", object!(options.labels), options.labels.is_empty());
    let mut config = object!({
        "architecture": options.architecture.as_deref().unwrap_or(super::platform::architecture()),
        "os": "linux",
        "config": run,
        "rootfs": { "type": "layers", "diff_ids": [layer.diff_id.to_string()] },
    });
    if let Some(created) = &options.created {
        config["created"] = object!(created);
    }
    let config = serde_json::to_vec(&config).map_err(json("the config"))?;
    let (digest, size) = store.put(&config[..], None)?;
    let descriptor = |kind: &str, digest: &Digest, size: u64| object!({ "mediaType": kind, "digest": digest.to_string(), "size": size });
    let manifest = object!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &digest, size),
        "layers": [descriptor(LAYER_GZIP, &layer.blob, layer.bytes)],
    });
    let manifest = serde_json::to_vec(&manifest).map_err(json("the manifest"))?;
    store.put(&manifest[..], None).map(|(digest, _)| digest)
}

/// Gives what it reads to a writer too.
struct Tee<R> {
    from: R,
    to: Gzip<BlobWriter>,
    /// Told apart from an error of the source.
    failed: Option<std::io::Error>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(buffer)?;
        if let Err(error) = self.to.write_all(&buffer[..n]) {
            self.failed = Some(error);
            return Err(std::io::Error::other("the copy could not be written"));
        }
        Ok(n)
    }
}
