//! `taremark image push`.

use super::registry::Access;
use crate::cli::failure::note;
use crate::cli::json::Json;
use crate::image::reference::Reference;
use crate::image::registry::push::push;
use crate::image::store::Store;
use anyhow::Context;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The image in the store
    #[arg(value_name = "REF")]
    reference: String,
    /// host/name:tag to send it to; without it, the image's own name
    #[arg(value_name = "TO")]
    to: Option<Reference>,
    /// Take blobs over from this repository of the registry; may be given again
    #[arg(long, value_name = "REPOSITORY")]
    mount_from: Vec<String>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    json: Json,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let to = match &a.to {
        Some(to) => to.clone(),
        None => a.reference.parse()?,
    };
    let shown = a.access.shown();
    let options = a.access.options();
    let pushed = push(store, &a.reference, &to, &a.mount_from, &options, &|step| shown.take(step));
    let pushed = pushed.with_context(|| format!("push {} to {to}", a.reference))?;
    if pushed.missing > 0 {
        note(&format!(
            "{} images of the index are not in the store: this host's went alone (pull with --all-platforms)",
            pushed.missing
        ));
    }
    a.json.or(&super::named(&to, &pushed.digest), || println!("{to} {}", pushed.digest))
}
