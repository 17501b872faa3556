//! `taremark image verify`.

use crate::cli::bytes::decimal;
use crate::image::store::Store;
use crate::image::verify::verify;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<ExitCode> {
    let found = verify(store)?;
    if a.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        found.problems.iter().for_each(|problem| println!("{problem}"));
        println!(
            "{} blobs, {}; {} names; {} unpacked layers: {}",
            found.blobs,
            decimal(found.blob_bytes),
            found.references,
            found.layers,
            if found.problems.is_empty() { "all is well" } else { "damaged" }
        );
    }
    Ok(ExitCode::from(u8::from(!found.problems.is_empty())))
}
