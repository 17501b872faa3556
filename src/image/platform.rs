//! Which image of an index is this host's.

use super::digest::Digest;
use super::error::ImageError;
use oci_spec::image::Descriptor;

/// This host's architecture as images name it (Go's GOARCH).
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// The entry for linux on this architecture; one without a platform serves when it is the only one.
pub(super) fn choose<'a>(entries: &'a [Descriptor], index: &Digest) -> Result<&'a Descriptor, ImageError> {
    choose_for(entries, index, &format!("linux/{}", architecture()))
}

/// The entry for `os/architecture`, with a variant where one is wanted.
pub(super) fn choose_for<'a>(
    entries: &'a [Descriptor],
    index: &Digest,
    wanted: &str,
) -> Result<&'a Descriptor, ImageError> {
    let with_variant = wanted.matches('/').count() > 1;
    let name = |d: &Descriptor| {
        d.platform().as_ref().map(|p| {
            let plain = format!("{}/{}", p.os(), p.architecture());
            p.variant().iter().filter(|_| with_variant).fold(plain, |all, variant| format!("{all}/{variant}"))
        })
    };
    let wanted = wanted.to_owned();
    if let Some(found) = entries.iter().find(|d| name(d).as_deref() == Some(&wanted)) {
        return Ok(found);
    }
    match entries {
        [only] if only.platform().is_none() => Ok(only),
        _ => {
            let found: Vec<String> = entries.iter().filter_map(name).collect();
            Err(ImageError::NoPlatform { image: index.clone(), wanted, found: found.join(", ") })
        }
    }
}
