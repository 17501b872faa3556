//! `taremark volume inspect`.

use super::as_json;
use crate::cli::containers::open;
use crate::cli::template::{self, Format};
use crate::life::volume::find;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// json, or words with {{.Mountpoint}} and the like in them
    #[arg(short, long, value_parser = template::parse, default_value = "json", hide_default_value = true)]
    format: Format,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let one = |name: &String| as_json(&root, &find(&root, name)?);
    let all: Vec<_> = a.volumes.iter().map(one).collect::<anyhow::Result<_>>()?;
    template::print_all(&a.format, &all)?;
    Ok(ExitCode::SUCCESS)
}
