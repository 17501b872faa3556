//! `create` and `start`.

use super::config::{Hooks, RuntimeConfig};
use super::console::{self, Console};
use super::error::{RuntimeError, io, system};
use super::launch::{Launched, Wish, cgroups_path, launch};
use super::state::{GATE, LATE, Saved, StateDir, Status, start_time};
use super::systemd::Scope;
use super::trace::{Trace, chrome};
use super::{capabilities, hooks, listen};
use crate::sys::process::is_rootless;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What `create` and `run` are given.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// Container's id.
    pub id: String,
    /// Folder with config.json.
    pub bundle: PathBuf,
    /// Where states are kept.
    pub root: PathBuf,
    /// Gets the pid of the init.
    pub pid_file: Option<PathBuf>,
    /// Gets the time line.
    pub trace: Option<PathBuf>,
    /// Unix socket that gets the master of the terminal.
    pub console_socket: Option<PathBuf>,
    /// Descriptors that are handed through, besides those of LISTEN_FDS.
    pub preserve_fds: u32,
    /// Move the root instead of pivot_root.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Cgroups by systemd.
    pub systemd_cgroup: bool,
    /// Whether a container may run without the cgroup that cannot be made; where it is not said, for ordinary users.
    pub may_lack_cgroup: Option<bool>,
}

/// A container whose init is made.
pub(super) struct Prepared {
    pub(super) launched: Launched,
    pub(super) dir: StateDir,
    pub(super) console: Option<Console>,
    pub(super) saved: Saved,
}

/// Makes the container up to the point where only the workload is missing.
pub fn create(options: &CreateOptions) -> Result<(), RuntimeError> {
    prepare(options, true, false).map(|_| ())
}

/// Common to `create` and `run`: config, state, init. Whatever fails leaves nothing.
pub(super) fn prepare(
    options: &CreateOptions,
    gated: bool,
    foreground: bool,
) -> Result<Prepared, RuntimeError> {
    let mut trace = Trace::new(options.trace.is_some());
    let preserved = listen::preserved(options.preserve_fds)?;
    let bundle = std::fs::canonicalize(&options.bundle).map_err(io("find bundle", &options.bundle))?;
    let (config, json) = RuntimeConfig::read(&bundle)?;
    trace.done("parse");
    let console = console::open(config.process.terminal, options.console_socket.as_deref(), foreground)?;
    config.process.capabilities.iter().for_each(capabilities::warn_of_unknown);
    let plan = || Scope::plan(&config.linux.cgroups_path, &options.id, &config.annotations);
    let scope = options.systemd_cgroup.then(plan).transpose()?;
    let dir = StateDir::create(&options.root, &options.id)?;
    let rootless = is_rootless();
    let mut saved = saved(options, &bundle, &config, rootless, 0);
    if let Some(scope) = &scope {
        (saved.cgroups_path, saved.unit) = (scope.path.clone(), Some(scope.unit.clone()));
    }
    let gate = if gated { make_gate(&dir).map(Some) } else { Ok(None) };
    let launched = gate.and_then(|gate| {
        let late = (gated && saved.hooks_at_start).then(|| late(&dir)).transpose()?;
        let wish = Wish {
            options,
            bundle: &bundle,
            config: &config,
            gate,
            late,
            console: console.as_ref().map(|c| &c.to),
            preserved: &preserved,
            scope: scope.as_ref(),
            rootless,
            saved: &saved.clone(),
        };
        // Before there is a cgroup: whoever deletes what was killed half way finds its path there.
        dir.keep_config(&json)?;
        prepare_in(wish, &dir, trace, &mut saved)
    });
    match launched {
        Ok(launched) => Ok(Prepared { launched, dir, console, saved }),
        Err(e) => {
            let _ = dir.remove();
            if matches!(e, RuntimeError::Hook(_) | RuntimeError::HookInside(_)) {
                super::kill::after(&saved);
            }
            Err(e)
        }
    }
}

/// What is kept of it.
pub(super) fn saved(
    options: &CreateOptions,
    bundle: &Path,
    config: &RuntimeConfig,
    rootless: bool,
    pid: i32,
) -> Saved {
    let later = config.hooks.clone().unwrap_or_default();
    let hooks_at_start = !(later.start_container.is_empty() && later.poststart.is_empty());
    Saved {
        oci_version: "1.2.0".into(),
        id: options.id.clone(),
        pid,
        start_time: if pid > 0 { start_time(pid).unwrap_or(0) } else { 0 },
        bundle: bundle.to_owned(),
        cgroups_path: cgroups_path(config, &options.id, rootless),
        unit: None,
        annotations: config.annotations.clone(),
        created: now(),
        owner: nix::unistd::geteuid().as_raw(),
        hooks_at_start,
        hooks: Hooks { poststart: later.poststart, poststop: later.poststop, ..Hooks::default() },
    }
}

/// RFC 3339, UTC, whole seconds.
fn now() -> String {
    let form = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time::OffsetDateTime::now_utc().format(form).unwrap_or_default()
}

fn prepare_in(
    wish: Wish,
    dir: &StateDir,
    mut trace: Trace,
    saved: &mut Saved,
) -> Result<Launched, RuntimeError> {
    let options = wish.options;
    trace.done("folder");
    let save = |pid: i32| {
        (saved.pid, saved.start_time) = (pid, start_time(pid).unwrap_or(0));
        dir.save(saved)?;
        match &options.pid_file {
            Some(path) => std::fs::write(path, pid.to_string()).map_err(io("write", path)),
            None => Ok(()),
        }
    };
    let launched = launch(wish, trace, save)?;
    if let Some(path) = &options.trace {
        let own = std::process::id() as i32;
        let init = (launched.pid, launched.pid);
        // The thread of that time is gone, so any number but the runtime's own is as good.
        let rows = [
            ((own, own), &launched.spans[..]),
            ((own, 0), &launched.aside_spans[..]),
            (init, &launched.init_spans[..]),
        ];
        let text = chrome(&rows);
        std::fs::write(path, text).map_err(io("write", path))?;
    }
    Ok(launched)
}

/// The FIFO, opened for reading before the mounts change; without blocking, as there is no writer yet.
fn make_gate(dir: &StateDir) -> Result<OwnedFd, RuntimeError> {
    use rustix::fs::{Mode, OFlags};
    let path = dir.path().join(GATE);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR)
        .map_err(system("mkfifo"))?;
    rustix::fs::open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .map_err(system("open the FIFO"))
}

/// For what the init has to say to `start`.
fn late(dir: &StateDir) -> Result<OwnedFd, RuntimeError> {
    let path = dir.path().join(LATE);
    std::fs::File::create_new(&path).map(OwnedFd::from).map_err(io("create", &path))
}

/// Lets a created container go.
pub fn start(root: &Path, id: &str) -> Result<(), RuntimeError> {
    use rustix::fs::{Mode, OFlags};
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    let status = dir.status(&saved);
    if status != Status::Created {
        return Err(RuntimeError::State { id: id.to_owned(), is: status.as_str().into(), wanted: "created" });
    }
    let path = dir.path().join(GATE);
    let gate = rustix::fs::open(&path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let gate = gate.map_err(system("open the FIFO of the container's init"))?;
    // Unlinked first: a second `start` then finds a running container, never a second word to go.
    std::fs::remove_file(&path).map_err(io("remove", &path))?;
    rustix::io::write(&gate, b"0").map_err(system("write to the container's init"))?;
    let started = if saved.hooks_at_start { follow(&gate, &dir, &saved) } else { Ok(()) };
    if let Err(e) = started {
        super::kill::destroy(&saved, dir)?;
        return Err(e);
    }
    Ok(())
}

/// With hooks at this point: waits until the init has run its own and executed the workload (its end of the FIFO is then
/// closed), and runs those that come after.
fn follow(gate: &OwnedFd, dir: &StateDir, saved: &Saved) -> Result<(), RuntimeError> {
    let mut fds = [nix::poll::PollFd::new(gate.as_fd(), nix::poll::PollFlags::empty())];
    while let Err(e) = nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE) {
        if e != nix::Error::EINTR {
            return Err(system("wait for the container's init")(e));
        }
    }
    let late = std::fs::read_to_string(dir.path().join(LATE)).unwrap_or_default();
    if !late.is_empty() {
        return Err(RuntimeError::Late(late));
    }
    Ok(hooks::run("poststart", &saved.hooks.poststart, &saved.hook_state("running"))?)
}
