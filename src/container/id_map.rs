//! Mappings of a user namespace (user_namespaces(7)).

use super::config::IdMapping;
use super::error::{RuntimeError, io, system};
use std::path::PathBuf;
use std::process::Command;

/// Writes the mappings of the user namespace of `pid`: directly where we may; else with groups given up, as an ordinary
/// user may map itself alone; else by newuidmap and newgidmap, which know the ranges of /etc/subuid and /etc/subgid.
pub fn write(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), RuntimeError> {
    for (name, helper, maps) in [("gid_map", "newgidmap", gids), ("uid_map", "newuidmap", uids)] {
        let path = PathBuf::from(format!("/proc/{pid}/{name}"));
        let text: String =
            maps.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect();
        let set = || std::fs::write(&path, &text);
        let denied = |e: &std::io::Error| e.kind() == std::io::ErrorKind::PermissionDenied;
        let mut result = set();
        if name == "gid_map" && maps.len() == 1 && result.as_ref().is_err_and(denied) {
            let groups = PathBuf::from(format!("/proc/{pid}/setgroups"));
            result = std::fs::write(&groups, "deny").and_then(|()| set());
        }
        if result.as_ref().is_err_and(denied) && maps.len() > 1 {
            by_helper(helper, pid, maps)?;
            continue;
        }
        result.map_err(io("write", &path))?;
    }
    Ok(())
}

fn by_helper(helper: &'static str, pid: i32, maps: &[IdMapping]) -> Result<(), RuntimeError> {
    let numbers = maps.iter().flat_map(|m| [m.container_id, m.host_id, m.size]).map(|n| n.to_string());
    let output = Command::new(helper).arg(pid.to_string()).args(numbers).output();
    let output = output.map_err(system("run newuidmap and newgidmap (package uidmap)"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = format!("{helper}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Err(system("map the ids of linux.uidMappings and gidMappings")(std::io::Error::other(said)))
}
