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
    let said = cause(&String::from_utf8_lossy(&output.stderr));
    Err(MachineError::Program { program, status: output.status, said })
}

/// What a compiler says first that is wrong, where one says so; and the last two lines, because some name the cause before
/// what failed by it.
fn cause(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(2)..];
    let first = lines[..lines.len() - last.len()].iter().find(|l| l.contains("error: "));
    match (first, last) {
        (_, []) => "(nothing)".to_owned(),
        (first, last) => first.into_iter().chain(last).copied().collect::<Vec<_>>().join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::cause;

    #[test]
    fn a_compilers_error_is_not_lost_among_what_make_says_after_it() {
        let make = "a.h:3:10: fatal error: gelf.h: No such file or directory\ncompilation terminated.\n\n\
                    make[1]: *** Waiting for unfinished jobs....\nmake: *** [Makefile:250] Error 2\n";
        assert_eq!(
            cause(make),
            "a.h:3:10: fatal error: gelf.h: No such file or directory; \
             make[1]: *** Waiting for unfinished jobs....; make: *** [Makefile:250] Error 2"
        );
        assert_eq!(cause("the cause\nwhat failed by it\n"), "the cause; what failed by it");
        assert_eq!(cause("alone\n"), "alone");
        assert_eq!(cause(" \n"), "(nothing)");
    }
}
