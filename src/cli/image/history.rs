//! `taremark image history`.

use super::table;
use crate::cli::bytes::decimal;
use crate::image::history::events;
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

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let events = events(&store.resolve(&a.reference)?)?;
    if a.json {
        println!("{}", serde_json::to_string_pretty(&events)?);
        return Ok(());
    }
    let rows = events.iter().map(|e| {
        let size = if e.layer.is_some() { decimal(e.blob_bytes) } else { "config".to_owned() };
        let by = if e.created_by.is_empty() { &e.comment } else { &e.created_by };
        vec![
            e.created.as_deref().map(to_the_second).unwrap_or_default(),
            size,
            by.split_whitespace().collect::<Vec<_>>().join(" "),
        ]
    });
    table::print(&["CREATED", "COMPRESSED", "BY"], rows);
    Ok(())
}

/// RFC 3339 without the fraction, which nobody reads.
fn to_the_second(time: &str) -> String {
    let Some((whole, rest)) = time.split_once('.') else { return time.to_owned() };
    format!("{whole}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}
