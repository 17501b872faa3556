//! `taremark image tag`.

use crate::cli::json::Json;
use crate::image::reference::Reference;
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The image: name:tag or name@digest
    #[arg(value_name = "REF")]
    reference: String,
    /// Its other name
    #[arg(value_name = "NEW")]
    new: Reference,
    #[command(flatten)]
    json: Json,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    crate::image::tag::tag(store, &a.reference, &a.new)?;
    let digest = store.resolve(&a.new.to_string())?.digest().to_string();
    a.json.or(&super::named(&a.new, &digest), || println!("{}", a.new))
}
