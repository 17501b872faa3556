//! `taremark healthcheck run`: one check now, as a container's monitor makes them.

use crate::life::LifeError;
use crate::life::folder::{Root, default_root};
use crate::life::health::check;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check one now: 0 if it was good, 1 if not
    Run {
        /// Name or ID
        container: String,
    },
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let Verb::Run { container } = &a.verb;
    // Started by monitors: what others have left is not theirs to set right.
    let root = Root::open(&default_root())?;
    let (folder, spec) = root.find(container)?;
    let Some(plan) = &spec.health else {
        return Err(LifeError::Argument(format!("container {container} has no defined healthcheck")).into());
    };
    let (state, checked) = check(&folder, &spec, plan)?;
    if !checked.output.is_empty() {
        println!("{}", checked.output);
    }
    println!("{}", state.status.as_str());
    Ok(if checked.exit_code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
