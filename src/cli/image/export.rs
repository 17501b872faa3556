//! `taremark image export`.

use crate::cli::failure::Usage;
use crate::image::export::export;
use crate::image::store::Store;
use anyhow::Context;
use std::io::{BufWriter, IsTerminal};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// Tar to write; - is standard output
    #[arg(long, short, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let image = store.resolve(&a.reference)?;
    let written = if a.output.as_os_str() == "-" {
        if std::io::stdout().is_terminal() {
            let what = "an archive is not for a terminal: give --output a file".to_owned();
            return Err(Usage { what }.into());
        }
        export(store, &image, BufWriter::with_capacity(1 << 20, std::io::stdout().lock())).map_err(Into::into)
    } else {
        super::save::to_file(&a.output, |file| {
            Ok(export(store, &image, BufWriter::with_capacity(1 << 20, file))?)
        })
    };
    written.with_context(|| format!("export {} to {}", a.reference, a.output.display()))
}
