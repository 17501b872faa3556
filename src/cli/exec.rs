//! `taremark exec`.

use super::containers::{open, variable};
use super::failure;
use crate::life::LifeError;
use crate::life::exec::{Request, exec};
use crate::life::folder::{Root, default_root};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set a variable, or pass one on; may be given again
    #[arg(short, long, value_name = "K[=V]", value_parser = variable)]
    env: Vec<String>,
    /// Working folder
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Name or number, with :GROUP
    #[arg(short, long)]
    user: Option<String>,
    /// Kill it after so many seconds
    #[arg(long, hide = true, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Name or ID
    container: String,
    /// Program and arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let done = start(a);
    Ok(done.unwrap_or_else(|e| {
        failure::show(&e);
        ExitCode::from(e.downcast_ref::<LifeError>().map_or(125, LifeError::exit_code))
    }))
}

fn start(a: &Arguments) -> anyhow::Result<ExitCode> {
    if a.tty && !std::io::stdin().is_terminal() {
        anyhow::bail!("-t wants a terminal on standard input, and this is none");
    }
    // A check of a monitor's leaves alone what other monitors have left.
    let root = if a.timeout.is_some() { Root::open(&default_root())? } else { open()? };
    let (folder, spec) = root.find(&a.container)?;
    let request = Request {
        argv: a.command.clone(),
        env: a.env.iter().filter(|e| !e.is_empty()).cloned().collect(),
        cwd: a.workdir.clone(),
        user: a.user.clone(),
        interactive: a.interactive,
        terminal: a.tty,
        timeout: a.timeout.and_then(|s| Duration::try_from_secs_f64(s).ok()),
        size: super::containers::terminal_size(),
    };
    Ok(ExitCode::from(super::containers::exit_code(exec(&folder, &spec, &request)?)))
}
