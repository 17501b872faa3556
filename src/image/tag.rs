//! Another name for an image.

use super::error::ImageError;
use super::parts::Parts;
use super::reference::Reference;
use super::store::Store;

/// Names what `reference` stands for `new` too. What `new` stood for before keeps its blobs until something is removed.
pub fn tag(store: &Store, reference: &str, new: &Reference) -> Result<(), ImageError> {
    let _adding = store.adding()?;
    let digest = store.digest_of(reference)?;
    // A digest that was typed may be in no store, or be no manifest.
    Parts::of(store, &digest)?;
    store.name(new, &digest)
}
