//! `taremark image pull`.

use super::registry::Access;
use crate::cli::json::Json;
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::image::registry::pull::{Choice, pull};
use crate::image::store::Store;
use anyhow::Context;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// host/name:tag or host/name@digest
    #[arg(value_name = "REF", required = true)]
    references: Vec<Reference>,
    /// The image for os/architecture[/variant] instead of this host's
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all_platforms")]
    platform: Option<Platform>,
    /// The images for all platforms, with their index
    #[arg(long)]
    all_platforms: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    json: Json,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let choice = match &a.platform {
        _ if a.all_platforms => Choice::All,
        Some(platform) => Choice::For(platform.clone()),
        None => Choice::Host,
    };
    let mut all = Vec::new();
    for reference in &a.references {
        let shown = a.access.shown();
        let pulled = pull(store, reference, &choice, &a.access.options(), &|step| shown.take(step));
        let pulled = pulled.with_context(|| format!("pull {reference}"))?;
        if !a.json.json {
            println!("{reference} {}", pulled.digest);
        }
        all.push(super::named(reference, &pulled.digest));
    }
    a.json.or(&all, || ())
}
