//! `ps`: which processes a container has.

use super::cgroup::RunCgroup;
use super::error::{RuntimeError, io, system};
use super::state::{Saved, StateDir};
use std::path::Path;
use std::process::Command;

/// Pids of the host, in order.
pub fn pids(root: &Path, id: &str) -> Result<Vec<i32>, RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    let mut pids = of(&saved, &RunCgroup::open_at(&saved.cgroups_path)?)?;
    pids.sort_unstable();
    Ok(pids)
}

/// Those in its cgroup; where it has none of its own, those in its pid namespace.
pub(super) fn of(saved: &Saved, cgroup: &RunCgroup) -> Result<Vec<i32>, RuntimeError> {
    if cgroup.must_exist().is_ok() {
        return Ok(cgroup.pids()?);
    }
    let Ok(_held) = saved.hold() else { return Ok(Vec::new()) };
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let theirs = namespace(&saved.pid.to_string());
    if theirs.is_none() || theirs == namespace("self") {
        // It shares the host's: the init is all that is known.
        return Ok(vec![saved.pid]);
    }
    let entries = std::fs::read_dir("/proc").map_err(io("read", Path::new("/proc")))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let inside = names.filter(|name| name.parse::<i32>().is_ok() && namespace(name) == theirs);
    Ok(inside.filter_map(|name| name.parse().ok()).collect())
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
