//! `taremark image unpack`.

use crate::image::store::Store;
use crate::image::whole::whole_folder;
use anyhow::Context;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// Write one tree of all layers into this new folder, instead of the layers into the store
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints the layers' folders, top first, as overlayfs takes them.
pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let image = store.resolve(&a.reference)?;
    if let Some(dir) = &a.to {
        return whole_folder(dir, |new| image.flatten_to(store, new))
            .with_context(|| format!("unpack {} to {}", a.reference, dir.display()));
    }
    for dir in image.lower_dirs(store).with_context(|| format!("unpack {}", a.reference))? {
        println!("{}", dir.display());
    }
    Ok(())
}
