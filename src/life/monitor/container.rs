//! Target `container`: an OCI runtime, ours unless another is named, started as an engine starts it.

use super::start::Layers;
use super::stdio::{self, Stdio};
use super::{Body, End};
use crate::container::config::{ConsoleSize, Mount, NamespaceKind, RuntimeConfig};
use crate::container::spec::{Bundle, Network};
use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::network;
use crate::life::root;
use crate::life::spec::{NetworkMode, Spec};
use crate::life::state::{Process, State};
use crate::life::volume;
use crate::sys::spawn::Spawn;
use crate::target::lookup::{host_program, own_program};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The socket on which the runtime hands over a terminal.
const CONSOLE: &str = "console.sock";

/// Name or path of the runtime that a container has, and where it keeps its states.
pub fn runtime(folder: &Folder, spec: &Spec) -> Result<(PathBuf, PathBuf), LifeError> {
    let program = match &spec.runtime {
        None => own_program("tarec")?,
        Some(name) => host_program(name)?,
    };
    Ok((program, folder.file("runtime")))
}

pub fn start(
    folder: &Folder,
    spec: &Spec,
    state: &mut State,
    layers: &Layers,
    lock: &OwnedFd,
) -> Result<Body, LifeError> {
    let root = root::mount_at(folder, &layers.dirs)?;
    volume::fill(&root, &spec.volumes)?;
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
    let mut namespace = None;
    if let NetworkMode::Bridge(name) = &spec.network {
        let made = network::new_namespace(|| Ok(()))?;
        let joined = network::join(folder, name, state, made.as_fd())?;
        held.push(Box::new(joined.switch));
        namespace = Some(made);
    }
    let bundle = folder.file("bundle");
    std::fs::create_dir(&bundle).map_err(io("create", &bundle))?;
    let config = config(folder, spec, root, namespace.as_ref())?;
    let path = bundle.join("config.json");
    let json = serde_json::to_vec_pretty(&config);
    let json = json.map_err(|source| LifeError::Json { path: path.clone(), source })?;
    std::fs::write(&path, json).map_err(io("write", &path))?;
    let (ends, terminal) = launch(folder, spec, lock)?;
    let pid = pid(folder)?;
    let pidfd = Pid::from_raw(pid).map(|p| pidfd_open(p, PidfdFlags::empty()));
    let Some(Ok(pidfd)) = pidfd else {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(system("find the container's process")(missing));
    };
    // One that has ended already is a zombie of ours, whose code is still to be had.
    let process = Process::of(pid).unwrap_or(Process { pid, start_time: 0 });
    let (out, err, input) = ends;
    Ok(Body { process, end: End::Child { pid, pidfd }, out, err, input, terminal, machine: None, held })
}

type Ends = (Option<OwnedFd>, Option<OwnedFd>, Option<OwnedFd>);

/// Runs the runtime until the workload is started. With a terminal, its master is `out` and `input`.
///
/// The runtime has the monitor's `lock`, too, and its init until the workload runs: who settles what a killed monitor left
/// waits for them, or they would make a cgroup after it.
fn launch(folder: &Folder, spec: &Spec, lock: &OwnedFd) -> Result<(Ends, bool), LifeError> {
    let (program, states) = runtime(folder, spec)?;
    let (states, log) = (states.display().to_string(), folder.file("runtime.log"));
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bundle = folder.file("bundle").display().to_string();
    let log_name = log.display().to_string();
    let mut argv =
        vec![name, "--root".into(), states, "--log".into(), log_name, "--log-format".into(), "json".into()];
    argv.extend(["run", "--detach", "--bundle", &bundle, "--pid-file", "pid"].map(String::from));
    if spec.terminal {
        argv.extend(["--console-socket", CONSOLE].map(String::from));
    }
    argv.push(spec.id.clone());
    let spawn = Spawn::new(&program, &argv, &["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])?;
    let spawn = spawn.cwd(folder.path())?.new_session().fd(lock, 3);
    if spec.terminal {
        let listener = UnixListener::bind(CONSOLE).map_err(io("listen on", Path::new(CONSOLE)))?;
        let null = stdio::null()?;
        let child = spawn.fd(&null, 0).fd(&null, 1).fd(&null, 2).start()?;
        ended_well(child.wait().map_err(system("wait for the runtime"))?, &log)?;
        listener.set_nonblocking(true).map_err(system("accept a terminal"))?;
        let (socket, _) = listener.accept().map_err(system("accept a terminal"))?;
        let master = super::control::receive_fd(&socket)?;
        let _ = std::fs::remove_file(CONSOLE);
        let input = master.try_clone().map_err(system("duplicate a terminal"))?;
        rustix::io::ioctl_fionbio(&master, true).map_err(system("read a terminal"))?;
        return Ok(((Some(master), None, Some(input)), true));
    }
    let stdio = Stdio::new(folder, spec)?;
    let child = stdio.give(spawn).start()?;
    ended_well(child.wait().map_err(system("wait for the runtime"))?, &log)?;
    let (out, err, input) = stdio.ours();
    Ok(((Some(out), Some(err), input), false))
}

fn pid(folder: &Folder) -> Result<i32, LifeError> {
    let path = folder.file("pid");
    let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
    text.trim().parse().map_err(|_| io("parse", &path)(std::io::Error::other("no process id")))
}

/// An error of the runtime, with the exit code that podman gives for it.
fn ended_well(code: i32, log: &Path) -> Result<(), LifeError> {
    if code == 0 {
        return Ok(());
    }
    let said = last_error(&std::fs::read_to_string(log).unwrap_or_default());
    let text = said.unwrap_or_else(|| format!("the runtime ended with code {code} and said nothing"));
    Err(LifeError::NotStarted { code: code_of(&text), text })
}

/// The last error in a runtime's log of JSON lines; warnings are none.
pub fn last_error(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let text = |v: &serde_json::Value, name: &str| v.get(name).and_then(|t| t.as_str()).map(str::to_owned);
    let mut errors = lines.filter(|v| text(v, "level").as_deref() == Some("error"));
    errors.next_back().and_then(|v| text(&v, "msg"))
}

/// 127: the program is not there. 126: it is, and cannot be executed. As podman, by the words of the message.
pub fn code_of(text: &str) -> i32 {
    let of_program = ["exec ", "exec:", "find ", "executable file"].iter().any(|w| text.contains(w));
    let any = |words: &[&str]| words.iter().any(|w| text.to_lowercase().contains(w));
    if text.contains("process.cwd") {
        126
    } else if !of_program {
        125
    } else if any(&["no such file", "not in the container's path", "not found", "not in the image"]) {
        127
    } else if any(&["permission denied", "exec format", "is a directory"]) {
        126
    } else {
        125
    }
}

fn config(
    folder: &Folder,
    spec: &Spec,
    root: PathBuf,
    namespace: Option<&OwnedFd>,
) -> Result<RuntimeConfig, LifeError> {
    let network = match namespace {
        Some(fd) => {
            Network::Path(format!("/proc/{}/fd/{}", std::process::id(), fd.as_fd().as_raw_fd()).into())
        }
        None => Network::New,
    };
    let bundle = Bundle {
        rootfs: Some(root),
        argv: spec.argv.clone(),
        env: spec.env.clone(),
        cwd: spec.cwd.clone(),
        uid: spec.uid,
        gid: spec.gid,
        additional_gids: spec.groups.clone(),
        hostname: spec.hostname.clone(),
        cpus: spec.cpus,
        memory_bytes: spec.memory_bytes,
        network,
        cgroups_path: Some(format!("/{}", spec.cgroup())),
        seccomp: true,
        readonly: spec.read_only,
        ..Bundle::default()
    };
    let mut config = bundle.config();
    config.process.terminal = spec.terminal;
    let (height, width) = spec.terminal_size;
    config.process.console_size = spec.terminal.then_some(ConsoleSize { height, width });
    if spec.network == NetworkMode::Host {
        config.linux.namespaces.retain(|n| n.kind != NamespaceKind::Network);
    }
    config.mounts.extend(files(folder, spec)?);
    config.mounts.extend(spec.volumes.iter().map(|v| bind(&v.host, &v.inside, v.read_only)));
    Ok(config)
}

fn bind(from: &Path, to: &Path, read_only: bool) -> Mount {
    let options = ["rbind", "rprivate", if read_only { "ro" } else { "rw" }];
    Mount {
        destination: to.to_owned(),
        kind: "bind".into(),
        source: from.display().to_string(),
        options: options.map(String::from).to_vec(),
        ..Mount::default()
    }
}

/// hosts, hostname and resolv.conf, unless a volume is to be there.
fn files(folder: &Folder, spec: &Spec) -> Result<Vec<Mount>, LifeError> {
    let hosts = match spec.network {
        NetworkMode::Host => Some(std::fs::read_to_string("/etc/hosts").unwrap_or_default()),
        NetworkMode::None => Some(network::hosts_text(spec, None, &[])),
        // Written when it joined.
        NetworkMode::Bridge(_) => None,
    };
    let mut all = vec![("hosts", hosts), ("hostname", Some(format!("{}\n", spec.hostname)))];
    if spec.network == NetworkMode::Host {
        all.push(("resolv.conf", Some(std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())));
    }
    let mut mounts = Vec::new();
    for (name, text) in all {
        let (path, inside) = (folder.file(name), Path::new("/etc").join(name));
        if spec.volumes.iter().any(|v| v.inside == inside) {
            continue;
        }
        if let Some(text) = text {
            std::fs::write(&path, text).map_err(io("write", &path))?;
        }
        mounts.push(bind(&path, &inside, false));
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::code_of;

    #[test]
    fn the_exit_code_says_why_it_was_not_started() {
        for (text, code) in [
            ("container init: find nothing: not in the container's PATH /bin", 127),
            ("container init: exec /bin/x: No such file or directory (os error 2)", 127),
            ("exec: \"x\": executable file not found in $PATH", 127),
            ("container init: exec /etc/passwd: Permission denied (os error 13)", 126),
            ("container init: exec /x: Exec format error (os error 8)", 126),
            ("container init: enter process.cwd /none: No such file or directory (os error 2)", 126),
            ("cgroup: create /x: No space left on device", 125),
        ] {
            assert_eq!(code_of(text), code, "{text}");
        }
    }
}
