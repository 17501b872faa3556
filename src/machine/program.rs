//! Programs of the host that make files.

use super::error::{MachineError, io};
use crate::sys::process::dies_with_us;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds `name` in PATH and in the folders for administrators, which PATH lacks under sudo.
pub(super) fn find(name: &str, package: &'static str) -> Result<PathBuf, MachineError> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    let found = path.split(':').map(|d| Path::new(d).join(name)).find(|p| p.is_file());
    found.ok_or_else(|| MachineError::Missing { program: name.to_owned(), package })
}

/// Runs it to its end and gives its standard output. Killed with us: nobody else would remove what it makes.
pub(super) fn run(command: &mut Command) -> Result<String, MachineError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = dies_with_us(command.env("LC_ALL", "C")).output().map_err(io("run", Path::new(&program)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // Two lines: some name the cause before what failed by it.
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let said = match &lines[lines.len().saturating_sub(2)..] {
        [] => "(nothing)".to_owned(),
        last => last.join("; "),
    };
    Err(MachineError::Program { program, status: output.status, said })
}
