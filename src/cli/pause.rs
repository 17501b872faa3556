//! `taremark pause` and `unpause`.

use super::containers::{each, plain};
use crate::life::pause::pause;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments, on: bool) -> anyhow::Result<ExitCode> {
    each(&a.containers, plain, |folder, spec, name| {
        pause(folder, spec, on)?;
        Ok(name.to_owned())
    })
}
