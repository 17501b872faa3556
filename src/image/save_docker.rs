//! docker-archive: `manifest.json`, configs, and layers as plain tars (what `docker load` and `podman load` read).

use super::digest::Digest;
use super::error::{ImageError, io, json};
use super::handle::Image;
use super::reference::Reference;
use super::save::{header, padding};
use super::store::Store;
use super::unpack::Limits;
use serde_json::json as object;
use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// Writes one; the same bytes for the same images. Of an index, this host's image.
pub fn docker_archive(
    store: &Store,
    references: &[String],
    to: &mut (impl Write + Seek),
) -> Result<(), ImageError> {
    let _adding = store.adding()?;
    let failed = |e| io("write", Path::new("the archive"))(e);
    let mut written = BTreeSet::new();
    let mut entries = Vec::new();
    for reference in references {
        let image = store.resolve(reference)?;
        let (config, layers) = image.described()?;
        let bytes = store.read(&config)?;
        let config_name = format!("{}.json", config.hex());
        if written.insert(config_name.clone()) {
            member(to, &config_name, &bytes).map_err(failed)?;
        }
        let mut names = Vec::new();
        for (blob, diff_id) in layers.iter().zip(image.diff_ids()) {
            let name = format!("{}.tar", diff_id.hex());
            if written.insert(name.clone()) {
                layer(store, &name, blob, diff_id, to)?;
            }
            names.push(name);
        }
        let name = reference.parse::<Reference>()?;
        entries.push(object!({ "Config": config_name, "RepoTags": [tag(&name, &image)], "Layers": names }));
    }
    let manifest = serde_json::to_vec(&entries).map_err(json("manifest.json"))?;
    member(to, "manifest.json", &manifest).map_err(failed)?;
    to.write_all(&[0; 1024]).and_then(|()| to.flush()).map_err(failed)
}

/// Docker knows tags alone there.
fn tag(name: &Reference, image: &Image) -> String {
    match &name.version {
        super::reference::Version::Tag(_) => name.to_string(),
        super::reference::Version::Digest(_) => format!("{}:{}", name.name, &image.digest().hex()[..12]),
    }
}

fn member(to: &mut impl Write, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let length = bytes.len() as u64;
    to.write_all(header(name, length)?.as_bytes())?;
    to.write_all(bytes)?;
    to.write_all(&[0; 512][..padding(length)])
}

/// Its length is known when it was decoded: the header is written last.
fn layer(
    store: &Store,
    name: &str,
    blob: &Digest,
    diff_id: &Digest,
    to: &mut (impl Write + Seek),
) -> Result<(), ImageError> {
    let failed = |e| io("write", Path::new("the archive"))(e);
    let start = to.stream_position().map_err(failed)?;
    to.write_all(&[0; 512]).map_err(failed)?;
    let what = format!("layer {blob}");
    let (bytes, found) =
        super::ahead::decoded(super::layer::opened(store, blob)?, Limits::default().bytes, |ahead| {
            let mut bytes = 0;
            loop {
                let chunk = std::io::BufRead::fill_buf(ahead).map_err(super::ahead::told(&what))?;
                if chunk.is_empty() {
                    return Ok::<u64, ImageError>(bytes);
                }
                to.write_all(chunk).map_err(failed)?;
                let n = chunk.len();
                bytes += n as u64;
                std::io::BufRead::consume(ahead, n);
            }
        })?;
    if found != *diff_id {
        return Err(ImageError::WrongDiffId { layer: blob.clone(), expected: diff_id.clone(), found });
    }
    to.write_all(&[0; 512][..padding(bytes)]).map_err(failed)?;
    let end = to.stream_position().map_err(failed)?;
    to.seek(SeekFrom::Start(start)).map_err(failed)?;
    let header = header(name, bytes).map_err(failed)?;
    to.write_all(header.as_bytes()).map_err(failed)?;
    to.seek(SeekFrom::Start(end)).map(drop).map_err(failed)
}
