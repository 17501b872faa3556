//! Which containers need an image: those that have ended, too, because their files are its layers'.

use super::error::LifeError;
use super::folder::Root;
use std::path::Path;

/// Names of the containers of the manifest `digest` in `store`. No folder of containers: none.
pub fn users(root: &Path, store: &Path, digest: &str) -> Result<Vec<String>, LifeError> {
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let store = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_owned());
    let all = Root::open(root)?.all()?.into_iter().map(|(_, spec)| spec);
    Ok(all.filter(|s| s.image_digest == digest && s.store == store).map(|s| s.name).collect())
}
