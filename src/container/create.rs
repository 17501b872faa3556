//! `create` and `start`.

use super::config::RuntimeConfig;
use super::error::{RuntimeError, io, system};
use super::launch::{Launched, cgroups_path, launch};
use super::state::{GATE, Saved, StateDir, Status, start_time};
use super::trace::{Trace, chrome};
use std::os::fd::OwnedFd;
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
}

/// Makes the container up to the point where only the workload is missing.
pub fn create(options: &CreateOptions) -> Result<(), RuntimeError> {
    prepare(options, true).map(|_| ())
}

/// Common to `create` and `run`: config, state, init. Whatever fails leaves nothing.
pub(super) fn prepare(options: &CreateOptions, gated: bool) -> Result<(Launched, StateDir), RuntimeError> {
    let mut trace = Trace::new(options.trace.is_some());
    let bundle = std::fs::canonicalize(&options.bundle).map_err(io("find bundle", &options.bundle))?;
    let config = RuntimeConfig::read(&bundle)?;
    trace.done("parse");
    let dir = StateDir::create(&options.root, &options.id)?;
    match prepare_in(options, gated, &bundle, &config, &dir, trace) {
        Ok(launched) => Ok((launched, dir)),
        Err(e) => {
            let _ = dir.remove();
            Err(e)
        }
    }
}

fn prepare_in(
    options: &CreateOptions,
    gated: bool,
    bundle: &Path,
    config: &RuntimeConfig,
    dir: &StateDir,
    trace: Trace,
) -> Result<Launched, RuntimeError> {
    let gate = if gated { Some(make_gate(dir)?) } else { None };
    let save = |pid| {
        dir.save(&Saved {
            oci_version: "1.2.0".into(),
            id: options.id.clone(),
            pid,
            start_time: start_time(pid).unwrap_or(0),
            bundle: bundle.to_owned(),
            cgroups_path: cgroups_path(config, &options.id),
            annotations: config.annotations.clone(),
        })?;
        match &options.pid_file {
            Some(path) => std::fs::write(path, pid.to_string()).map_err(io("write", path)),
            None => Ok(()),
        }
    };
    let launched = launch(&options.id, bundle, config, gate, trace, save)?;
    if let Some(path) = &options.trace {
        let own = std::process::id() as i32;
        let text = chrome(&[(own, &launched.spans), (launched.pid, &launched.init_spans)]);
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
    Ok(())
}
