//! `taremark start`.

use super::containers::{exit_code, open};
use super::failure;
use crate::life::LifeError;
use crate::life::attach::{self, End};
use crate::life::folder::{Folder, Root};
use crate::life::spec::Spec;
use crate::life::start::start;
use std::io::IsTerminal;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Show its output and wait for its end: the exit code is its own
    #[arg(short, long)]
    attach: bool,
    /// Give it standard input, where it was made with -i; with --attach
    #[arg(short, long)]
    interactive: bool,
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let foreground = a.attach || a.interactive;
    anyhow::ensure!(!foreground || a.containers.len() == 1, "--attach and --interactive want one container");
    let root = open()?;
    let mut code = ExitCode::SUCCESS;
    for name in &a.containers {
        let done = if foreground { in_front(a, &root, name) } else { behind(&root, name) };
        match done {
            Ok(ended) if foreground => code = ended,
            Ok(_) => println!("{name}"),
            Err(e) => {
                failure::show(&e);
                code = ExitCode::from(e.downcast_ref::<LifeError>().map_or(125, LifeError::exit_code));
            }
        }
    }
    Ok(code)
}

fn behind(root: &Root, name: &str) -> anyhow::Result<ExitCode> {
    let (folder, spec) = root.find(name)?;
    begin(&folder, &spec)?;
    Ok(ExitCode::SUCCESS)
}

/// Starts it and waits for its first word; none: it runs already, which is no error.
pub fn begin(folder: &Folder, spec: &Spec) -> anyhow::Result<Option<std::os::unix::net::UnixStream>> {
    let Some(mut socket) = start(folder, spec)? else { return Ok(None) };
    super::run::started(folder, spec, &mut socket)?;
    Ok(Some(socket))
}

fn in_front(a: &Arguments, root: &Root, name: &str) -> anyhow::Result<ExitCode> {
    let (folder, spec) = root.find(name)?;
    let input = a.interactive && spec.interactive;
    anyhow::ensure!(
        !spec.terminal || !input || std::io::stdin().is_terminal(),
        "it has a terminal, and standard input is none here"
    );
    let Some(socket) = begin(&folder, &spec)? else {
        anyhow::bail!("{name} runs already: `taremark logs -f {name}` shows what it writes");
    };
    let end = attach::carry(socket, attach::Options { input, terminal: spec.terminal && input })?;
    let code = match end {
        End::Exited(code) => code,
        _ => crate::life::wait::wait(&folder, None)?.unwrap_or(-1),
    };
    Ok(ExitCode::from(exit_code(code)))
}
