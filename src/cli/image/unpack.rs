//! `taremark image unpack`.

use crate::cli::json::Json;
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
    #[command(flatten)]
    json: Json,
}

/// Prints the layers' folders, top first, as overlayfs takes them.
pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let image = store.resolve(&a.reference)?;
    if let Some(dir) = &a.to {
        whole_folder(dir, |new| image.flatten_to(store, new))
            .with_context(|| format!("unpack {} to {}", a.reference, dir.display()))?;
        return a.json.or(&[dir], || ());
    }
    let dirs = image.lower_dirs(store).with_context(|| format!("unpack {}", a.reference))?;
    a.json.or(&dirs, || dirs.iter().for_each(|dir| println!("{}", dir.display())))
}
