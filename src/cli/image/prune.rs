//! `taremark image prune`.

use crate::cli::bytes::decimal;
use crate::cli::json::Json;
use crate::image::remove::{Removed, prune};
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    json: Json,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let removed = prune(store)?;
    a.json.or(&removed, || show(&removed))
}

fn show(removed: &Removed) {
    println!(
        "removed {} blobs, {}, {} unpacked layers, and {} of builds",
        removed.blobs,
        decimal(removed.blob_bytes),
        removed.layers,
        decimal(removed.build_bytes)
    );
    if removed.layers_in_use > 0 {
        println!("{} layers that nobody needs are in use just now", removed.layers_in_use);
    }
}
