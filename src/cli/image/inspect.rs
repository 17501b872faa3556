//! `taremark image inspect`.

use crate::image::list;
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// name:tag or name@digest
    reference: String,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&list::inspect(store, &a.reference)?)?);
    Ok(())
}
