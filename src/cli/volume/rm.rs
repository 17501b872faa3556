//! `taremark volume rm`.

use crate::cli::containers::open;
use crate::cli::failure;
use crate::life::LifeError;
use crate::life::folder::Root;
use crate::life::rm::rm;
use crate::life::volume::{find, remove, users};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The containers that have it are removed first; one that is not there is no error
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// podman's exit codes: 1 no such volume, 2 one that is in use.
pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let mut code = 0;
    for name in &a.volumes {
        match one(&root, name, a.force) {
            Ok(()) => println!("{name}"),
            Err(LifeError::NoVolume(_)) if a.force => {}
            Err(e) => {
                code = match e {
                    LifeError::NoVolume(_) => 1,
                    LifeError::VolumeInUse { .. } => 2,
                    _ => 125,
                };
                failure::show(&e.into());
            }
        }
    }
    Ok(ExitCode::from(code))
}

fn one(root: &Root, name: &str, force: bool) -> Result<(), LifeError> {
    let name = find(root, name)?.name;
    if force {
        for user in users(root, &name)? {
            let (folder, spec) = root.find(&user)?;
            rm(&folder, &spec, true, false)?;
        }
    }
    remove(root, &name)
}
