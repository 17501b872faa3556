//! What a stage stands on.

use super::cache::Key;
use super::commit::Layer;
use super::config::Config;
use super::error::StepError;
use super::plan::Base;
use super::shared::Build;
use crate::image::platform::Platform;
use crate::image::reference::{Reference, Version};
use crate::image::store::Store;
use crate::image::{Image, ImageError};
use serde_json::Value;

/// Config, layers and key of an image, or of nothing.
pub(super) fn start(
    build: &Build<'_>,
    base: &Base,
    platform: Option<&Platform>,
) -> Result<(Config, Vec<Layer>, Key), StepError> {
    let platform = platform.unwrap_or(&build.options.platform);
    // All that changes what the same instructions write.
    let how = format!("{:?} {:?} {platform}", build.options.compression, build.options.epoch);
    let Base::Image(name) = base else {
        return Ok((Config::scratch(platform), Vec::new(), Key::of(&[&how, "scratch"])));
    };
    let image = find(build.store, name, platform)?;
    let key = Key::of(&[&how, "image", &image.digest().to_string()]);
    Ok((Config::of(image.config_json()), layers(&image)?, key))
}

/// An image of the store for a platform.
pub(super) fn find(store: &Store, name: &str, platform: &Platform) -> Result<Image, StepError> {
    let reference: Reference = name.parse()?;
    let digest = match &reference.version {
        Version::Digest(digest) => digest.clone(),
        Version::Tag(_) => {
            let shown = reference.to_string();
            store.references()?.get(&shown).ok_or(ImageError::NotFound(shown))?.parse()?
        }
    };
    Ok(Image::read_for(store, &digest, platform)?)
}

/// Its layers, bottom first.
pub(super) fn layers(image: &Image) -> Result<Vec<Layer>, StepError> {
    let described =
        image.manifest_json().get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let one = |(d, diff_id): (&Value, &crate::image::digest::Digest)| Layer {
        blob: text(d, "digest"),
        bytes: d.get("size").and_then(Value::as_u64).unwrap_or_default(),
        diff_id: diff_id.to_string(),
        media_type: oci_type(&text(d, "mediaType")),
        dir: None,
    };
    Ok(described.iter().zip(image.diff_ids()).map(one).collect())
}

/// Docker's names for the same things.
fn oci_type(kind: &str) -> String {
    match kind {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
            "application/vnd.oci.image.layer.v1.tar+gzip".into()
        }
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar".into(),
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
            "application/vnd.oci.image.layer.v1.tar+zstd".into()
        }
        other => other.to_owned(),
    }
}
