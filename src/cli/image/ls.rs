//! `taremark image ls`.

use super::table;
use crate::cli::bytes::decimal;
use crate::image::list;
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let images = list::list(store)?;
    if a.json {
        println!("{}", serde_json::to_string_pretty(&images)?);
        return Ok(());
    }
    let rows = images.into_iter().map(|image| {
        let short = image.digest.trim_start_matches("sha256:").chars().take(12).collect();
        let Some(known) = image.known else {
            let (none, why) = (String::new(), image.error.unwrap_or_default());
            return vec![
                short,
                none.clone(),
                none.clone(),
                none.clone(),
                none,
                format!("{} damaged: {why}", image.reference),
            ];
        };
        let unpacked = known.unpacked_bytes.map_or_else(|| "not yet".to_owned(), decimal);
        let compressed = decimal(known.registry_bytes);
        vec![short, known.platform, known.layers.to_string(), compressed, unpacked, image.reference]
    });
    table::print(&["DIGEST", "PLATFORM", "LAYERS", "COMPRESSED", "UNPACKED", "REFERENCE"], rows);
    Ok(())
}
