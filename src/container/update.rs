//! `update`: changes the limits of a container that is there.

use super::cgroup::RunCgroup;
use super::config::Resources;
use super::error::RuntimeError;
use super::state::{StateDir, Status};
use std::path::Path;

fn refused((field, why): (String, String)) -> RuntimeError {
    RuntimeError::Config { path: "(resources)".into(), field, why }
}

/// Sets what `resources` (as `linux.resources`) names; all else stays as it is.
pub fn update(root: &Path, id: &str, resources: serde_json::Value) -> Result<(), RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    if dir.status(&saved) == Status::Stopped {
        return Err(RuntimeError::NotRunning { id: id.to_owned() });
    }
    let parsed: Resources = serde_path_to_error::deserialize(resources).map_err(
        |e: serde_path_to_error::Error<serde_json::Error>| {
            refused((format!("linux.resources.{}", e.path()), e.inner().to_string()))
        },
    )?;
    super::validate::resources(&parsed).map_err(refused)?;
    dir.note_joined()?;
    RunCgroup::open_for(&saved.cgroups_path, &parsed)?.update(&parsed)?;
    Ok(())
}
