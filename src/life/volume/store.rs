//! Where volumes with a name are kept. They appear and go by one rename, under the root's lock.

use super::Volume;
use crate::life::error::{LifeError, io};
use crate::life::folder::{Folder, Lock, Root, write_whole};
use crate::life::names;
use crate::life::spec::Spec;
use crate::life::state::now_ms;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is known of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Nobody gave it that name.
    pub anonymous: bool,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// The folder of its files.
    #[serde(skip)]
    pub data: PathBuf,
}

fn parent(root: &Root) -> PathBuf {
    root.path().join("volumes")
}

fn read(dir: &Path) -> Result<Record, LifeError> {
    let path = dir.join("volume.json");
    let bytes = std::fs::read(&path).map_err(io("read", &path))?;
    let record: Record = serde_json::from_slice(&bytes).map_err(|source| LifeError::Json { path, source })?;
    Ok(Record { data: dir.join("_data"), ..record })
}

/// Every one, by name.
pub fn all(root: &Root) -> Result<Vec<Record>, LifeError> {
    let entries = match std::fs::read_dir(parent(root)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io("list", &parent(root))(e)),
    };
    let named = entries.flatten().filter(|e| names::is_valid(&e.file_name().to_string_lossy()));
    let mut all: Vec<Record> = named.filter_map(|e| read(&e.path()).ok()).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// By its name, or by the beginning of it that no other has.
pub fn find(root: &Root, name: &str) -> Result<Record, LifeError> {
    let mut all = all(root)?;
    if let Some(at) = all.iter().position(|r| r.name == name) {
        return Ok(all.swap_remove(at));
    }
    all.retain(|r| r.anonymous && name.len() >= 4 && r.name.starts_with(name));
    match (all.pop(), all.is_empty()) {
        (Some(found), true) => Ok(found),
        _ => Err(LifeError::NoVolume(name.to_owned())),
    }
}

/// Makes one, or finds the one that there is; whether it is new. An empty name is replaced by one at random.
pub fn create(root: &Root, _held: &Lock, name: &str, anonymous: bool) -> Result<(Record, bool), LifeError> {
    let name = if name.is_empty() { names::new_id()? } else { name.to_owned() };
    if !names::is_valid(&name) {
        return Err(LifeError::BadName(name));
    }
    let (dir, new) = (parent(root).join(&name), parent(root).join(format!(".new-{name}")));
    if dir.is_dir() {
        return Ok((read(&dir)?, false));
    }
    let _ = std::fs::remove_dir_all(&new);
    std::fs::create_dir_all(new.join("_data")).map_err(io("create", &new))?;
    std::fs::write(new.join("new"), "").map_err(io("create", &new))?;
    let record = Record { name, anonymous, created_ms: now_ms(), data: dir.join("_data") };
    let path = new.join("volume.json");
    let json = serde_json::to_vec_pretty(&record);
    write_whole(&path, &json.map_err(|source| LifeError::Json { path: path.clone(), source })?)?;
    std::fs::rename(&new, &dir).map_err(io("create", &dir))?;
    Ok((record, true))
}

/// Gives a container's volumes their folders, making those that are not there.
pub fn settle(root: &Root, held: &Lock, volumes: &mut [Volume]) -> Result<(), LifeError> {
    for volume in volumes {
        if let Some(name) = &volume.name {
            let (record, _) = create(root, held, name, volume.anonymous)?;
            volume.name = Some(record.name);
            volume.host = record.data;
        }
    }
    Ok(())
}

/// Names of the containers that have it.
pub fn users(root: &Root, name: &str) -> Result<Vec<String>, LifeError> {
    let has = |s: &Spec| s.volumes.iter().any(|v| v.name.as_deref() == Some(name));
    Ok(root.all()?.into_iter().map(|(_, s)| s).filter(has).map(|s| s.name).collect())
}

/// Removes one that no container has.
pub fn remove(root: &Root, name: &str) -> Result<(), LifeError> {
    let _held = root.lock()?;
    let users = users(root, name)?;
    if !users.is_empty() {
        return Err(LifeError::VolumeInUse { name: name.to_owned(), users: users.join(", ") });
    }
    let (dir, gone) = (parent(root).join(name), parent(root).join(format!(".gone-{name}")));
    std::fs::rename(&dir, &gone).map_err(io("remove", &dir))?;
    std::fs::remove_dir_all(&gone).map_err(io("remove", &gone))?;
    // The last one takes the parent along.
    let _ = std::fs::remove_dir(parent(root));
    Ok(())
}

/// Removes all that no container has; their names.
pub fn prune(root: &Root) -> Result<Vec<String>, LifeError> {
    let mut removed = Vec::new();
    for record in all(root)? {
        match remove(root, &record.name) {
            Ok(()) => removed.push(record.name),
            Err(LifeError::VolumeInUse { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(removed)
}

/// Removes a container with those of its volumes that nobody gave a name, as `--rm` and `rm -v` do.
pub fn gone(folder: &Folder, spec: &Spec) -> Result<(), LifeError> {
    folder.remove()?;
    let root = folder.root();
    let anonymous = spec.volumes.iter().filter(|v| v.anonymous);
    for name in anonymous.filter_map(|v| v.name.as_deref()).filter(|n| !n.is_empty()) {
        match remove(&root, name) {
            Ok(()) | Err(LifeError::VolumeInUse { .. }) => {}
            // Removed by hand before.
            Err(LifeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
