//! What the child does between clone and exec, one step a line; each step that fails is reported by name.

use super::config::{NamespaceKind, RuntimeConfig};
use super::namespaces::{self, Entered};
use super::rootfs::{self, Step};
use super::trace::{Span, Trace};
use super::{capabilities, cgroup_mount, devices};
use crate::container::cgroup::Hierarchies;
use crate::sys::process;
use nix::sys::socket::{MsgFlags, recv, send};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What the child tells the parent, once.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// All is done but the exec; the time line so far.
    Ready(Vec<Span>),
    /// A step failed.
    Failed(String),
}

/// Everything that the child needs, made before the clone.
pub struct Init<'a> {
    /// What is to be.
    pub config: &'a RuntimeConfig,
    /// Folder of the config.
    pub bundle: &'a Path,
    /// Namespaces to be entered.
    pub entered: Vec<Entered>,
    /// Compiled filter.
    pub filter: Option<super::seccomp::Filter>,
    /// For the cgroup mounts.
    pub hierarchies: Hierarchies,
    /// To and from the parent.
    pub sync: OwnedFd,
    /// `create` only: a FIFO; a byte in it is the word to go.
    pub gate: Option<OwnedFd>,
    /// Descriptors from 3 on that the workload keeps.
    pub preserve_fds: u32,
}

/// Runs in the child and never returns.
pub fn run(init: &Init) -> ! {
    let Err(step) = steps(init);
    tell(init, &Report::Failed(step.text().to_owned()));
    process::exit_now(1)
}

fn tell(init: &Init, report: &Report) {
    let json = serde_json::to_vec(report).unwrap_or_default();
    let _ = send(init.sync.as_raw_fd(), &json, MsgFlags::MSG_NOSIGNAL);
}

/// Waits for the parent's word; without it (the parent is dead) the child ends.
fn wait_for_parent(init: &Init) -> Result<(), Step> {
    let mut byte = [0u8; 1];
    match recv(init.sync.as_raw_fd(), &mut byte, MsgFlags::empty()) {
        Ok(1) => Ok(()),
        Ok(_) => Err(Step::new("wait for", "the runtime", std::io::ErrorKind::UnexpectedEof.into())),
        Err(e) => Err(Step::new("wait for", "the runtime", e.into())),
    }
}

fn steps(init: &Init) -> Result<Infallible, Step> {
    let config = init.config;
    let mut trace = Trace::default();
    let user_namespace = config.namespace(NamespaceKind::User).is_some();
    if user_namespace {
        wait_for_parent(init)?;
    }
    let named =
        |what: &'static str, object: &'static str| move |e: nix::Error| Step::new(what, object, e.into());
    nix::unistd::setsid().map_err(named("make", "a session"))?;
    namespaces::enter(&init.entered).map_err(named("enter", "namespaces"))?;
    if user_namespace {
        process::set_ids(0, 0, &[]).map_err(|(call, e)| Step::new(call, "0 in the user namespace", e))?;
    }
    identity(config)?;
    trace.done("namespaces");
    let root_path = rootfs::mount_root(config, init.bundle)?;
    let root = rootfs::open_root(&root_path)?;
    trace.done("rootfs");
    for m in config.mounts.iter().filter(|m| m.kind != "cgroup") {
        rootfs::mount_one(&root, m, init.bundle)?;
    }
    devices::make(&root, config, user_namespace)?;
    let null = open_null(&root)?;
    trace.done("mounts");
    wait_for_parent(init)?;
    namespaces::unshare_late(config).map_err(named("make", "the cgroup namespace"))?;
    for m in config.mounts.iter().filter(|m| m.kind == "cgroup") {
        cgroup_mount::mount_cgroups(&root, m, &init.hierarchies)?;
    }
    trace.done("cgroup");
    rootfs::pivot(&root)?;
    cover(config, &null)?;
    trace.done("pivot");
    last_steps(init, trace)
}

fn identity(config: &RuntimeConfig) -> Result<(), Step> {
    if !config.hostname.is_empty() {
        nix::unistd::sethostname(&config.hostname)
            .map_err(|e| Step::new("set hostname", &config.hostname, e.into()))?;
    }
    if !config.domainname.is_empty() {
        let name = config.domainname.as_bytes();
        rustix::system::setdomainname(name)
            .map_err(|e| Step::new("set domainname", &config.domainname, e.into()))?;
    }
    // A namespace that was entered by path is as its maker left it.
    let new_network = config.namespace(NamespaceKind::Network).is_some_and(|n| n.path.is_none());
    if new_network {
        crate::sys::netlink::set_up("lo").map_err(|e| Step::new("set up", "lo", std::io::Error::other(e)))?;
    }
    Ok(())
}

/// The container's own /dev/null, with which files are masked: one of the host would lie in mounts that are left.
/// Checked, because an image may have anything of that name (CVE-2025-31133).
fn open_null(root: &OwnedFd) -> Result<OwnedFd, Step> {
    let null = rootfs::open_path(root, Path::new("/dev/null"))?;
    let is_null = rustix::fs::fstat(&null).is_ok_and(|s| s.st_rdev == nix::sys::stat::makedev(1, 3));
    let other = || Step::new("mask with", "/dev/null", std::io::Error::other("it is not the null device"));
    if is_null { Ok(null) } else { Err(other()) }
}

/// After the pivot: what may not be seen or written.
fn cover(config: &RuntimeConfig, null: &OwnedFd) -> Result<(), Step> {
    for (name, value) in &config.linux.sysctl {
        let path = PathBuf::from("/proc/sys").join(name.replace('.', "/"));
        std::fs::write(&path, value).map_err(|e| Step::new("set linux.sysctl", name, e))?;
    }
    let root = rootfs::open_root(Path::new("/"))?;
    for path in &config.linux.readonly_paths {
        rootfs::make_readonly(&root, path)?;
    }
    for path in &config.linux.masked_paths {
        rootfs::mask(&root, path, null)?;
    }
    if config.root.readonly { rootfs::make_root_readonly(&root) } else { Ok(()) }
}

fn last_steps(init: &Init, mut trace: Trace) -> Result<Infallible, Step> {
    let config = init.config;
    let p = &config.process;
    let named =
        |what: &'static str, object: &'static str| move |e: std::io::Error| Step::new(what, object, e);
    if let Some(score) = p.oom_score_adj {
        std::fs::write("/proc/self/oom_score_adj", score.to_string())
            .map_err(named("set", "process.oomScoreAdj"))?;
    }
    for limit in &p.rlimits {
        super::rlimits::set(limit).map_err(|e| Step::new("set process.rlimits", &limit.kind, e))?;
    }
    process::join_new_session_keyring().map_err(named("join", "a new session keyring"))?;
    process::close_on_exec_from(3 + init.preserve_fds).map_err(named("close", "descriptors"))?;
    let early_filter = !p.no_new_privileges;
    let none = Default::default();
    let wanted = p.capabilities.as_ref().unwrap_or(&none);
    capabilities::drop_bounding(wanted).map_err(named("drop", "process.capabilities.bounding"))?;
    if early_filter {
        // Without no_new_privs the kernel takes a filter from a privileged process only.
        install(init)?;
    }
    process::keep_capabilities(true).map_err(named("keep", "capabilities"))?;
    process::set_ids(p.user.uid, p.user.gid, &p.user.additional_gids)
        .map_err(|(call, e)| Step::new(call, "process.user", e))?;
    let mask = nix::sys::stat::Mode::from_bits_truncate(p.user.umask.unwrap_or(0o022));
    nix::sys::stat::umask(mask);
    nix::unistd::chdir(p.cwd.as_str()).map_err(|e| Step::new("enter process.cwd", &p.cwd, e.into()))?;
    process::keep_capabilities(false).map_err(named("let go of", "capabilities"))?;
    capabilities::apply(wanted).map_err(named("set", "process.capabilities"))?;
    let (program, argv, envp) = program(config)?;
    trace.done("limits");
    tell_ready(init, trace)?;
    if p.no_new_privileges {
        process::no_new_privileges().map_err(named("set", "process.noNewPrivileges"))?;
    }
    if !early_filter {
        install(init)?;
    }
    let e = process::execute(&program, &argv, &envp);
    Err(Step::new("exec", &program.to_string_lossy(), e))
}

/// Reports the time line, and for `create` waits for `start`. The filter comes after, so that it cannot forbid this.
fn tell_ready(init: &Init, trace: Trace) -> Result<(), Step> {
    tell(init, &Report::Ready(trace.into_spans()));
    let Some(gate) = &init.gate else { return Ok(()) };
    let mut fds = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(gate), nix::poll::PollFlags::POLLIN)];
    let waited = nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE);
    waited.map(|_| ()).map_err(|e| Step::new("wait for", "start", e.into()))
}

fn install(init: &Init) -> Result<(), Step> {
    let Some(filter) = &init.filter else { return Ok(()) };
    process::install_seccomp(&filter.program, filter.flags)
        .map_err(|e| Step::new("install", "linux.seccomp", e))
}

type Program = (CString, Vec<CString>, Vec<CString>);

/// `args[0]` as it is, or found in the PATH of the container's environment.
fn program(config: &RuntimeConfig) -> Result<Program, Step> {
    let p = &config.process;
    let c = |s: &str| CString::new(s).map_err(|e| Step::new("pass", s, e.into()));
    let name = &p.args[0];
    let path = p
        .env
        .iter()
        .find_map(|e| e.strip_prefix("PATH="))
        .unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let found = if name.contains('/') {
        Some(name.clone())
    } else {
        let there = |p: &String| rustix::fs::access(p.as_str(), rustix::fs::Access::EXEC_OK).is_ok();
        path.split(':').map(|d| format!("{d}/{name}")).find(there)
    };
    let missing =
        || Step::new("find", name, std::io::Error::other(format!("not in the container's PATH {path}")));
    let list = |v: &[String]| v.iter().map(|s| c(s)).collect::<Result<Vec<_>, _>>();
    Ok((c(&found.ok_or_else(missing)?)?, list(&p.args)?, list(&p.env)?))
}
