//! `ps`: which processes a container has.

use super::cgroup::RunCgroup;
use super::error::{RuntimeError, system};
use super::state::{StateDir, Status};
use std::path::Path;
use std::process::Command;

/// Pids of the host, in order.
pub fn pids(root: &Path, id: &str) -> Result<Vec<i32>, RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    let mut pids = RunCgroup::open_at(&saved.cgroups_path)?.pids()?;
    if pids.is_empty() && dir.status(&saved) != Status::Stopped {
        // A container without a cgroup of its own: its init is all that is known.
        pids.push(saved.pid);
    }
    pids.sort_unstable();
    Ok(pids)
}

/// What ps(1) of the host says about them; `arguments` empty: `-ef`.
pub fn table(root: &Path, id: &str, arguments: &[String]) -> Result<String, RuntimeError> {
    let pids = pids(root, id)?;
    let default = ["-ef".to_owned()];
    let arguments = if arguments.is_empty() { &default[..] } else { arguments };
    let output = Command::new("ps").args(arguments).output().map_err(system("run ps of the host"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(system("run ps of the host")(std::io::Error::other(said)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    filter(&text, &pids)
        .ok_or_else(|| system("read ps of the host")(std::io::Error::other("its table has no column PID")))
}

/// Its head, and the lines whose column PID is one of `pids`.
fn filter(table: &str, pids: &[i32]) -> Option<String> {
    let mut lines = table.lines();
    let head = lines.next()?;
    let column = head.split_whitespace().position(|name| name == "PID")?;
    let is_ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|p| p.parse().ok());
        pid.is_some_and(|pid: i32| pids.contains(&pid))
    };
    let ours: Vec<&str> = [head].into_iter().chain(lines.filter(is_ours)).collect();
    Some(ours.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_is_found_by_its_name() {
        let table = "  PID USER CMD\n    1 root init 7\n    7 root sh\n";
        assert_eq!(filter(table, &[7]).as_deref(), Some("  PID USER CMD\n    7 root sh"));
        assert_eq!(filter("USER CMD\nroot 7\n", &[7]), None);
    }
}
