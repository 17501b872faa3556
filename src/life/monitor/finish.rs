//! The end of a container: what it had is taken away, and what is known is written down.

use crate::container::cgroup::{Hierarchies, RunCgroup};
use crate::life::error::LifeError;
use crate::life::folder::Folder;
use crate::life::network::{self, nft};
use crate::life::ports::Carrier;
use crate::life::spec::{CGROUP_PARENT, Spec, TargetKind};
use crate::life::state::{State, Status, now_ms};
use nix::mount::{MntFlags, umount2};

/// Removes processes, cgroup and runtime's state, and only then says that it has exited. Everything here may have been
/// done before.
pub fn settle(folder: &Folder, spec: &Spec, mut state: State, code: Option<i32>) -> Result<(), LifeError> {
    // First of all, so that a monitor that is killed in the middle of this does not take the code along.
    state.exit_code = code;
    folder.save(&state)?;
    kill_all(spec)?;
    if spec.target == TargetKind::Container {
        delete(folder, spec);
    }
    remove_cgroup(spec)?;
    // A monitor that was killed may have made rules and not yet said so.
    if state.published_by != Carrier::Forwarder && !spec.ports.is_empty() {
        // Our own descriptor, or, for who settles what a dead monitor left, none: that network has no user of it.
        let ours = state.monitor.pid == std::process::id() as i32;
        let path = state.switch_fd.filter(|_| ours).map(|fd| format!("/proc/self/fd/{fd}"));
        let switch = path.and_then(|p| std::fs::File::open(p).ok());
        nft::unpublish(folder, spec, switch.as_ref().map(std::os::fd::AsFd::as_fd))?;
    }
    // In the monitor's own namespace; nowhere else is anything mounted there.
    let _ = umount2(&folder.file("root"), MntFlags::MNT_DETACH);
    for name in ["stdout", "stderr", "ctl", "console.sock"] {
        let _ = std::fs::remove_file(folder.file(name));
    }
    for name in ["bundle", "runtime", "machine"] {
        let _ = std::fs::remove_dir_all(folder.file(name));
    }
    state.status = Status::Exited;
    state.address = None;
    state.switch_fd = None;
    state.finished_ms = now_ms();
    folder.save(&state)?;
    network::update_hosts(&folder.root(), &spec.network)
}

fn exists(spec: &Spec) -> bool {
    let roots = Hierarchies::detect().map(|h| h.roots()).unwrap_or_default();
    roots.iter().any(|r| r.join(spec.cgroup()).is_dir())
}

/// Everything that is left in its cgroup.
pub fn kill_all(spec: &Spec) -> Result<(), LifeError> {
    if exists(spec) { Ok(RunCgroup::open_at(&spec.cgroup())?.kill_all()?) } else { Ok(()) }
}

fn remove_cgroup(spec: &Spec) -> Result<(), LifeError> {
    if exists(spec) {
        RunCgroup::open_at(&spec.cgroup())?.remove()?;
    }
    // The last one takes the parent along; while there is another, this fails.
    for root in Hierarchies::detect()?.roots() {
        let _ = std::fs::remove_dir(root.join(CGROUP_PARENT));
    }
    Ok(())
}

/// The runtime's own state; its processes are gone already, so an error means that there is nothing.
fn delete(folder: &Folder, spec: &Spec) {
    let Ok((program, states)) = super::container::runtime(folder, spec) else { return };
    if states.is_dir() {
        let mut command = std::process::Command::new(program);
        command.arg("--root").arg(states).args(["delete", "--force", &spec.id]);
        let null = std::process::Stdio::null;
        let _ = command.stdin(null()).stdout(null()).stderr(null()).status();
    }
}
