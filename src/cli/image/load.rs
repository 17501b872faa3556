//! `taremark image load`.

use crate::image::load::load_as;
use crate::image::reference::Reference;
use crate::image::store::Store;
use anyhow::Context;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The archive or folder
    path: PathBuf,
    /// Name it so, where the archive does not say
    #[arg(long, value_name = "REF")]
    name: Option<Reference>,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let loaded = load_as(store, &a.path, a.name.as_ref());
    for reference in loaded.with_context(|| format!("load {}", a.path.display()))? {
        println!("{reference}");
    }
    Ok(())
}
