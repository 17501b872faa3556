//! `taremark wait`.

use super::containers::{each, plain};
use crate::life::wait::wait;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    each(&a.containers, plain, |folder, _, _| Ok(wait(folder, None)?.unwrap_or(-1).to_string()))
}
