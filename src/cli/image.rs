//! `taremark image`: import, load, ls, inspect, rm.

use crate::image::import::ImportOptions;
use crate::image::reference::Reference;
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
        Verb::Import(a) => import(&store, a)?,
        Verb::Inspect { reference } => inspect(&store, reference)?,
        _ => anyhow::bail!("not yet"),
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
    let image = store.resolve(reference)?;
    let shown = serde_json::json!({
        "reference": reference,
        "digest": image.digest().to_string(),
        "manifest": image.manifest_json(),
        "config": image.config_json(),
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}
