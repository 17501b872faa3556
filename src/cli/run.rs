//! `taremark run`: an image as a container, a machine, or a bare process.

use super::containers::{open, variable};
use super::failure::{self, note};
use crate::image::store::Store;
use crate::life::LifeError;
use crate::life::attach::{self, End};
use crate::life::folder::Folder;
use crate::life::health;
use crate::life::ports::{self, Carrier, Port};
use crate::life::run::{Request, launch, settle};
use crate::life::spec::{NetworkMode, Spec, TargetKind};
use crate::life::volume::{self, Volume};
use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Do not wait: print the ID and return
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    what: What,
}

/// What a container is made of: the same for `run` and `create`.
#[derive(Debug, clap::Args)]
pub struct What {
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Remove it when it has ended
    #[arg(long)]
    rm: bool,
    /// Its name; without it, one at random
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Publish a port; may be given again
    #[arg(short, long, value_name = "[[IP:][HOSTPORT]:]PORT[/udp]", value_parser = published)]
    publish: Vec<PortList>,
    /// Who carries published ports: auto, nftables (the kernel) or forwarder (the monitor, in user space)
    #[arg(long, default_value = "auto", value_name = "WHO")]
    publish_by: Carrier,
    /// Show a file or folder of the host, or a volume by its name; may be given again
    #[arg(short, long, value_name = "[HOST|NAME:]CONTAINER[:ro]", value_parser = volume::parse)]
    volume: Vec<Volume>,
    /// The same in other words; may be given again
    #[arg(long, value_name = "type=bind|volume,src=…,dst=…[,ro]", value_parser = volume::parse_mount)]
    mount: Vec<Volume>,
    /// Set a variable, or pass one on; may be given again
    #[arg(short, long, value_name = "K[=V]", value_parser = variable)]
    env: Vec<String>,
    /// Working folder
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Name or number, with :GROUP
    #[arg(short, long)]
    user: Option<String>,
    /// Host name; without it, the beginning of the ID
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// CPUs: a share of them for a container or process, whole ones for a machine; 0: no limit
    #[arg(long, value_parser = cpus)]
    cpus: Option<f64>,
    /// Limit of memory, or a machine's RAM [there: 256M]; 0: no limit
    #[arg(short, long, value_name = "BYTES", value_parser = super::bytes::limit)]
    memory: Option<u64>,
    /// Root file system read-only
    #[arg(long)]
    read_only: bool,
    /// Program instead of the image's: a word, or a JSON array; empty: none
    #[arg(long, value_parser = entrypoint)]
    entrypoint: Option<Words>,
    /// none, host, bridge, or the name of a network that containers share
    #[arg(long, value_name = "NETWORK")]
    network: Option<NetworkMode>,
    /// container, microvm or process: the same image, another box
    #[arg(long, default_value = "container")]
    target: TargetKind,
    #[command(flatten)]
    health: HealthArguments,
    /// Another OCI runtime for the container
    #[arg(long, value_name = "PROGRAM")]
    runtime: Option<String>,
    /// The image, name:tag or name@digest
    #[arg(value_name = "REF")]
    reference: String,
    /// Arguments, instead of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Of checks.
#[derive(Debug, clap::Args)]
pub struct HealthArguments {
    /// Check health by this line, or JSON array, instead of the image's; none: not at all
    #[arg(long, value_name = "CMD")]
    health_cmd: Option<String>,
    /// Between checks [default: the image's, or 30s]
    #[arg(long, value_name = "TIME", value_parser = super::duration::parse)]
    health_interval: Option<Duration>,
    /// For a check to end [default: the image's, or 30s]
    #[arg(long, value_name = "TIME", value_parser = super::duration::parse)]
    health_timeout: Option<Duration>,
    /// As long as it is this young, bad checks do not count
    #[arg(long, value_name = "TIME", value_parser = super::duration::parse)]
    health_start_period: Option<Duration>,
    /// Bad checks in a row that make it unhealthy [default: the image's, or 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    health_retries: Option<u32>,
    /// Check nothing, whatever the image says
    #[arg(long, conflicts_with = "health_cmd")]
    no_healthcheck: bool,
}

#[derive(Debug, Clone)]
struct PortList(Vec<Port>);

#[derive(Debug, Clone)]
struct Words(Vec<String>);

fn published(text: &str) -> Result<PortList, String> {
    ports::parse(text).map(PortList)
}

fn entrypoint(text: &str) -> Result<Words, String> {
    if text.starts_with('[') {
        return serde_json::from_str(text)
            .map(Words)
            .map_err(|e| format!("{text:?} is no JSON array of words: {e}"));
    }
    Ok(Words(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }))
}

fn cpus(text: &str) -> Result<f64, String> {
    let good = |n: &f64| *n == 0.0 || n.is_finite() && *n >= 0.01 && *n <= 4096.0;
    let number = text.parse().ok().filter(good);
    number.ok_or_else(|| format!("{text:?}: a number of CPUs from 0.01 on, or 0 for no limit"))
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let done = start(a);
    // podman's exit codes for whatever keeps the workload from running.
    Ok(done.unwrap_or_else(|e| {
        failure::show(&e);
        ExitCode::from(e.downcast_ref::<LifeError>().map_or(125, LifeError::exit_code))
    }))
}

fn start(a: &Arguments) -> anyhow::Result<ExitCode> {
    if a.what.tty && a.what.interactive && !a.detach && !std::io::stdin().is_terminal() {
        eprintln!("taremark: standard input is no terminal: -t and -i might not work properly together");
    }
    let root = open()?;
    let store = Store::open(&Store::default_root())?;
    let request = a.what.request();
    warn(&request);
    let mut spec = settle(&store, request)?;
    let (folder, mut socket) = launch(&root, &mut spec)?;
    started(&folder, &spec, &mut socket)?;
    if a.detach {
        println!("{}", spec.id);
        return Ok(ExitCode::SUCCESS);
    }
    let end = attach::carry(socket, attach::Options { input: a.what.interactive, terminal: a.what.tty })?;
    let code = match end {
        End::Exited(code) => code,
        // Its monitor was killed: another takes over, and knows how it ends.
        _ => crate::life::wait::wait(&folder, None)?.unwrap_or(-1),
    };
    Ok(ExitCode::from(super::containers::exit_code(code)))
}

/// Waits for a monitor's first word: the workload runs, or why it does not.
pub fn started(folder: &Folder, spec: &Spec, socket: &mut UnixStream) -> Result<(), LifeError> {
    match attach::first_word(socket)? {
        End::Failed(code, text) => Err(LifeError::NotStarted { code, text }),
        End::Lost => Err(silent(folder, spec)),
        End::Exited(_) => Ok(()),
    }
}

impl What {
    pub fn request(&self) -> Request {
        let (a, health) = (self, &self.health);
        Request {
            reference: a.reference.clone(),
            arguments: a.command.clone(),
            entrypoint: a.entrypoint.clone().map(|w| w.0),
            name: a.name.clone(),
            target: a.target,
            env: a.env.iter().filter(|e| !e.is_empty()).cloned().collect(),
            cwd: a.workdir.clone(),
            user: a.user.clone(),
            hostname: a.hostname.clone(),
            cpus: a.cpus.filter(|n| *n > 0.0),
            memory_bytes: a.memory.filter(|n| *n > 0),
            read_only: a.read_only,
            terminal: a.tty,
            terminal_size: super::containers::terminal_size(),
            interactive: a.interactive,
            remove: a.rm,
            network: a.network.clone(),
            publish_by: a.publish_by,
            ports: a.publish.iter().flat_map(|p| p.0.clone()).collect(),
            volumes: a.volume.iter().chain(&a.mount).cloned().collect(),
            health: health::Request {
                command: health.health_cmd.clone(),
                interval: health.health_interval,
                timeout: health.health_timeout,
                start_period: health.health_start_period,
                retries: health.health_retries,
                none: health.no_healthcheck,
            },
            runtime: a.runtime.clone(),
        }
    }
}

fn warn(request: &Request) {
    if request.network == Some(NetworkMode::Host)
        && !request.ports.is_empty()
        && request.target == TargetKind::Container
    {
        note("-p does nothing with --network host: its ports are the host's");
    }
    if request.target == TargetKind::Microvm && request.volumes.iter().any(|v| !v.read_only) {
        note("a machine gets copies of its volumes: what it writes there stays in it");
    }
}

fn silent(folder: &Folder, spec: &Spec) -> LifeError {
    let log = std::fs::read_to_string(folder.file("monitor.log")).unwrap_or_default();
    let log = log.lines().next_back().unwrap_or("empty").to_owned();
    LifeError::Silent { id: spec.short_id().to_owned(), log }
}
