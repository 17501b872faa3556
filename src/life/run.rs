//! `run`: what was asked for and what the image says become a spec; the spec becomes a folder with a monitor.

use super::error::{LifeError, io, system};
use super::folder::{Folder, Lock, Root};
use super::names;
use super::ports::Port;
use super::spec::{NetworkMode, Spec, TargetKind};
use super::state::now_ms;
use super::volume::Volume;
use crate::image::Image;
use crate::image::store::Store;
use crate::sys::spawn::Spawn;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What the command line says; what it does not say comes from the image.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Image.
    pub reference: String,
    /// Arguments; they take the place of the image's command.
    pub arguments: Vec<String>,
    /// Takes the place of the image's entrypoint, and then of its command as well.
    pub entrypoint: Option<Vec<String>>,
    /// Empty: one at random.
    pub name: String,
    /// How it is run.
    pub target: TargetKind,
    /// `K=V`, over the image's.
    pub env: Vec<String>,
    /// Working folder.
    pub cwd: Option<String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// CPUs.
    pub cpus: Option<f64>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Root read-only.
    pub read_only: bool,
    /// With a terminal.
    pub terminal: bool,
    /// Rows and columns that it begins with.
    pub terminal_size: (u16, u16),
    /// With standard input.
    pub interactive: bool,
    /// Removed at its end.
    pub remove: bool,
    /// Absent: the target's default.
    pub network: Option<NetworkMode>,
    /// To be published.
    pub ports: Vec<Port>,
    /// Who carries them.
    pub publish_by: super::ports::Carrier,
    /// Of the host.
    pub volumes: Vec<Volume>,
    /// What is said of checks.
    pub health: super::health::Request,
    /// OCI runtime.
    pub runtime: Option<String>,
}

/// The monitor's descriptor of the socket to its client.
pub const MONITOR_CLIENT: i32 = 3;
/// The monitor's descriptor of its lock.
pub const MONITOR_LOCK: i32 = 4;
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Settles everything; unpacks the image if it is not yet.
pub fn settle(store: &Store, request: Request) -> Result<Spec, LifeError> {
    let image = store.resolve(&request.reference)?;
    image.check_host()?;
    let id = names::new_id()?;
    let network = network_of(&request)?;
    refuse(&request, &network)?;
    let said = image.run_spec();
    let layers = image.lower_dirs(store)?;
    let user = request.user.clone().unwrap_or_else(|| said.user.clone());
    let (uid, gid, groups) = image.resolve_named_user(&user, &layers)?;
    let hostname = request.hostname.clone().unwrap_or_else(|| id[..12].to_owned());
    let argv = argv_of(&image, &request);
    if argv.is_empty() {
        let why = format!("no command or entrypoint provided, and {} has none", request.reference);
        return Err(LifeError::Argument(why));
    }
    let env = environment(&said.env, &request, &hostname, uid);
    let cwd = request.cwd.clone().unwrap_or(said.cwd);
    if !cwd.is_empty() && !cwd.starts_with('/') {
        let text = format!("working folder {cwd:?}: it has to be an absolute path in the container");
        return Err(LifeError::NotStarted { code: 126, text });
    }
    let volumes = volumes_of(&image, &request)?;
    let health = super::health::settle(&image, &request.health)?;
    Ok(Spec {
        name: request.name,
        image: request.reference,
        image_digest: image.digest().to_string(),
        store: std::fs::canonicalize(store.root()).map_err(io("find", store.root()))?,
        created_ms: now_ms(),
        target: request.target,
        argv,
        env,
        cwd: if cwd.is_empty() { "/".to_owned() } else { cwd },
        user,
        uid,
        gid,
        groups,
        hostname,
        cpus: request.cpus,
        memory_bytes: request.memory_bytes,
        read_only: request.read_only,
        terminal: request.terminal,
        terminal_size: request.terminal_size,
        interactive: request.interactive,
        remove: request.remove,
        ports: if network == NetworkMode::Host && request.target != TargetKind::Process {
            Vec::new()
        } else {
            request.ports
        },
        network,
        publish_by: request.publish_by,
        volumes,
        stop_signal: stop_signal(&image),
        health,
        runtime: request.runtime,
        id,
    })
}

/// Those that name none share one network; a bare process has the host's.
fn network_of(request: &Request) -> Result<NetworkMode, LifeError> {
    let default = match request.target {
        TargetKind::Process => NetworkMode::Host,
        _ => NetworkMode::Bridge(super::spec::DEFAULT_NETWORK.to_owned()),
    };
    Ok(request.network.clone().unwrap_or(default))
}

fn refuse(request: &Request, network: &NetworkMode) -> Result<(), LifeError> {
    let target = request.target;
    let not = |what: String, why| Err(LifeError::Unsupported { what, target, why });
    match (target, network) {
        (TargetKind::Process, NetworkMode::None | NetworkMode::Bridge(_)) => {
            return not(format!("--network {network}"), "a bare process has the host's network");
        }
        (TargetKind::Microvm, NetworkMode::Host) => {
            return not("--network host".into(), "a machine has a kernel, and so a network, of its own");
        }
        (_, NetworkMode::None) if !request.ports.is_empty() => {
            return Err(LifeError::Argument("-p needs a network, and --network none is given".into()));
        }
        _ => {}
    }
    if target != TargetKind::Container && request.runtime.is_some() {
        return not("--runtime".into(), "only containers have an OCI runtime");
    }
    Ok(())
}

/// Those of the command line, and those that the image wants and nobody has named: parents come before what is in them.
fn volumes_of(image: &Image, request: &Request) -> Result<Vec<Volume>, LifeError> {
    let mut all = request.volumes.clone();
    let wanted = image.config_json().pointer("/config/Volumes").and_then(|v| v.as_object());
    // A machine's root is its own and in its memory, and so is what it would keep in a volume.
    if request.target != TargetKind::Microvm {
        for path in wanted.into_iter().flat_map(|w| w.keys()) {
            let inside: PathBuf = Path::new(path).components().collect();
            if inside.is_absolute() && !all.iter().any(|v| v.inside == inside) {
                all.push(Volume::anonymous(inside));
            }
        }
    } else if let Some(named) = all.iter().find(|v| v.name.is_some()) {
        return Err(LifeError::Unsupported {
            what: format!("-v {}", named.inside.display()),
            target: request.target,
            why: "a machine sees no folder of the host, and gets copies in its memory; a volume would stay empty: name \
                  a path of the host",
        });
    }
    all.sort_by(|a, b| a.inside.cmp(&b.inside));
    match all.windows(2).find(|two| two[0].inside == two[1].inside) {
        Some(two) => {
            Err(LifeError::Argument(format!("{}: duplicate mount destination", two[0].inside.display())))
        }
        None => Ok(all),
    }
}

fn argv_of(image: &Image, request: &Request) -> Vec<String> {
    let words = |name: &str| -> Vec<String> {
        let list = image.config_json().pointer(&format!("/config/{name}")).and_then(|l| l.as_array());
        list.into_iter().flatten().filter_map(|w| w.as_str().map(str::to_owned)).collect()
    };
    let entrypoint = request.entrypoint.clone().unwrap_or_else(|| words("Entrypoint"));
    let arguments = match (&request.entrypoint, request.arguments.is_empty()) {
        (None, true) => words("Cmd"),
        _ => request.arguments.clone(),
    };
    [entrypoint, arguments].concat()
}

/// The image's, then ours, then the command line's; the last of a name counts.
fn environment(image: &[String], request: &Request, hostname: &str, uid: u32) -> Vec<String> {
    let home = if uid == 0 { "HOME=/root" } else { "HOME=/" };
    let mut all: Vec<String> = vec![DEFAULT_PATH.into(), home.into(), format!("HOSTNAME={hostname}")];
    if request.terminal {
        all.push("TERM=xterm".into());
    }
    for new in image.iter().chain(&request.env) {
        let name = new.split('=').next().unwrap_or_default();
        all.retain(|old| old.split('=').next() != Some(name));
        all.push(new.clone());
    }
    all
}

fn stop_signal(image: &Image) -> i32 {
    let named = image.config_json().pointer("/config/StopSignal").and_then(|s| s.as_str());
    let number = named.and_then(|s| crate::container::parse_signal(s).ok());
    number.unwrap_or(nix::sys::signal::Signal::SIGTERM) as i32
}

/// Makes the folder and nothing else, for [`super::start`].
pub fn create(root: &Root, spec: &mut Spec) -> Result<Folder, LifeError> {
    root.create(spec).map(|(folder, _)| folder)
}

/// Makes the folder and starts the monitor, which starts the workload. The socket is the monitor's client.
pub fn launch(root: &Root, spec: &mut Spec) -> Result<(Folder, UnixStream), LifeError> {
    let (folder, lock) = root.create(spec)?;
    match watch(&folder, lock, false) {
        Ok(socket) => Ok((folder, socket)),
        Err(e) => {
            let _ = super::volume::gone(&folder, spec);
            Err(e)
        }
    }
}

/// Starts a monitor. The lock becomes its own: at no time is the container without one.
pub fn watch(folder: &Folder, lock: Lock, adopt: bool) -> Result<UnixStream, LifeError> {
    const ABOVE: i32 = 64;
    let program = std::env::current_exe().map_err(system("find our own program"))?;
    let mut argv: Vec<String> = ["taremark", "monitor"].map(String::from).to_vec();
    if adopt {
        argv.push("--adopt".into());
    }
    argv.push(folder.path().display().to_string());
    let env: Vec<String> =
        std::env::vars_os().filter_map(|(k, v)| Some(format!("{}={}", k.to_str()?, v.to_str()?))).collect();
    let (ours, theirs) = UnixStream::pair().map_err(system("make a socket pair"))?;
    let (log, null) = (folder.file("monitor.log"), Path::new("/dev/null"));
    let log = File::options().create(true).append(true).open(&log).map_err(io("open", &log))?;
    let null = File::options().read(true).write(true).open(null).map_err(io("open", null))?;
    let mut spawn = Spawn::new(&program, &argv, &env)?.new_session();
    let mut held = Vec::new();
    let given: [(&dyn AsFd, i32); 4] =
        [(&null, 0), (&log, 2), (&theirs, MONITOR_CLIENT), (&lock, MONITOR_LOCK)];
    for (fd, number) in given {
        let high =
            rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), ABOVE).map_err(system("duplicate a descriptor"))?;
        spawn = spawn.fd(&high, number);
        if number == 0 {
            spawn = spawn.fd(&high, 1);
        }
        held.push(high);
    }
    spawn.start()?;
    Ok(ours)
}
