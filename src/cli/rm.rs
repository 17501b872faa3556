//! `taremark rm`.

use super::containers::{each, open};
use crate::life::LifeError;
use crate::life::ps::list;
use crate::life::rm::rm;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Those that run, too; one that is not there is no error
    #[arg(short, long)]
    force: bool,
    /// The volumes that nobody gave a name, too
    #[arg(short, long)]
    volumes: bool,
    /// Every container
    #[arg(short, long)]
    all: bool,
    /// Names or IDs
    #[arg(required_unless_present = "all", value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let names = if a.all {
        list(&open()?, true)?.into_iter().map(|l| l.spec.id).collect()
    } else {
        a.containers.clone()
    };
    if a.force {
        let root = open()?;
        let there = |name: &&String| !matches!(root.find(name), Err(LifeError::NotFound(_)));
        let names: Vec<String> = names.iter().filter(there).cloned().collect();
        return remove(&names, true, a.volumes);
    }
    remove(&names, false, a.volumes)
}

/// podman's exit codes: 1 no such container, 2 one that runs.
fn remove(names: &[String], force: bool, volumes: bool) -> anyhow::Result<ExitCode> {
    let code = |e: &LifeError| match e {
        LifeError::NotFound(_) => 1,
        LifeError::State { .. } => 2,
        _ => 125,
    };
    each(names, code, |folder, spec, name| {
        rm(folder, spec, force, volumes)?;
        Ok(name.to_owned())
    })
}
