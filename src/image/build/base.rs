//! What a stage stands on.

use super::cache::Key;
use super::commit::Layer;
use super::config::Config;
use super::error::StepError;
use super::options::Pull;
use super::plan::Base;
use super::shared::Build;
use super::step::Event;
use crate::image::platform::Platform;
use crate::image::reference::{Reference, Version};
use crate::image::registry::pull::{Choice, pull};
use crate::image::registry::{RegistryError, Step};
use crate::image::store::Store;
use crate::image::{Image, ImageError};
use serde_json::Value;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

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
    let image = wanted(build, name, platform)?;
    let key = Key::of(&[&how, "image", &image.digest().to_string()]);
    Ok((Config::of(image.config_json()), layers(&image)?, key))
}

/// An image for a platform; fetched first where the build is to do that.
pub(super) fn wanted(build: &Build<'_>, name: &str, platform: &Platform) -> Result<Image, StepError> {
    let pull = build.options.pull;
    if pull == Pull::Never {
        return find(build.store, name, platform);
    }
    // One at a time: stages that stand on the same image fetch it once, and each fetch has several connections.
    let mut fetched = build.fetched.lock().unwrap_or_else(PoisonError::into_inner);
    let here = find(build.store, name, platform);
    let known = fetched.contains(&(name.to_owned(), platform.clone()));
    let missing = matches!(
        &here,
        Err(StepError::Image(
            ImageError::NotFound(_) | ImageError::NoPlatform { .. } | ImageError::NoBlob(_)
        ))
    );
    if known || !missing && pull == Pull::Missing {
        return here;
    }
    match fetch(build, name, platform) {
        Ok(()) => drop(fetched.insert((name.to_owned(), platform.clone()))),
        // Without a registry in its name it can only be in the store.
        Err(ImageError::Registry(RegistryError::NoHost(_))) if pull != Pull::Always => return here,
        Err(why) if pull == Pull::Newer && here.is_ok() => {
            (build.tell)(&Event::Warning(format!("{name}: the store's is taken: {why}")));
            return here;
        }
        Err(why) => return Err(why.into()),
    }
    find(build.store, name, platform)
}

fn fetch(build: &Build<'_>, name: &str, platform: &Platform) -> Result<(), ImageError> {
    let reference: Reference = name.parse()?;
    let done = AtomicU64::new(0);
    let tell = |step: &Step<'_>| match step {
        Step::Moves { bytes, .. } => {
            let done = done.fetch_add(*bytes, Ordering::Relaxed) + bytes;
            (build.tell)(&Event::Pull { reference: name, done });
        }
        Step::Waits { why, wait } => {
            (build.tell)(&Event::Warning(format!("{why}; again in {:.1} s", wait.as_secs_f64())));
        }
        Step::Begins { .. } | Step::Ends { .. } => {}
    };
    let host = *platform == Platform::host();
    let choice = if host { Choice::Host } else { Choice::For(platform.clone()) };
    pull(build.store, &reference, &choice, &build.options.registry, &tell).map(drop)
}

/// An image of the store for a platform.
fn find(store: &Store, name: &str, platform: &Platform) -> Result<Image, StepError> {
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
