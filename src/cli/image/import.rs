//! `taremark image import`.

use crate::cli::json::Json;
use crate::image::import::ImportOptions;
use crate::image::reference::Reference;
use crate::image::store::Store;
use anyhow::Context;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The tar, plain or compressed by gzip or zstd; - is standard input
    #[arg(value_name = "ROOTFS.tar|-")]
    tar: PathBuf,
    /// name:tag
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Program and arguments, a JSON array
    #[arg(long, value_name = "JSON", value_parser = words)]
    entrypoint: Option<Words>,
    /// Default arguments, a JSON array
    #[arg(long, value_name = "JSON", value_parser = words)]
    cmd: Option<Words>,
    /// K=V; may be given again
    #[arg(long = "env", value_name = "K=V")]
    env: Vec<String>,
    /// Name or number, with :GROUP
    #[arg(long)]
    user: Option<String>,
    /// Working directory
    #[arg(long, value_name = "DIR")]
    workdir: Option<String>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Clone)]
struct Words(Vec<String>);

fn words(text: &str) -> Result<Words, String> {
    let example = r#"a JSON array of strings is wanted, as in ["/bin/sh","-c","true"]"#;
    serde_json::from_str(text).map(Words).map_err(|_| example.to_owned())
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let options = ImportOptions {
        entrypoint: a.entrypoint.clone().map(|w| w.0).unwrap_or_default(),
        argv: a.cmd.clone().map(|w| w.0).unwrap_or_default(),
        env: a.env.clone(),
        user: a.user.clone().unwrap_or_default(),
        cwd: a.workdir.clone().unwrap_or_default(),
        ..ImportOptions::default()
    };
    let image = if a.tar.as_os_str() == "-" {
        crate::image::import::import(store, std::io::stdin().lock(), &a.reference, &options)
    } else {
        let file = std::fs::File::open(&a.tar).with_context(|| format!("open {}", a.tar.display()))?;
        crate::image::import::import(store, file, &a.reference, &options)
    };
    let image = image.with_context(|| format!("import {} as {}", a.tar.display(), a.reference))?;
    a.json.or(&super::named(&a.reference, image.digest()), || {
        println!("{} {}", a.reference, image.digest());
    })
}
