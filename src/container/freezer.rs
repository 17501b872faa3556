//! `pause` and `resume`: the freezer of v1, `cgroup.freeze` of v2.

use super::cgroup::RunCgroup;
use super::error::{RuntimeError, io};
use super::state::{StateDir, Status};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A freeze waits for tasks that are in the kernel.
const DEADLINE: Duration = Duration::from_secs(10);

/// The file, what freezes, what thaws.
fn control(cgroup: &RunCgroup) -> Option<(PathBuf, &'static str, &'static str)> {
    let dir = cgroup.dir("freezer")?;
    let v2 = dir.join("cgroup.freeze");
    if v2.exists() { Some((v2, "1", "0")) } else { Some((dir.join("freezer.state"), "FROZEN", "THAWED")) }
}

/// Whether all of it stands still.
pub fn is_frozen(cgroup: &RunCgroup) -> bool {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    match control(cgroup) {
        Some((file, "1", _)) => {
            read(file.with_file_name("cgroup.events")).lines().any(|line| line == "frozen 1")
        }
        Some((file, frozen, _)) => read(file).trim() == frozen,
        None => false,
    }
}

/// Freezes all of it, and returns when it stands still.
pub fn freeze(cgroup: &RunCgroup) -> Result<(), RuntimeError> {
    let from = Instant::now();
    while !is_frozen(cgroup) {
        // v1 may have to be asked again: FREEZING is left for good when a task forks meanwhile.
        set(cgroup, true)?;
        if from.elapsed() > DEADLINE {
            set(cgroup, false)?;
            return Err(RuntimeError::Freeze { seconds: DEADLINE.as_secs() });
        }
        if !is_frozen(cgroup) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}

/// Lets it go on.
pub fn thaw(cgroup: &RunCgroup) -> Result<(), RuntimeError> {
    set(cgroup, false)
}

fn set(cgroup: &RunCgroup, frozen: bool) -> Result<(), RuntimeError> {
    let Some((file, freeze, thaw)) = control(cgroup) else { return Err(RuntimeError::NoFreezer) };
    std::fs::write(&file, if frozen { freeze } else { thaw }).map_err(io("write", &file))
}

/// `pause` (true) or `resume`.
pub fn pause(root: &Path, id: &str, pause: bool) -> Result<(), RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    let status = dir.status(&saved);
    let fits =
        if pause { matches!(status, Status::Created | Status::Running) } else { status == Status::Paused };
    if !fits {
        let wanted = if pause { "created or running" } else { "paused" };
        return Err(RuntimeError::State { id: id.to_owned(), is: status.as_str().into(), wanted });
    }
    dir.note_joined()?;
    let cgroup = RunCgroup::open_joined(&saved.cgroups_path, &["freezer"])?;
    cgroup.must_exist()?;
    if pause { freeze(&cgroup) } else { thaw(&cgroup) }
}
