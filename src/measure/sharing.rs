//! What the images of one bench have in common: a layer that is there already is neither fetched nor stored again.

use super::images::Ready;
use std::collections::HashSet;

/// Digest and bytes of the config and the layers, as a manifest lists them (OCI image specification, manifest.md).
pub(super) fn blobs(manifest: &serde_json::Value) -> Vec<(String, u64)> {
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let blob = |b: &serde_json::Value| Some((b["digest"].as_str()?.to_owned(), b["size"].as_u64()?));
    let mut seen = HashSet::new();
    let all = std::iter::once(&manifest["config"]).chain(layers).filter_map(blob);
    all.filter(|b| seen.insert(b.0.clone())).collect()
}

/// Bytes of an image's blobs that another image of the bench has too. The same image under another workload is no other.
pub(super) fn shared_bytes(ready: &Ready, all: &[Ready]) -> u64 {
    let others = all.iter().filter(|o| o.job.image_digest != ready.job.image_digest);
    let there: HashSet<&str> = others.flat_map(|o| o.blobs.iter().map(|b| b.0.as_str())).collect();
    ready.blobs.iter().filter(|b| there.contains(b.0.as_str())).map(|b| b.1).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_blob_counts_once() {
        let manifest = serde_json::json!({
            "config": { "digest": "sha256:c", "size": 5 },
            "layers": [{ "digest": "sha256:a", "size": 7 }, { "digest": "sha256:a", "size": 7 }, { "digest": 3 }],
        });
        assert_eq!(super::blobs(&manifest), [("sha256:c".to_owned(), 5), ("sha256:a".to_owned(), 7)]);
    }
}
