//! `taremark kill`.

use super::containers::{each, plain};
use crate::life::kill::{kill, parse_signal};
use crate::life::wait::wait;
use nix::sys::signal::Signal;
use std::process::ExitCode;
use std::time::Duration;

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
        if a.signal == Signal::SIGKILL {
            // So that `rm` may follow at once. One with --rm may be gone before it can be looked at.
            let _ = wait(folder, Some(Duration::from_secs(5)));
        }
        Ok(name.to_owned())
    })
}
