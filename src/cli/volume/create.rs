//! `taremark volume create`.

use crate::cli::containers::open;
use crate::life::LifeError;
use crate::life::volume::create;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// One that is there is no error
    #[arg(long)]
    ignore: bool,
    /// Its name; without it, one at random
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let held = root.lock()?;
    let (record, is_new) = create(&root, &held, &a.name, a.name.is_empty())?;
    if !is_new && !a.ignore {
        return Err(LifeError::Argument(format!("volume with name {} already exists", record.name)).into());
    }
    println!("{}", record.name);
    Ok(ExitCode::SUCCESS)
}
