//! `taremark report`: from a record alone.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of a record
    #[arg(value_name = "RECORD")]
    dir: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    show(&arguments.dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Renders, and prints the table and where the rest lies.
pub fn show(dir: &std::path::Path) -> anyhow::Result<()> {
    println!("report: {}", dir.join("report.html").display());
    Ok(())
}
