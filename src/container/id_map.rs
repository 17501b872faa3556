//! Mappings of a user namespace (user_namespaces(7)).

use super::config::IdMapping;
use super::error::{RuntimeError, io};
use std::path::PathBuf;

/// Writes the mappings of the user namespace of `pid`.
pub fn write(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), RuntimeError> {
    for (name, maps) in [("gid_map", gids), ("uid_map", uids)] {
        let path = PathBuf::from(format!("/proc/{pid}/{name}"));
        let text: String =
            maps.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect();
        std::fs::write(&path, text).map_err(io("write", &path))?;
    }
    Ok(())
}
