//! `taremark image rm`.

use crate::cli::bytes::decimal;
use crate::cli::json::Json;
use crate::image::reference::Reference;
use crate::image::remove::remove;
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// name:tag
    #[arg(required = true)]
    references: Vec<Reference>,
    #[command(flatten)]
    json: Json,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for reference in &a.references {
        refuse_if_used(store, reference)?;
        let removed = remove(store, reference)?;
        if !a.json.json {
            println!(
                "removed {reference}: {} blobs, {}, and {} unpacked layers",
                removed.blobs,
                decimal(removed.blob_bytes),
                removed.layers
            );
        }
        all.push(serde_json::json!({ "reference": reference.to_string(), "removed": removed }));
    }
    a.json.or(&all, || ())
}

/// A container's files are its image's layers: the last name of an image goes after its containers.
fn refuse_if_used(store: &Store, reference: &Reference) -> anyhow::Result<()> {
    let names = store.references()?;
    let Some(digest) = names.get(&reference.to_string()) else { return Ok(()) };
    if names.values().filter(|d| *d == digest).count() > 1 {
        return Ok(());
    }
    // What a container has noted is the manifest's digest, to which an index may lead.
    let digest =
        store.resolve(&reference.to_string()).map_or_else(|_| digest.clone(), |i| i.digest().to_string());
    let users = crate::life::users::users(&crate::life::folder::default_root(), store.root(), &digest)?;
    anyhow::ensure!(
        users.is_empty(),
        "image {reference} is in use by {}: remove what uses it first (taremark rm)",
        users.join(", ")
    );
    Ok(())
}
