//! `taremark image`: import, load, ls, inspect, rm.

use super::bytes::decimal;
use crate::image::import::ImportOptions;
use crate::image::list;
use crate::image::load::load_as;
use crate::image::reference::Reference;
use crate::image::remove::remove;
use crate::image::store::Store;
use anyhow::Context;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build an image from a Containerfile or Dockerfile
    Build(super::image_build::Arguments),
    /// Make an image of one layer from a root file system's tar
    Import(Import),
    /// Take in an OCI layout or docker-archive, as a tar or a folder
    Load {
        /// The archive or folder
        path: PathBuf,
        /// Name it so, where the archive does not say
        #[arg(long, value_name = "REF")]
        name: Option<Reference>,
    },
    /// List images
    Ls {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show manifest, config and sizes as JSON
    Inspect {
        /// name:tag or name@digest
        reference: String,
    },
    /// Remove images, and what no other image needs
    Rm {
        /// name:tag
        #[arg(required = true)]
        references: Vec<Reference>,
    },
}

#[derive(Debug, clap::Args)]
struct Import {
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
}

#[derive(Debug, Clone)]
struct Words(Vec<String>);

fn words(text: &str) -> Result<Words, String> {
    let example = r#"a JSON array of strings is wanted, as in ["/bin/sh","-c","true"]"#;
    serde_json::from_str(text).map(Words).map_err(|_| example.to_owned())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    match &arguments.verb {
        Verb::Build(a) => return super::image_build::run(&store, a),
        Verb::Import(a) => import(&store, a)?,
        Verb::Inspect { reference } => inspect(&store, reference)?,
        Verb::Load { path, name } => {
            let loaded = load_as(&store, path, name.as_ref());
            for reference in loaded.with_context(|| format!("load {}", path.display()))? {
                println!("{reference}");
            }
        }
        Verb::Ls { json } => ls(&store, *json)?,
        Verb::Rm { references } => references.iter().try_for_each(|r| rm(&store, r))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn import(store: &Store, a: &Import) -> anyhow::Result<()> {
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
    println!("{} {}", a.reference, image.digest());
    Ok(())
}

fn inspect(store: &Store, reference: &str) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&list::inspect(store, reference)?)?);
    Ok(())
}

fn ls(store: &Store, json: bool) -> anyhow::Result<()> {
    let images = list::list(store)?;
    if json {
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

fn rm(store: &Store, reference: &Reference) -> anyhow::Result<()> {
    let removed = remove(store, reference)?;
    println!(
        "removed {reference}: {} blobs, {}, and {} unpacked layers",
        removed.blobs,
        decimal(removed.blob_bytes),
        removed.layers
    );
    Ok(())
}
