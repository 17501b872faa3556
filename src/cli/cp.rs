//! `taremark cp`.

use super::containers::open;
use super::failure::Usage;
use crate::life::cp::{files_of, from_container, to_container};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// CONTAINER:PATH, a path of the host, or - for a tar archive on standard input
    #[arg(value_name = "SOURCE")]
    from: String,
    /// CONTAINER:PATH, a path of the host, or - for a tar archive on standard output
    #[arg(value_name = "DESTINATION")]
    to: String,
}

/// The container's name and the path, which begins at its root whether it says so or not.
fn of_container(text: &str) -> Option<(&str, String)> {
    let (name, path) = text.split_once(':')?;
    let is_path = name.starts_with(['/', '.']) || name.contains('/');
    (!is_path).then(|| (name, if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }))
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    match (of_container(&a.from), of_container(&a.to)) {
        (Some((name, path)), None) => {
            let (folder, spec) = root.find(name)?;
            from_container(&files_of(&folder, &spec)?, &path, &a.to)?;
        }
        (None, Some((name, path))) => {
            let (folder, spec) = root.find(name)?;
            to_container(&files_of(&folder, &spec)?, &a.from, &path)?;
        }
        _ => {
            let what = "one of the two, and only one, is CONTAINER:PATH".to_owned();
            return Err(Usage { what }.into());
        }
    }
    Ok(ExitCode::SUCCESS)
}
