//! `taremark kill`.

use super::containers::{each, plain};
use crate::life::kill::{kill, parse_signal};
use nix::sys::signal::Signal;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// By name or number
    #[arg(short, long, default_value = "KILL", value_parser = parse_signal)]
    signal: Signal,
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    each(&a.containers, plain, |folder, spec, name| {
        kill(folder, spec, a.signal as i32, "kill")?;
        Ok(name.to_owned())
    })
}
