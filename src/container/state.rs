//! What is kept of a container between verbs: `<root>/<id>/state.json`, and a FIFO while it waits for `start`.

use super::cgroup::RunCgroup;
use super::config::{Hooks, RuntimeConfig};
use super::error::{RuntimeError, io};
use crate::sys::process::is_rootless;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where states are kept when no `--root` is given.
pub const DEFAULT_ROOT: &str = "/run/tarec";
/// Name of the FIFO.
pub const GATE: &str = "exec.fifo";
/// Name of the file with what went wrong after `start`, where that waits for the workload.
pub const LATE: &str = "start.error";

/// Name of a file that says that it has joined more hierarchies than it began in.
const JOINED: &str = "joined";

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// Version of the specification.
    pub oci_version: String,
    /// Its id.
    pub id: String,
    /// Of its init.
    pub pid: i32,
    /// Of its init, in clock ticks since boot: tells a recycled pid apart.
    pub start_time: u64,
    /// Absolute.
    pub bundle: PathBuf,
    /// Path in the hierarchies.
    pub cgroups_path: String,
    /// systemd's unit that it is the cgroup of, where systemd has made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// From the config.
    pub annotations: BTreeMap<String, String>,
    /// When it was created, RFC 3339.
    #[serde(default)]
    pub created: String,
    /// User id of who did.
    #[serde(default)]
    pub owner: u32,
    /// Whether `start` has to wait for the workload, because of hooks.
    #[serde(default)]
    pub hooks_at_start: bool,
    /// Hooks that are yet to come: `poststart`, `poststop`.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
}

impl Saved {
    /// The init, held so that its pid cannot come to mean another process.
    pub fn hold(&self) -> Result<OwnedFd, RuntimeError> {
        let gone = || RuntimeError::NotRunning { id: self.id.clone() };
        let pid = rustix::process::Pid::from_raw(self.pid).ok_or_else(gone)?;
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        let pidfd = pidfd.map_err(|_| gone())?;
        // Only now is it certain that the pid is still that of the init.
        if start_time(self.pid) == Some(self.start_time) { Ok(pidfd) } else { Err(gone()) }
    }

    /// What hooks get on their standard input.
    pub fn hook_state(&self, status: &str) -> Vec<u8> {
        let pid = if status == "stopped" { 0 } else { self.pid };
        self.state(status, pid).to_string().into_bytes()
    }

    /// The state of runtime.md, as it is printed and as hooks get it.
    pub fn state(&self, status: &str, pid: i32) -> serde_json::Value {
        serde_json::json!({
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status,
            "pid": pid,
            "bundle": self.bundle,
            "annotations": self.annotations,
        })
    }
}

/// `created`, `running` or `stopped` (runtime.md, State), and `paused`, as with other runtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for `start`.
    Created,
    /// Its init lives.
    Running,
    /// Its processes stand still.
    Paused,
    /// Its init is gone.
    Stopped,
}

impl Status {
    /// As the specification spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// Ids are file names and parts of cgroup paths.
pub fn check_id(id: &str) -> Result<(), RuntimeError> {
    let ok = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    let valid = (1..=1024).contains(&id.len())
        && id.chars().all(ok)
        && id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if valid { Ok(()) } else { Err(RuntimeError::Id { id: id.to_owned() }) }
}

/// Where states are kept when none is given: below `XDG_RUNTIME_DIR` for an ordinary user.
pub fn default_root() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if is_rootless() => PathBuf::from(dir).join("tarec"),
        _ => PathBuf::from(DEFAULT_ROOT),
    }
}

/// The folder of a container.
#[derive(Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Makes it. An id that is taken is an error.
    pub fn create(root: &Path, id: &str) -> Result<Self, RuntimeError> {
        check_id(id)?;
        let private = |recursive| {
            let mut builder = std::fs::DirBuilder::new();
            builder.mode(0o700).recursive(recursive);
            builder
        };
        if !root.is_dir() {
            private(true).create(root).map_err(io("create", root))?;
        }
        let dir = root.join(id);
        match private(false).create(&dir) {
            Ok(()) => Ok(Self(dir)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(RuntimeError::Exists { id: id.to_owned() })
            }
            Err(e) => Err(io("create", &dir)(e)),
        }
    }

    /// Finds it.
    pub fn open(root: &Path, id: &str) -> Result<Self, RuntimeError> {
        check_id(id)?;
        let dir = root.join(id);
        if dir.is_dir() { Ok(Self(dir)) } else { Err(RuntimeError::NotFound { id: id.to_owned() }) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the state, whole or not at all.
    pub fn save(&self, saved: &Saved) -> Result<(), RuntimeError> {
        let (path, new) = (self.0.join("state.json"), self.0.join("state.new"));
        let json = serde_json::to_vec(saved).unwrap_or_default();
        std::fs::write(&new, json).map_err(io("write", &new))?;
        std::fs::rename(&new, &path).map_err(io("write", &path))
    }

    /// Reads it.
    pub fn load(&self) -> Result<Saved, RuntimeError> {
        let path = self.0.join("state.json");
        let json = std::fs::read(&path).map_err(io("read", &path))?;
        serde_json::from_slice(&json).map_err(|source| RuntimeError::BadState { path, source })
    }

    /// Where the container stands.
    pub fn status(&self, saved: &Saved) -> Status {
        let alive = start_time(saved.pid) == Some(saved.start_time);
        if !alive {
            return Status::Stopped;
        }
        if RunCgroup::open_at(&saved.cgroups_path).is_ok_and(|c| super::freezer::is_frozen(&c)) {
            return Status::Paused;
        }
        if self.0.join(GATE).exists() { Status::Created } else { Status::Running }
    }

    /// The runtime config as it was when the container was created: what became of the bundle's does not matter.
    pub fn config(&self) -> Result<RuntimeConfig, RuntimeError> {
        RuntimeConfig::read_unchecked(&self.0)
    }

    /// Keeps `json` for [`StateDir::config`].
    pub fn keep_config(&self, json: &[u8]) -> Result<(), RuntimeError> {
        let path = self.0.join("config.json");
        std::fs::write(&path, json).map_err(io("write", &path))
    }

    /// Before the container joins hierarchies that whoever waits for its end does not know of.
    pub fn note_joined(&self) -> Result<(), RuntimeError> {
        let path = self.0.join(JOINED);
        std::fs::write(&path, "").map_err(io("write", &path))
    }

    /// Whether it may have.
    pub fn has_joined(&self) -> bool {
        self.0.join(JOINED).exists()
    }

    /// Removes it.
    pub fn remove(self) -> Result<(), RuntimeError> {
        // Nearly always these two are all there is.
        if self.has_joined() {
            let _ = std::fs::remove_file(self.0.join(JOINED));
        }
        for name in ["state.json", "config.json"] {
            let _ = std::fs::remove_file(self.0.join(name));
        }
        if std::fs::remove_dir(&self.0).is_ok() {
            return Ok(());
        }
        match std::fs::remove_dir_all(&self.0) {
            // A `delete` and the `run` that waits for the same container: whoever comes second finds what it wanted.
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &self.0)(e)),
            _ => Ok(()),
        }
    }
}

/// Start time of a process that is not a zombie: fields 3 and 22 of /proc/PID/stat (proc(5)), read at once.
pub fn start_time(pid: i32) -> Option<u64> {
    use std::io::Read;
    // 52 fields of at most 20 digits, and a name of 64 bytes, which may be of any.
    let mut stat = [0u8; 2048];
    let n = std::fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read(&mut stat)).ok()?;
    let after_name = stat[..n].rsplit(|b| *b == b')').next()?;
    let mut fields = std::str::from_utf8(after_name).ok()?.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The state of runtime.md, as `tarec state` prints it.
pub fn describe(dir: &StateDir) -> Result<serde_json::Value, RuntimeError> {
    let saved = dir.load()?;
    let status = dir.status(&saved);
    let pid = if status == Status::Stopped { 0 } else { saved.pid };
    Ok(saved.state(status.as_str(), pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_names() {
        for good in ["a", "a-b_c.d+e", "0"] {
            check_id(good).expect(good);
        }
        for bad in ["", ".", "..", "a/b", "-a", "a b", "ä", &"x".repeat(1025)] {
            check_id(bad).expect_err(bad);
        }
    }
}
