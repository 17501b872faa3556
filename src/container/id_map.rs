//! Mappings of a user namespace (user_namespaces(7)): written by root, by an ordinary user for the own id alone, and by
//! newuidmap and newgidmap for the ranges that /etc/subuid and /etc/subgid give to the user.

use super::config::IdMapping;
use super::error::{RuntimeError, io};
use std::path::PathBuf;
use std::process::Command;

/// Writes the mappings of the user namespace of `pid`.
pub fn write(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), RuntimeError> {
    let root = nix::unistd::geteuid().is_root();
    let own = |maps: &[IdMapping], id: u32| matches!(maps, [one] if one.host_id == id && one.size == 1);
    if !root && own(gids, nix::unistd::getegid().as_raw()) {
        // The price of a mapping without privileges: the groups stay as they are (user_namespaces(7)).
        put(pid, "write", "setgroups", "deny")?;
    }
    let maps = [
        ("gid_map", ("write linux.gidMappings to", "newgidmap"), gids, nix::unistd::getegid().as_raw()),
        ("uid_map", ("write linux.uidMappings to", "newuidmap"), uids, nix::unistd::geteuid().as_raw()),
    ];
    for (file, (step, program), maps, id) in maps {
        if root || own(maps, id) {
            let text: String =
                maps.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect();
            put(pid, step, file, &text)?;
        } else {
            by_program(pid, program, maps)?;
        }
    }
    Ok(())
}

fn put(pid: i32, step: &'static str, file: &str, text: &str) -> Result<(), RuntimeError> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    std::fs::write(&path, text).map_err(io(step, &path))
}

/// newuidmap(1): pid, then triples.
fn by_program(pid: i32, program: &'static str, maps: &[IdMapping]) -> Result<(), RuntimeError> {
    let triples = maps.iter().flat_map(|m| [m.container_id, m.host_id, m.size]).map(|n| n.to_string());
    let output = Command::new(program).arg(pid.to_string()).args(triples).output();
    let said = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "it is not installed (package uidmap)".into(),
        Err(e) => e.to_string(),
    };
    Err(RuntimeError::IdMap { program, said })
}
