//! Config and layers of the wanted stage -> an image with its names.

use super::error::BuildError;
use super::options::Options;
use super::shared::{Build, Finished};
use crate::image::ImageError;
use crate::image::digest::Digest;
use crate::image::error::{io, json};
use crate::image::make::{CONFIG, MANIFEST};
use crate::image::store::Store;
use serde_json::{Value, json as object};
use std::io::Write;

/// Writes config and manifest; the manifest's digest.
pub(super) fn write(build: &Build<'_>, stage: &Finished) -> Result<Digest, BuildError> {
    let mut config = stage.config.clone();
    for (key, value) in &build.options.labels {
        config.put("Labels", key, object!(value));
    }
    let value = config.value_mut();
    value["created"] = object!(build.created);
    if value["config"].as_object().is_some_and(serde_json::Map::is_empty) {
        value["config"] = object!({});
    }
    let config = serde_json::to_vec(&ordered(value)).map_err(json("the config"))?;
    let store = build.store;
    let (digest, size) = put(store, &config)?;
    let layers: Vec<Value> = stage
        .layers
        .iter()
        .map(|l| object!({ "mediaType": l.media_type, "digest": l.blob, "size": l.bytes }))
        .collect();
    let manifest = object!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest.to_string(), "size": size },
        "layers": layers,
    });
    let manifest = serde_json::to_vec(&manifest).map_err(json("the manifest"))?;
    Ok(put(store, &manifest)?.0)
}

/// Synced with all else, before it is named.
fn put(store: &Store, bytes: &[u8]) -> Result<(Digest, u64), ImageError> {
    let mut writer = store.writer()?;
    writer.write_all(bytes).map_err(io("write", store.root()))?;
    writer.finish_unsynced()
}

/// Gives it all names that were asked for.
pub(super) fn name(store: &Store, options: &Options, manifest: &Digest) -> Result<(), BuildError> {
    options.tags.iter().try_for_each(|tag| store.name(tag, manifest)).map_err(BuildError::from)
}

/// First what people look for first.
fn ordered(config: &Value) -> Value {
    let mut out = serde_json::Map::new();
    let first = ["created", "author", "architecture", "variant", "os", "config", "rootfs", "history"];
    for key in first {
        if let Some(value) = config.get(key) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    for (key, value) in config.as_object().into_iter().flatten() {
        out.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(out)
}
