//! `taremark stop`.

use super::containers::{each, open, plain};
use crate::life::kill::parse_signal;
use crate::life::ps::list;
use crate::life::stop::stop;
use nix::sys::signal::Signal;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Seconds to wait before it is killed
    #[arg(short, long, default_value_t = 10, value_name = "SECONDS")]
    time: u64,
    /// Signal to ask with [default: the image's, or TERM]
    #[arg(short, long, value_parser = parse_signal)]
    signal: Option<Signal>,
    /// All that run
    #[arg(short, long)]
    all: bool,
    /// Names or IDs
    #[arg(required_unless_present = "all", value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let all = if a.all { list(&open()?, false)? } else { Vec::new() };
    let names: Vec<String> = a.containers.iter().cloned().chain(all.into_iter().map(|l| l.spec.id)).collect();
    each(&names, plain, |folder, spec, name| {
        stop(folder, spec, a.signal.map(|s| s as i32), Duration::from_secs(a.time))?;
        Ok(name.to_owned())
    })
}
