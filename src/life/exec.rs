//! `exec`: a second process in a container that runs.

use super::attach::{self, End, Options};
use super::error::{LifeError, io, system};
use super::folder::Folder;
use super::link::{Command, ToMonitor};
use super::monitor;
use super::spec::{Spec, TargetKind};
use super::state::{State, Status};
use crate::guest::wire::Message;
use crate::image::Image;
use crate::image::store::Store;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the command line says; the rest is as for the container.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `K=V`, over the container's.
    pub env: Vec<String>,
    /// Working folder.
    pub cwd: Option<String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// With standard input.
    pub interactive: bool,
    /// With a terminal.
    pub terminal: bool,
    /// Its rows and columns.
    pub size: (u16, u16),
    /// One that runs longer is killed: [`TIMED_OUT`].
    pub timeout: Option<Duration>,
}

/// Exit code of one that was killed because it ran too long, as timeout(1) has it.
pub const TIMED_OUT: u8 = 124;

/// Executes it and waits for its end: its exit code.
pub fn exec(folder: &Folder, spec: &Spec, request: &Request) -> Result<i32, LifeError> {
    let state = folder.state()?;
    if state.status != Status::Running {
        let is = format!("{}: can only exec in running containers", state.status.as_str());
        return Err(LifeError::State { verb: "exec in", id: spec.short_id().to_owned(), is });
    }
    if super::pause::is_paused(spec, &state) {
        let is = "paused: can only exec in running containers".to_owned();
        return Err(LifeError::State { verb: "exec in", id: spec.short_id().to_owned(), is });
    }
    let command = command(spec, request)?;
    match spec.target {
        TargetKind::Microvm => in_machine(folder, command, request.timeout),
        TargetKind::Container => in_container(folder, spec, &command, request.timeout),
        TargetKind::Process => beside_process(folder, spec, &state, &command, request.timeout),
    }
}

fn command(spec: &Spec, request: &Request) -> Result<Command, LifeError> {
    let (uid, gid, groups) = match &request.user {
        None => (spec.uid, spec.gid, spec.groups.clone()),
        Some(user) => {
            let store = Store::open(&spec.store)?;
            let image = Image::read(&store, &spec.image_digest.parse()?)?;
            let layers = image.lower_dirs(&store)?;
            image.resolve_named_user(user, &layers)?
        }
    };
    let mut env = spec.env.clone();
    let terminal = request.terminal.then(|| "TERM=xterm".to_owned());
    for new in terminal.iter().chain(&request.env) {
        let name = new.split('=').next();
        env.retain(|old| old.split('=').next() != name);
        env.push(new.clone());
    }
    Ok(Command {
        argv: request.argv.clone(),
        env,
        cwd: request.cwd.clone().unwrap_or_else(|| spec.cwd.clone()),
        uid,
        gid,
        groups,
        interactive: request.interactive,
        terminal: request.terminal,
        size: request.size,
    })
}

fn in_machine(folder: &Folder, command: Command, timeout: Option<Duration>) -> Result<i32, LifeError> {
    let mut socket = monitor::connect(folder)?;
    let options = Options { input: command.interactive, terminal: command.terminal };
    let order = ToMonitor::Exec(Box::new(command)).frame();
    socket.write_all(&order).map_err(system("tell the monitor"))?;
    let late = Arc::new(AtomicBool::new(false));
    if let Some(timeout) = timeout {
        let mut socket = socket.try_clone().map_err(system("duplicate a socket"))?;
        let late = Arc::clone(&late);
        std::thread::spawn(move || {
            std::thread::sleep(timeout);
            late.store(true, Ordering::Relaxed);
            let _ = socket.write_all(&ToMonitor::Signal(libc::SIGKILL).frame());
        });
    }
    match attach::carry(socket, options)? {
        End::Exited(_) if late.load(Ordering::Relaxed) => Ok(TIMED_OUT.into()),
        End::Exited(code) => Ok(code),
        End::Failed(code, text) => Err(LifeError::NotStarted { code, text }),
        End::Lost => Err(LifeError::NotStarted { code: 137, text: "the machine has ended".into() }),
    }
}

/// By the runtime's own `exec`, which has our standard input, output and error.
fn in_container(
    folder: &Folder,
    spec: &Spec,
    command: &Command,
    timeout: Option<Duration>,
) -> Result<i32, LifeError> {
    let (program, states) = monitor::runtime(folder, spec)?;
    let file = tempfile::NamedTempFile::new().map_err(io("create a file in", &std::env::temp_dir()))?;
    let process = serde_json::json!({
        "terminal": command.terminal,
        "user": { "uid": command.uid, "gid": command.gid, "additionalGids": command.groups },
        "args": command.argv,
        "env": command.env,
        "cwd": command.cwd,
        "capabilities": capabilities(folder)?,
        "noNewPrivileges": true,
    });
    std::fs::write(file.path(), process.to_string()).map_err(io("write", file.path()))?;
    let log = tempfile::NamedTempFile::new().map_err(io("create a file in", &std::env::temp_dir()))?;
    let mut run = std::process::Command::new(program);
    run.arg("--root").arg(states).arg("--log").arg(log.path()).args(["--log-format", "json", "exec"]);
    run.arg("--process").arg(file.path());
    let pid_file = tempfile::NamedTempFile::new().map_err(io("create a file in", &std::env::temp_dir()))?;
    if timeout.is_some() {
        run.arg("--pid-file").arg(pid_file.path());
    }
    run.arg(&spec.id);
    if !command.interactive && !command.terminal {
        run.stdin(std::process::Stdio::null());
    }
    let status = match timeout {
        None => run.status().map_err(system("start the runtime"))?,
        Some(timeout) => match within(run, timeout, pid_file.path())? {
            Some(status) => status,
            None => return Ok(TIMED_OUT.into()),
        },
    };
    let code =
        status.code().or_else(|| std::os::unix::process::ExitStatusExt::signal(&status).map(|s| 128 + s));
    let code = code.unwrap_or(125);
    let said = std::fs::read_to_string(log.path()).unwrap_or_default();
    match monitor::last_error(&said) {
        // The runtime has said it on standard error already.
        Some(text) if code != 0 => Ok(monitor::code_of(&text)),
        _ => Ok(code),
    }
}

/// Waits for the runtime. None: it took too long, and what it had started was killed.
fn within(
    mut run: std::process::Command,
    timeout: Duration,
    pid_file: &Path,
) -> Result<Option<std::process::ExitStatus>, LifeError> {
    let until = Instant::now() + timeout;
    let mut child = run.spawn().map_err(system("start the runtime"))?;
    loop {
        if let Some(status) = child.try_wait().map_err(system("wait for the runtime"))? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // The runtime waits for it, so its number is its own.
    let pid = std::fs::read_to_string(pid_file).ok().and_then(|t| t.trim().parse().ok());
    if let Some(pid) = pid {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    } else {
        let _ = child.kill();
    }
    child.wait().map_err(system("wait for the runtime"))?;
    Ok(None)
}

fn capabilities(folder: &Folder) -> Result<serde_json::Value, LifeError> {
    let path = folder.file("bundle").join("config.json");
    let bytes = std::fs::read(&path).map_err(io("read", &path))?;
    let config: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|source| LifeError::Json { path, source })?;
    Ok(config.pointer("/process/capabilities").cloned().unwrap_or_default())
}

/// A bare process has no namespaces but that of its mounts: a second one is started in its root, in its cgroup.
fn beside_process(
    folder: &Folder,
    spec: &Spec,
    state: &State,
    command: &Command,
    timeout: Option<Duration>,
) -> Result<i32, LifeError> {
    let mounts = format!("/proc/{}/ns/mnt", state.process.pid);
    let namespace = std::fs::File::open(&mounts).map_err(io("open", Path::new(&mounts)))?;
    nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNS)
        .map_err(system("enter the process's mount namespace"))?;
    let root = folder.file("root");
    let not_found = |e: crate::target::TargetError| LifeError::NotStarted { code: 127, text: e.to_string() };
    let program = crate::target::lookup::program_in_root(&command.argv, &command.env, &command.cwd, &root)
        .map_err(not_found)?;
    let cgroup = crate::container::cgroup::RunCgroup::open_at(&spec.cgroup())?;
    let spawn =
        crate::sys::spawn::Spawn::new(Path::new(&program), &command.argv, &command.env)?.root(&root)?;
    let spawn = spawn.cwd(Path::new(&command.cwd))?.ids(command.uid, command.gid).groups(&command.groups);
    let null = std::fs::File::open("/dev/null").map_err(io("open", Path::new("/dev/null")))?;
    let spawn = if command.interactive || command.terminal { spawn } else { spawn.fd(&null, 0) };
    let child = spawn.cgroup(cgroup.place()).start().map_err(monitor::not_executed(&command.cwd))?;
    if let Some(timeout) = timeout
        && !child.ended_within(timeout)
    {
        child.signal(libc::SIGKILL).map_err(system("kill the process"))?;
        child.wait().map_err(system("wait for the process"))?;
        return Ok(TIMED_OUT.into());
    }
    child.wait().map_err(system("wait for the process"))
}
