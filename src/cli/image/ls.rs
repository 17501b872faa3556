//! `taremark image ls`.

use super::super::bytes::decimal;
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
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["REFERENCE", "DIGEST", "PLATFORM", "LAYERS", "COMPRESSED", "UNPACKED"]);
    for image in images {
        let short = image.digest.trim_start_matches("sha256:").chars().take(12).collect();
        let Some(known) = image.known else {
            let why = format!("damaged: {}", image.error.unwrap_or_default());
            table.add_row([image.reference, short, why]);
            continue;
        };
        let unpacked = known.unpacked_bytes.map_or_else(|| "not yet".to_owned(), decimal);
        let compressed = decimal(known.registry_bytes);
        table.add_row([
            image.reference,
            short,
            known.platform,
            known.layers.to_string(),
            compressed,
            unpacked,
        ]);
    }
    for line in table.lines() {
        println!("{}", line.trim());
    }
    Ok(())
}
