//! How an image came to be, and what each of its layers holds.

use super::error::ImageError;
use super::handle::Image;
use super::store::Store;
use super::view::walk;
use rustix::fs::FileType;
use serde_json::Value;
use std::collections::HashSet;
use std::path::PathBuf;

/// One step of an image's making, the first one first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// RFC 3339.
    pub created: Option<String>,
    /// The command.
    pub created_by: String,
    /// What its maker noted.
    pub comment: String,
    /// The layer that it made; none: it changed the config alone.
    pub layer: Option<String>,
    /// Of that layer, compressed.
    pub blob_bytes: u64,
}

/// What one layer holds, the bottom first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Layer {
    /// Of the blob.
    pub digest: String,
    /// Of the plain archive.
    pub diff_id: String,
    /// The command that made it, where the history tells.
    pub created_by: String,
    /// Compressed.
    pub blob_bytes: u64,
    /// Regular files in it, each inode once.
    pub files: u64,
    /// Their apparent bytes.
    pub bytes: u64,
    /// Names in lower layers that it hides.
    pub whiteouts: u64,
    /// Bytes of it that no one sees: later layers replace or hide them.
    pub wasted_bytes: u64,
}

/// The history as the config tells it. Layers that it does not tell of come first: what was built on such an image told of
/// its own.
pub fn events(image: &Image) -> Result<Vec<Event>, ImageError> {
    let (_, blobs) = image.described()?;
    let bytes = image.blobs()?;
    let mut layers = blobs.into_iter();
    let mut made = |layer: bool| {
        let digest = if layer { layers.next() } else { None };
        let blob_bytes = digest.as_ref().and_then(|d| bytes.get(d)).copied().unwrap_or_default();
        (digest.map(|d| d.to_string()), blob_bytes)
    };
    let told = image.config_json().get("history").and_then(Value::as_array).cloned().unwrap_or_default();
    let empty = |event: &Value| event.get("empty_layer").and_then(Value::as_bool).unwrap_or_default();
    let filled = told.iter().filter(|e| !empty(e)).count();
    let mut all = Vec::new();
    for _ in filled..image.diff_ids().len() {
        let (layer, blob_bytes) = made(true);
        let (created_by, comment) = (String::new(), String::new());
        all.push(Event { created: None, created_by, comment, layer, blob_bytes });
    }
    for event in &told {
        let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
        let (layer, blob_bytes) = made(!empty(event));
        all.push(Event {
            created: text("created"),
            created_by: text("created_by").unwrap_or_default(),
            comment: text("comment").unwrap_or_default(),
            layer,
            blob_bytes,
        });
    }
    Ok(all)
}

/// What each layer adds and wastes. Unpacks the layers that are not yet.
pub fn layers(store: &Store, image: &Image) -> Result<Vec<Layer>, ImageError> {
    let dirs = image.lower_dirs(store)?;
    let mut seen_files = HashSet::new();
    walk(&dirs, &mut |seen| {
        if FileType::from_raw_mode(seen.stat.st_mode) == FileType::RegularFile {
            seen_files.insert((dirs[seen.layer].clone(), seen.stat.st_ino));
        }
        Ok(())
    })?;
    let (_, blobs) = image.described()?;
    let sizes = image.blobs()?;
    let by_layer: Vec<Event> = events(image)?.into_iter().filter(|e| e.layer.is_some()).collect();
    let mut all = Vec::new();
    for (n, (blob, diff_id)) in blobs.iter().zip(image.diff_ids()).enumerate() {
        let dir = store.layer_path(diff_id);
        let held = held(&dir, &seen_files)?;
        all.push(Layer {
            digest: blob.to_string(),
            diff_id: diff_id.to_string(),
            created_by: by_layer.get(n).map(|e| e.created_by.clone()).unwrap_or_default(),
            blob_bytes: sizes.get(blob).copied().unwrap_or_default(),
            ..held
        });
    }
    Ok(all)
}

/// Counts of one layer's folder.
fn held(dir: &PathBuf, seen_files: &HashSet<(PathBuf, u64)>) -> Result<Layer, ImageError> {
    let mut layer = Layer {
        digest: String::new(),
        diff_id: String::new(),
        created_by: String::new(),
        blob_bytes: 0,
        files: 0,
        bytes: 0,
        whiteouts: 0,
        wasted_bytes: 0,
    };
    let mut counted = HashSet::new();
    super::view::walk_one(dir, &mut |stat| {
        if super::view::is_whiteout(stat) {
            layer.whiteouts += 1;
        } else if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && counted.insert(stat.st_ino)
        {
            let bytes = stat.st_size.cast_unsigned();
            layer.files += 1;
            layer.bytes += bytes;
            if !seen_files.contains(&(dir.clone(), stat.st_ino)) {
                layer.wasted_bytes += bytes;
            }
        }
        Ok(())
    })?;
    Ok(layer)
}
