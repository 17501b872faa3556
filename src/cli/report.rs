//! `taremark report`: from a record alone.

use anyhow::Context;
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

/// Renders, and prints the table, what a reader has to know, and where the page lies.
pub fn show(dir: &std::path::Path) -> anyhow::Result<()> {
    let rendered = crate::report::render(dir).with_context(|| format!("report on {}", dir.display()))?;
    println!("{}", rendered.table);
    rendered.warnings.iter().for_each(|w| println!("note: {w}"));
    println!("report: {}", rendered.page.display());
    Ok(())
}
