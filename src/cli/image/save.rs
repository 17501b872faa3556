//! `taremark image save`.

use crate::cli::failure::Usage;
use crate::image::store::Store;
use crate::image::whole::whole;
use crate::image::{save, save_docker};
use anyhow::Context;
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// An OCI layout in one tar
    OciArchive,
    /// An OCI layout as a folder; one that is there is added to
    OciLayout,
    /// What docker load reads, layers uncompressed
    DockerArchive,
}

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The images
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// File or folder to write; - is standard output
    #[arg(long, short, value_name = "PATH|-")]
    output: PathBuf,
    /// How
    #[arg(long, value_enum, default_value = "oci-archive")]
    format: Format,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    write(store, a).with_context(|| format!("save to {}", a.output.display()))
}

fn write(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let standard = a.output.as_os_str() == "-";
    match (a.format, standard) {
        (Format::OciLayout, false) => Ok(save::layout(store, &a.references, &a.output)?),
        (Format::OciLayout, true) => Err(usage("a folder cannot go to standard output")),
        (_, true) if std::io::stdout().is_terminal() => {
            Err(usage("an archive is not for a terminal: give --output a file"))
        }
        (Format::OciArchive, true) => Ok(save::archive(store, &a.references, std::io::stdout().lock())?),
        (Format::DockerArchive, true) => {
            // Its headers are known only when what follows them is written.
            let mut file = tempfile::tempfile().context("create a temporary file")?;
            save_docker::docker_archive(store, &a.references, &mut file)?;
            std::io::Seek::rewind(&mut file)?;
            std::io::copy(&mut file, &mut std::io::stdout().lock())?;
            Ok(())
        }
        (format, false) => to_file(&a.output, |file| match format {
            Format::DockerArchive => Ok(save_docker::docker_archive(store, &a.references, file)?),
            _ => Ok(save::archive(store, &a.references, BufWriter::with_capacity(1 << 20, file))?),
        }),
    }
}

fn usage(what: &str) -> anyhow::Error {
    Usage { what: what.to_owned() }.into()
}

/// A file that is there only when it is whole. What is no regular file (a pipe, a device) is written as it is.
pub fn to_file(path: &Path, write: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return write(&mut File::options().write(true).open(path)?);
    }
    whole(path, write)
}
