//! `taremark image load`.

use crate::cli::json::Json;
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
    #[command(flatten)]
    json: Json,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let loaded = load_as(store, &a.path, a.name.as_ref());
    let loaded = loaded.with_context(|| format!("load {}", a.path.display()))?;
    let names: Vec<String> = loaded.iter().map(ToString::to_string).collect();
    a.json.or(&names, || names.iter().for_each(|name| println!("{name}")))
}
