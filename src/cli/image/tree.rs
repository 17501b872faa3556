//! `taremark image tree`.

use super::table;
use crate::cli::bytes::decimal;
use crate::image::history::layers;
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Layers from the bottom up: what each adds, and what of it nobody sees because a later one replaces or hides it.
pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let layers = layers(store, &store.resolve(&a.reference)?)?;
    if a.json {
        println!("{}", serde_json::to_string_pretty(&layers)?);
        return Ok(());
    }
    let rows = layers.iter().map(|l| {
        let short = l.digest.trim_start_matches("sha256:").chars().take(12).collect();
        let by = l.created_by.split_whitespace().collect::<Vec<_>>().join(" ");
        let (files, hides) = (l.files.to_string(), l.whiteouts.to_string());
        vec![short, decimal(l.blob_bytes), decimal(l.bytes), files, hides, decimal(l.wasted_bytes), by]
    });
    table::print(&["LAYER", "COMPRESSED", "UNPACKED", "FILES", "HIDES", "WASTED", "BY"], rows);
    let wasted: u64 = layers.iter().map(|l| l.wasted_bytes).sum();
    let all: u64 = layers.iter().map(|l| l.bytes).sum();
    let (count, s) = (layers.len(), if layers.len() == 1 { "" } else { "s" });
    println!("{count} layer{s}, {} unpacked, {} of it wasted", decimal(all), decimal(wasted));
    Ok(())
}
