//! `taremark image rm`.

use crate::cli::bytes::decimal;
use crate::image::reference::Reference;
use crate::image::remove::remove;
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// name:tag
    #[arg(required = true)]
    references: Vec<Reference>,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    for reference in &a.references {
        let removed = remove(store, reference)?;
        println!(
            "removed {reference}: {} blobs, {}, and {} unpacked layers",
            removed.blobs,
            decimal(removed.blob_bytes),
            removed.layers
        );
    }
    Ok(())
}
