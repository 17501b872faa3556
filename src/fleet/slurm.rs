//! Slurm's programs.

use super::error::FleetError;
use std::ffi::OsStr;
use std::process::Command;

/// Runs one and gives what it printed.
pub(super) fn ask<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, FleetError> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|source| FleetError::Start { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    let words: Vec<String> =
        arguments.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).take(3).collect();
    let why = if said.is_empty() { output.status.to_string() } else { said };
    Err(FleetError::Refused { command: format!("{program} {} …", words.join(" ")), why })
}

/// Names of nodes: those of a host list (`n[1-4],m7`), or all that Slurm has in the partition.
pub fn nodes(list: &str, partition: Option<&str>) -> Result<Vec<String>, FleetError> {
    let text = if list == "all" {
        let mut arguments = vec!["--noheader".to_owned(), "--Node".into(), "--format=%N".into()];
        arguments.extend(partition.map(|p| format!("--partition={p}")));
        ask("sinfo", &arguments)?
    } else {
        ask("scontrol", &["show", "hostnames", list])?
    };
    let mut names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
