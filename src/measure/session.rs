//! The surroundings of a bench: namespaces of its own, a folder, and the clean-up of dead ones.
//!
//! A session lives in mount and network namespaces of its own, so its mounts, links and addresses vanish with its last
//! process, however that dies. What can outlive a `kill -9` of the harness (processes, cgroups, its folder) is found
//! by the folder's name, which holds process id and start time, and removed by the next session or `doctor --clean`.

use super::error::{MeasureError, io};
use crate::container::cgroup::RunCgroup;
use crate::container::state::start_time;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};

const SESSIONS: &str = "/run/taremark";

/// See the module. Dropping it removes the folder.
#[derive(Debug)]
pub struct Session {
    /// `/run/taremark/<name>`.
    pub dir: PathBuf,
    /// `<pid>-<start time>`; every cgroup of the session has a name that begins with it.
    pub name: String,
    /// A folder on the host's disk, for workloads with a writable volume.
    pub scratch: PathBuf,
}

impl Session {
    /// Enters a session. Has to be called before the process starts a thread: threads that exist already would stay in
    /// the host's namespaces.
    pub fn enter(scratch_base: &Path) -> Result<Self, MeasureError> {
        let system = |step| move |e: nix::Error| MeasureError::System { step, source: e.into() };
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).map_err(system(
            "make mount and network namespaces for the session (this needs root: try sudo)",
        ))?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
            .map_err(system("make mounts private"))?;
        crate::sys::netlink::set_up("lo")
            .map_err(|e| MeasureError::System { step: "set lo up", source: std::io::Error::other(e) })?;
        let name = own_name();
        let dir = Path::new(SESSIONS).join(&name);
        std::fs::create_dir_all(&dir).map_err(io("create", &dir))?;
        let scratch = scratch_base.join(format!("scratch-{name}"));
        std::fs::create_dir_all(&scratch).map_err(io("create", &scratch))?;
        let link = dir.join("scratch");
        std::os::unix::fs::symlink(&scratch, &link).map_err(io("create", &link))?;
        Ok(Self { dir, name, scratch })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What a dead harness had left, now removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leavings {
    /// The session's name.
    pub session: String,
    /// Names of its cgroups.
    pub cgroups: Vec<String>,
}

/// Removes what dead sessions left: kills the processes in their cgroups, removes cgroups and folders.
pub fn clean_dead() -> Result<Vec<Leavings>, MeasureError> {
    let dir = Path::new(SESSIONS);
    let Ok(sessions) = std::fs::File::open(dir) else { return Ok(Vec::new()) };
    // Another bench may start at the same moment: one after the other. Ends with `sessions`.
    sessions.lock().map_err(io("lock", dir))?;
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let session = entry.file_name().to_string_lossy().into_owned();
        if is_alive(&session) {
            continue;
        }
        let system = |e| MeasureError::System {
            step: "clean up a dead session's cgroups",
            source: std::io::Error::other(e),
        };
        crate::target::rows::run_left(&entry.path());
        let cgroups = RunCgroup::remove_stale(&session).map_err(system)?;
        if let Ok(scratch) = std::fs::read_link(entry.path().join("scratch")) {
            let ours =
                scratch.file_name().is_some_and(|n| n.to_string_lossy() == format!("scratch-{session}"));
            if ours && scratch.is_dir() {
                std::fs::remove_dir_all(&scratch).map_err(io("remove", &scratch))?;
            }
        }
        std::fs::remove_dir_all(entry.path()).map_err(io("remove", &entry.path()))?;
        found.push(Leavings { session, cgroups });
    }
    Ok(found)
}

fn own_name() -> String {
    let pid = std::process::id();
    format!("{pid}-{}", start_time(pid as i32).unwrap_or(0))
}

/// Whether the process that a session is named after still runs. The start time keeps a recycled pid apart; one that has
/// ended and that nobody has waited for yet does not run.
fn is_alive(session: &str) -> bool {
    let Some((pid, start)) = session.split_once('-') else { return true };
    let (Ok(pid), Ok(start)) = (pid.parse(), start.parse::<u64>()) else { return true };
    start_time(pid) == Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_alive_by_pid_and_start_time() {
        let name = own_name();
        assert!(is_alive(&name));
        let (pid, start) = name.split_once('-').expect("pid-start");
        assert!(!is_alive(&format!("{pid}-{}1", start)));
        assert!(is_alive("something-else"), "what is not ours is left alone");
        let mut killed = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = killed.id();
        let name = format!("{pid}-{}", start_time(pid as i32).expect("start time"));
        assert!(is_alive(&name));
        killed.kill().expect("kill");
        let from = std::time::Instant::now();
        while is_alive(&name) {
            assert!(from.elapsed().as_secs() < 20, "a zombie keeps its session");
        }
        killed.wait().expect("wait");
    }
}
