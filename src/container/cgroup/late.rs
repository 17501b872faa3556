//! v1 hierarchies that a container joins while it runs, because something is asked of it that needs them.

use super::{CgroupError, Hierarchies, RunCgroup, figures, io, make};
use std::path::Path;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(5);

/// Takes the container into the hierarchies of `controllers` that it is not in. On v2, and where it has no cgroup at all,
/// there is nothing to do.
pub(super) fn join(group: &RunCgroup, controllers: &[&str]) -> Result<(), CgroupError> {
    let Some(known) = group.dir("memory").filter(|_| !group.hierarchies.is_v2()) else { return Ok(()) };
    let missing: Vec<&str> = controllers.iter().copied().filter(|c| group.dir(c).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let all = RunCgroup { hierarchies: Hierarchies::detect()?, path: group.path.clone() };
    for controller in missing {
        let Some(dir) = all.dir(controller) else { continue };
        make(&dir)?;
        if controller == "cpuset" {
            all.hierarchies.inherit_cpuset(&all.path)?;
        }
        take_in(&known, &dir)?;
    }
    Ok(())
}

/// Whoever is below `from` comes into `to`; until nobody is missing, as they may fork meanwhile.
fn take_in(from: &Path, to: &Path) -> Result<(), CgroupError> {
    let begun = Instant::now();
    loop {
        let inside = figures::pids_below(to)?;
        let outside: Vec<i32> =
            figures::pids_below(from)?.into_iter().filter(|p| !inside.contains(p)).collect();
        if outside.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > DEADLINE {
            return Err(CgroupError::Busy { path: to.to_owned() });
        }
        for pid in outside {
            let file = to.join("cgroup.procs");
            match std::fs::write(&file, pid.to_string()) {
                Ok(()) => {}
                // It has ended.
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                Err(e) => return Err(io("enter", &file)(e)),
            }
        }
    }
}
