//! docker-archive: `manifest.json` names configs and layers by file (as `docker save` writes it).

use super::compression::decoder;
use super::digest::Digest;
use super::error::{ImageError, json};
use super::make::{CONFIG, LAYER_GZIP, MANIFEST, layer};
use super::source::Source;
use super::store::Store;
use super::unpack::Limits;
use serde_json::json as object;

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Names and manifest of each image; the manifest is made here, as a docker-archive has none of its own. Layers have no
/// digest of their blob there: each is verified by its diff id in the config, whose digest is its name.
pub(super) fn load(store: &Store, source: &Source) -> Result<Vec<(Vec<String>, Digest)>, ImageError> {
    let entries: Vec<Entry> =
        serde_json::from_slice(&source.small("manifest.json")?).map_err(json("manifest.json"))?;
    entries
        .into_iter()
        .map(|e| Ok((e.repo_tags.clone().unwrap_or_default(), image(store, source, &e)?)))
        .collect()
}

fn image(store: &Store, source: &Source, entry: &Entry) -> Result<Digest, ImageError> {
    let config = source.small(&entry.config)?;
    let found = Digest::of(&config);
    let name = entry.config.rsplit('/').next().unwrap_or_default();
    // `<hex>.json` of old, `blobs/sha256/<hex>` of late.
    if let Ok(expected) = format!("sha256:{}", name.trim_end_matches(".json")).parse::<Digest>()
        && expected != found
    {
        return Err(ImageError::WrongDigest { expected, found });
    }
    let parsed: oci_spec::image::ImageConfiguration =
        serde_json::from_slice(&config).map_err(json(&entry.config))?;
    let diff_ids = parsed.rootfs().diff_ids();
    if diff_ids.len() != entry.layers.len() {
        let why = format!("{} layers, but {} diff ids", entry.layers.len(), diff_ids.len());
        return Err(ImageError::Inconsistent { image: found, why });
    }
    let mut layers = Vec::new();
    for (file, diff_id) in entry.layers.iter().zip(diff_ids) {
        let expected: Digest = diff_id.parse()?;
        let stream = |source| ImageError::Stream { what: file.clone(), source };
        let plain = decoder(source.reader(file)?).map_err(stream)?;
        let made = layer(store, plain, file, Limits::default())?;
        if made.diff_id != expected {
            return Err(ImageError::WrongDiffId { layer: made.blob, expected, found: made.diff_id });
        }
        layers.push(object!({
            "mediaType": LAYER_GZIP, "digest": made.blob.to_string(), "size": made.bytes,
        }));
    }
    let (digest, size) = store.put(&config[..], Some((&found, config.len() as u64)))?;
    let manifest = object!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest.to_string(), "size": size },
        "layers": layers,
    });
    let manifest = serde_json::to_vec(&manifest).map_err(json("the manifest"))?;
    store.put(&manifest[..], None).map(|(digest, _)| digest)
}
