//! `taremark volume prune`.

use crate::cli::containers::open;
use crate::cli::failure::Usage;
use crate::life::volume::prune;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    if !a.force && !agreed()? {
        return Ok(ExitCode::SUCCESS);
    }
    prune(&open()?)?.iter().for_each(|name| println!("{name}"));
    Ok(ExitCode::SUCCESS)
}

fn agreed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let what = "volume prune removes files: say so by --force, as nobody can be asked here".to_owned();
        return Err(Usage { what }.into());
    }
    print!("This removes every volume that no container has, with its files. Go on? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
