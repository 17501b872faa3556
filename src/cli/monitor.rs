//! `taremark monitor`: the process that watches one container. Started by `run`, never by hand.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Take over a workload that has lost its monitor
    #[arg(long)]
    adopt: bool,
    /// Of the container
    folder: PathBuf,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    crate::life::monitor::run(&a.folder, a.adopt)?;
    Ok(ExitCode::SUCCESS)
}
