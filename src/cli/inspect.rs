//! `taremark inspect`.

use super::containers::open;
use super::template::{self, Format};
use crate::life::inspect::inspect;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// json, or words with {{.State.Status}} and the like in them
    #[arg(short, long, value_parser = template::parse, default_value = "json", hide_default_value = true)]
    format: Format,
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let mut all = Vec::new();
    for name in &a.containers {
        let (folder, spec) = root.find(name)?;
        all.push(inspect(&folder, &spec, &folder.state()?));
    }
    template::print_all(&a.format, &all)?;
    Ok(ExitCode::SUCCESS)
}
