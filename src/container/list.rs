//! `list`: all containers of a `--root`.

use super::error::{RuntimeError, io};
use super::state::{StateDir, Status};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One of them, as `list --format json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Version of the specification.
    pub oci_version: String,
    /// Its id.
    pub id: String,
    /// Of its init; 0 when stopped.
    pub pid: i32,
    /// Its state.
    pub status: &'static str,
    /// Absolute.
    pub bundle: PathBuf,
    /// When it was created, RFC 3339.
    pub created: String,
    /// Name or id of the user who did.
    pub owner: String,
}

/// By id. A folder that is no container (or is deleted meanwhile) is passed over.
pub fn list(root: &Path) -> Result<Vec<Listed>, RuntimeError> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io("read", root)(e)),
    };
    let ids = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut all: Vec<Listed> = ids.filter_map(|id| describe(root, &id)).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

fn describe(root: &Path, id: &str) -> Option<Listed> {
    let dir = StateDir::open(root, id).ok()?;
    let saved = dir.load().ok()?;
    let status = dir.status(&saved);
    let owner = nix::unistd::User::from_uid(saved.owner.into()).ok().flatten();
    Some(Listed {
        oci_version: saved.oci_version,
        id: saved.id,
        pid: if status == Status::Stopped { 0 } else { saved.pid },
        status: status.as_str(),
        bundle: saved.bundle,
        created: saved.created,
        owner: owner.map_or(format!("#{}", saved.owner), |u| u.name),
    })
}

/// Columns for people.
pub fn table(all: &[Listed]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(String::from);
    let row = |l: &Listed| {
        let bundle = l.bundle.display().to_string();
        [l.id.clone(), l.pid.to_string(), l.status.into(), bundle, l.created.clone(), l.owner.clone()]
    };
    let rows: Vec<[String; 6]> = [head].into_iter().chain(all.iter().map(row)).collect();
    let width = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let line = |r: &[String; 6]| {
        let cells: Vec<String> = r.iter().zip(widths).map(|(cell, w)| format!("{cell:w$}")).collect();
        cells.join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
