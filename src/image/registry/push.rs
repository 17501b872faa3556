//! An image goes out: blobs that the registry lacks, several at a time, then the manifests, the index last.

use super::blob_put;
use super::endpoint::Endpoint;
use super::http::Client;
use super::manifest;
use super::options::Options;
use super::origins;
use super::progress::Listener;
use crate::image::digest::Digest;
use crate::image::each::each;
use crate::image::error::ImageError;
use crate::image::parts::Parts;
use crate::image::reference::{Reference, Version};
use crate::image::store::Store;
use std::collections::BTreeSet;

/// What went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What the reference stands for in the registry now.
    pub digest: Digest,
    /// Images of the index that the store does not have: then this host's went out alone.
    pub missing: usize,
}

/// Sends `reference` under the name `to`. `from`: more repositories of that registry to take blobs over from.
pub fn push(
    store: &Store,
    reference: &str,
    to: &Reference,
    from: &[String],
    options: &Options,
    listener: Listener<'_>,
) -> Result<Pushed, ImageError> {
    let endpoint = Endpoint::of(to)?;
    let _adding = store.adding()?;
    let mut parts = Parts::of(store, &store.digest_of(reference)?)?;
    let missing = parts.missing.len();
    if missing > 0 {
        parts = Parts::of(store, store.resolve(reference)?.digest())?;
    }
    let blobs: Vec<(&Digest, u64)> = parts.blobs.iter().map(|(d, b)| (d, *b)).collect();
    let others = |digest: &Digest| [from, &origins::of(store, digest, &endpoint.host)].concat();
    let readable: BTreeSet<String> = blobs.iter().flat_map(|(d, _)| others(d)).collect();
    let readable: Vec<String> = readable.into_iter().filter(|r| *r != endpoint.repository).collect();
    let client = Client::open(endpoint.clone(), options, "push", &readable)?;
    each(options.jobs, &blobs, |(digest, bytes)| {
        blob_put::send(&client, store, digest, *bytes, &others(digest), listener)
    })?;
    let Some((top, below)) = parts.manifests.split_last() else {
        return Err(ImageError::NotFound(reference.to_owned()));
    };
    for digest in below {
        manifest::put(&client, &digest.to_string(), &store.read(digest)?, listener)?;
    }
    let version = match &to.version {
        Version::Tag(tag) => tag.clone(),
        Version::Digest(digest) => digest.to_string(),
    };
    manifest::put(&client, &version, &store.read(top)?, listener)?;
    let place = format!("{}/{}", endpoint.host, endpoint.repository);
    origins::note(store, &place, parts.blobs.keys())?;
    Ok(Pushed { digest: top.clone(), missing })
}
