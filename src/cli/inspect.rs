//! `taremark inspect`.

use super::containers::open;
use crate::life::inspect::inspect;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let mut all = Vec::new();
    for name in &a.containers {
        let (folder, spec) = root.find(name)?;
        all.push(inspect(&folder, &spec, &folder.state()?));
    }
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(ExitCode::SUCCESS)
}
