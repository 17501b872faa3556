//! A root file system's archive -> an image of one layer.

use super::compression::decoder;
use super::error::ImageError;
use super::handle::Image;
use super::make;
use super::reference::Reference;
use super::store::Store;
use super::unpack::Limits;
use std::collections::BTreeMap;
use std::io::Read;

/// What the image says about its process. All of it may stay empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Comes before `argv` and stays when somebody gives another.
    pub entrypoint: Vec<String>,
    /// Argument vector.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers.
    pub user: String,
    /// Working folder.
    pub cwd: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// RFC 3339. None: not told, and the same archive gives the same digest for all time.
    pub created: Option<String>,
    /// As Go names it; none: this host's.
    pub architecture: Option<String>,
    /// What the archive may take.
    pub limits: Limits,
}

/// Takes in an archive, plain, gzip or zstd, and names the image. An archive that is cut off or that would be refused
/// when unpacked does not become one.
pub fn import(
    store: &Store,
    archive: impl Read,
    reference: &Reference,
    options: &ImportOptions,
) -> Result<Image, ImageError> {
    let what = "the archive";
    let plain = decoder(archive).map_err(|source| ImageError::Stream { what: what.into(), source })?;
    let _adding = store.adding()?;
    let layer = make::layer(store, plain, what, options.limits)?;
    let manifest = make::image(store, &layer, options)?;
    store.name(reference, &manifest)?;
    Image::read(store, &manifest)
}
