//! The parent's side of a start: cgroup, clone, mappings, the word to go, and the child's report.

use super::cgroup::{Hierarchies, Limits, RunCgroup};
use super::config::{IdMapping, NamespaceKind, RuntimeConfig};
use super::error::{RuntimeError, io, system};
use super::init::{Init, Report};
use super::trace::{Span, Trace};
use super::{cgroup_devices, init, namespaces, seccomp};
use crate::sys::process::{Forked, fork_into};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// A container whose init is about to execute the workload, or waits for `start`.
pub struct Launched {
    /// Of the init, in the runtime's pid namespace.
    pub pid: i32,
    /// Its cgroup.
    pub cgroup: RunCgroup,
    /// Time line of the runtime.
    pub spans: Vec<Span>,
    /// Time line of the init.
    pub init_spans: Vec<Span>,
}

/// Starts the init of `config`. With `gate` it waits there. On an error nothing is left.
pub fn launch(
    id: &str,
    bundle: &Path,
    config: &RuntimeConfig,
    gate: Option<OwnedFd>,
    mut trace: Trace,
    started: impl FnOnce(i32) -> Result<(), RuntimeError>,
) -> Result<Launched, RuntimeError> {
    let filter = config.linux.seccomp.as_ref().map(seccomp::compile).transpose()?;
    trace.done("seccomp");
    let cgroup = RunCgroup::create_at(&cgroups_path(config, id), &limits(config))?;
    let result = in_cgroup(bundle, config, gate, filter, &cgroup, &mut trace, started);
    match result {
        Ok((pid, init_spans)) => {
            trace.done("wait");
            Ok(Launched { pid, cgroup, spans: trace.into_spans(), init_spans })
        }
        Err(e) => {
            let _ = cgroup.kill_all();
            let _ = cgroup.remove();
            Err(e)
        }
    }
}

type Started = (i32, Vec<Span>);

fn in_cgroup(
    bundle: &Path,
    config: &RuntimeConfig,
    gate: Option<OwnedFd>,
    filter: Option<seccomp::Filter>,
    cgroup: &RunCgroup,
    trace: &mut Trace,
    started: impl FnOnce(i32) -> Result<(), RuntimeError>,
) -> Result<Started, RuntimeError> {
    cgroup_devices::apply(cgroup, config)?;
    trace.done("cgroup");
    let entered = namespaces::open(config)?;
    namespaces::enter_pid(&entered).map_err(system("enter the pid namespace"))?;
    let kind = SockType::SeqPacket;
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).map_err(system("socketpair"))?;
    let hierarchies = Hierarchies::detect()?;
    let gated = gate.is_some();
    let plan = Init { config, bundle, entered, filter, hierarchies, sync: theirs, gate, preserve_fds: 0 };
    let pid = match fork_into(namespaces::clone_flags(config), None).map_err(system("clone3"))? {
        Forked::Child => {
            drop(ours);
            init::run(&plan)
        }
        Forked::Parent { pid, .. } => pid,
    };
    drop(plan);
    trace.done("clone");
    if config.namespace(NamespaceKind::User).is_some() {
        map_ids(pid, config)?;
        go(&ours)?;
    }
    cgroup.enter(pid)?;
    trace.done("enter_cgroup");
    // What has to be on disk before the workload runs (state, pid file) is written while the child mounts.
    started(pid)?;
    go(&ours)?;
    let spans = heard(&ours, gated)?;
    Ok((pid, spans))
}

fn go(to: &OwnedFd) -> Result<(), RuntimeError> {
    // A child that has failed already has closed its end; its report says why, so this is no error.
    match send(to.as_raw_fd(), b"g", MsgFlags::MSG_NOSIGNAL) {
        Ok(_) | Err(nix::Error::EPIPE | nix::Error::ECONNRESET) => Ok(()),
        Err(e) => Err(system("tell the init to go")(e)),
    }
}

/// Reads until the exec closes the child's end, or (behind a gate) until it says that it is ready.
fn heard(from: &OwnedFd, gated: bool) -> Result<Vec<Span>, RuntimeError> {
    let mut spans = None;
    let mut packet = vec![0u8; 1 << 16];
    loop {
        let n = match recv(from.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            Ok(n) => n,
            Err(nix::Error::EINTR) => continue,
            Err(nix::Error::ECONNRESET) => 0,
            Err(e) => return Err(system("hear the init")(e)),
        };
        if n == 0 {
            return spans.ok_or_else(|| RuntimeError::Init("ended before it could say why".into()));
        }
        match serde_json::from_slice(&packet[..n]) {
            Ok(Report::Ready(s)) if gated => return Ok(s),
            Ok(Report::Ready(s)) => spans = Some(s),
            Ok(Report::Failed(why)) => return Err(RuntimeError::Init(why)),
            Err(e) => return Err(RuntimeError::Init(format!("unreadable report: {e}"))),
        }
    }
}

fn map_ids(pid: i32, config: &RuntimeConfig) -> Result<(), RuntimeError> {
    let text = |maps: &[IdMapping]| -> String {
        maps.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect()
    };
    for (name, maps) in [("gid_map", &config.linux.gid_mappings), ("uid_map", &config.linux.uid_mappings)] {
        let path = std::path::PathBuf::from(format!("/proc/{pid}/{name}"));
        std::fs::write(&path, text(maps)).map_err(io("write", &path))?;
    }
    Ok(())
}

/// `linux.cgroupsPath`, or `/<id>`.
pub fn cgroups_path(config: &RuntimeConfig, id: &str) -> String {
    let path = config.linux.cgroups_path.as_str();
    if path.is_empty() { format!("/{id}") } else { path.to_owned() }
}

fn limits(config: &RuntimeConfig) -> Limits {
    let r = &config.linux.resources;
    let positive = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0);
    let cpu = r.cpu.as_ref();
    let quota = cpu.and_then(|c| c.quota).and_then(positive);
    let period = cpu.and_then(|c| c.period).unwrap_or(100_000);
    Limits {
        cpus: quota.map(|q| q as f64 / period as f64),
        memory_bytes: r.memory.as_ref().and_then(|m| m.limit).and_then(positive),
        pids: r.pids.as_ref().and_then(|p| positive(p.limit)),
    }
}
