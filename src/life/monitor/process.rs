//! Target `process`: chroot into the image's files and exec, on the host's namespaces.

use super::start::Layers;
use super::stdio::{self, Stdio};
use super::{Body, End};
use crate::container::cgroup::{Limits, RunCgroup};
use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::root;
use crate::life::spec::Spec;
use crate::life::state::Process;
use crate::life::volume;
use crate::sys::spawn::{Spawn, SpawnError};
use crate::target::lookup::program_in_root;
use nix::mount::{MsFlags, mount};
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

pub fn start(folder: &Folder, spec: &Spec, layers: &Layers) -> Result<Body, LifeError> {
    let root = root::mount_at(folder, &layers.dirs)?;
    volume::fill(&root, &spec.volumes)?;
    mounts(&root, spec)?;
    let limits = Limits { cpus: spec.cpus, memory_bytes: spec.memory_bytes, pids: None };
    let cgroup = RunCgroup::create_at(&spec.cgroup(), &limits)?;
    let not_found = |e: crate::target::TargetError| LifeError::NotStarted { code: 127, text: e.to_string() };
    let program = program_in_root(&spec.argv, &spec.env, &spec.cwd, &root).map_err(not_found)?;
    let spawn = Spawn::new(Path::new(&program), &spec.argv, &spec.env)?.root(&root)?;
    let spawn = spawn.cwd(Path::new(&spec.cwd))?.ids(spec.uid, spec.gid).groups(&spec.groups);
    let spawn = spawn.new_session().cgroup(cgroup.place());
    let (child, out, err, input) = if spec.terminal {
        let (master, slave) = stdio::terminal(spec.terminal_size)?;
        // /dev/stdout is opened anew by its path: its user may.
        rustix::fs::fchown(&slave, Some(rustix::fs::Uid::from_raw(spec.uid)), None)
            .map_err(system("give away a terminal"))?;
        let spawn = spawn.fd(&slave, 0).fd(&slave, 1).fd(&slave, 2).controlling_terminal();
        let child = spawn.start().map_err(not_started(&spec.cwd))?;
        let input = master.try_clone().map_err(system("duplicate a terminal"))?;
        rustix::io::ioctl_fionbio(&master, true).map_err(system("read a terminal"))?;
        (child, Some(master), None, Some(input))
    } else {
        let stdio = Stdio::new(folder, spec)?;
        let child = stdio.give(spawn).start().map_err(not_started(&spec.cwd))?;
        let (out, err, input) = stdio.ours();
        (child, Some(out), Some(err), input)
    };
    let pid = child.pid;
    let process = Process::of(pid).unwrap_or(Process { pid, start_time: 0 });
    let end = End::Child { pid, pidfd: child.pidfd };
    let terminal = spec.terminal;
    Ok(Body { process, end, out, err, input, terminal, machine: None, held: Vec::new() })
}

/// podman's exit codes for a program that could not be executed. `cwd`: for the error's text.
pub fn not_started(cwd: &str) -> impl FnOnce(SpawnError) -> LifeError {
    move |e| with_code(e, cwd)
}

fn with_code(e: SpawnError, cwd: &str) -> LifeError {
    let code = match &e {
        SpawnError::Child { step: "execve", source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            127
        }
        SpawnError::Child { step: "execve" | "chdir", .. } => 126,
        _ => 125,
    };
    let of_folder = matches!(&e, SpawnError::Child { step: "chdir", .. });
    let text = LifeError::from(e).chain();
    LifeError::NotStarted {
        code,
        text: if of_folder { format!("working folder {cwd}: {text}") } else { text },
    }
}

/// The host's /proc, /dev and /sys, and the volumes. Paths are resolved beneath the root, whatever links an image has.
fn mounts(root: &Path, spec: &Spec) -> Result<(), LifeError> {
    let base = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let base = base.map_err(|e| io("open", root)(e.into()))?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    for name in ["proc", "dev", "sys"] {
        bind(&base, &Path::new("/").join(name), Path::new(name), flags)?;
    }
    if spec.read_only {
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        for volume in &spec.volumes {
            make_target(&base, &volume.inside, volume.host.is_dir())?;
        }
        mount(None::<&str>, root, None::<&str>, read_only, None::<&str>)
            .map_err(|e| io("make read-only", root)(e.into()))?;
    }
    for volume in &spec.volumes {
        bind(&base, &volume.host, &volume.inside, flags)?;
        if volume.read_only {
            let at = beneath(&base, &volume.inside).map_err(|e| io("open", &volume.inside)(e.into()))?;
            let again = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            mount(None::<&str>, by_fd(&at).as_path(), None::<&str>, again, None::<&str>)
                .map_err(|e| io("make read-only", &volume.inside)(e.into()))?;
        }
    }
    Ok(())
}

fn by_fd(fd: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

fn beneath(base: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    openat2(base, relative, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
}

fn make_target(base: &OwnedFd, path: &Path, folder: bool) -> Result<OwnedFd, LifeError> {
    match beneath(base, path) {
        Ok(fd) => return Ok(fd),
        Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(io("open", path)(e.into())),
    }
    let parent = path.parent().filter(|p| *p != Path::new("/") && *p != Path::new(""));
    let parent = match parent {
        Some(parent) => make_target(base, parent, true)?,
        None => base.try_clone().map_err(system("duplicate a descriptor"))?,
    };
    let name = path.file_name().unwrap_or_default();
    let made = if folder {
        mkdirat(&parent, name, Mode::from_raw_mode(0o755))
    } else {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    };
    made.map_err(|e| io("create", path)(e.into()))?;
    beneath(base, path).map_err(|e| io("open", path)(e.into()))
}

fn bind(base: &OwnedFd, from: &Path, to: &Path, flags: MsFlags) -> Result<(), LifeError> {
    let target = make_target(base, to, from.is_dir())?;
    mount(Some(from), by_fd(&target).as_path(), None::<&str>, flags, None::<&str>)
        .map_err(|e| io("mount on", to)(e.into()))
}
