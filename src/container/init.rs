//! What the child does between clone and exec, one step a line; each step that fails is reported by name.

use super::config::{Mount, NamespaceKind, RuntimeConfig};
use super::namespaces::{self, Entered};
use super::order::Order;
use super::place::Place;
use super::rootfs::{self, Step};
use super::sync::{Report, tell, wait};
use super::trace::Trace;
use super::{capabilities, cgroup_mount, cover, devices, network};
use crate::sys::process;
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

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
    /// Its cgroup.
    pub place: Place<'a>,
    /// To and from the parent.
    pub sync: OwnedFd,
    /// `create` only: a FIFO; a byte in it is the word to go.
    pub gate: Option<OwnedFd>,
    /// Descriptors from 3 on that the workload keeps.
    pub preserve_fds: u32,
    /// Its time line.
    pub trace: Trace,
}

/// Runs in the child and never returns.
pub fn run(mut init: Init) -> ! {
    let trace = std::mem::replace(&mut init.trace, Trace::new(false)).again();
    let Err(step) = steps(&init, trace);
    tell(&init.sync, &Report::Failed(step.text().to_owned()));
    process::exit_now(1)
}

fn steps(init: &Init, mut trace: Trace) -> Result<Infallible, Step> {
    let config = init.config;
    let user_namespace = config.namespace(NamespaceKind::User).is_some();
    if user_namespace {
        wait(&init.sync)?;
    }
    let named =
        |what: &'static str, object: &'static str| move |e: nix::Error| Step::new(what, object, e.into());
    nix::unistd::setsid().map_err(named("make", "a session"))?;
    init.place.enter(config)?;
    trace.done("cgroup");
    namespaces::enter(&init.entered).map_err(named("enter", "namespaces"))?;
    if user_namespace {
        process::set_ids(0, 0, &[]).map_err(|(call, e)| Step::new(call, "0 in the user namespace", e))?;
    }
    namespaces::unshare_late(config).map_err(named("make", "the cgroup namespace"))?;
    identity(config)?;
    trace.done("namespaces");
    let root_path = rootfs::mount_root(config, init.bundle)?;
    let root = rootfs::open_root(&root_path)?;
    trace.done("rootfs");
    mount_all(init, &root, &mut trace)?;
    last_steps(init, trace)
}

/// As much as can be before the word to go, the rest after it.
fn mount_all(init: &Init, root: &OwnedFd, trace: &mut Trace) -> Result<(), Step> {
    let config = init.config;
    let order = Order::of(config);
    let mounter = Mounter { init, root };
    mounter.mount(&order.first)?;
    let inside = if order.last_is_plain { Some(mounter.go_inside()?) } else { None };
    // A sysctl has to be written before /proc/sys is read-only, and may be one of the network.
    let covered = |p: &Path| inside.is_some() && config.linux.sysctl.is_empty() && p.starts_with("/proc");
    if let Some(null) = &inside {
        cover::paths(root, config, null, covered)?;
    }
    trace.done("mounts");
    network(init)?;
    trace.done("wait");
    mounter.mount(&order.last)?;
    let entered = if inside.is_none() { Some(mounter.go_inside()?) } else { None };
    cover::sysctl(config)?;
    if let Some(null) = inside.as_ref().or(entered.as_ref()) {
        cover::paths(root, config, null, |p| !covered(p))?;
    }
    trace.done("late mounts");
    cover::root(root, config)
}

/// Mounts for one container.
struct Mounter<'a> {
    init: &'a Init<'a>,
    root: &'a OwnedFd,
}

impl Mounter<'_> {
    fn mount(&self, mounts: &[&Mount]) -> Result<(), Step> {
        mounts.iter().try_for_each(|m| match m.kind.as_str() {
            "cgroup" => cgroup_mount::mount_cgroups(self.root, m, self.init.place.cgroup.hierarchies()),
            _ => rootfs::mount_one(self.root, m, self.init.bundle),
        })
    }

    /// Makes the devices and lets go of the host's root. The container's null device, for masks.
    fn go_inside(&self) -> Result<OwnedFd, Step> {
        let config = self.init.config;
        devices::make(self.root, config, config.namespace(NamespaceKind::User).is_some())?;
        let null = cover::open_null(self.root)?;
        rootfs::pivot(self.root)?;
        Ok(null)
    }
}

/// Waits for the word to go, and enters the network namespace that came with it.
fn network(init: &Init) -> Result<(), Step> {
    let failed = |e| Step::new("enter", "the network namespace", e);
    match wait(&init.sync)? {
        Some(made) => {
            nix::sched::setns(&made, nix::sched::CloneFlags::CLONE_NEWNET).map_err(|e| failed(e.into()))
        }
        // A namespace that was entered by path is as its maker left it.
        None if network::is_new(init.config) => crate::sys::netlink::set_up_loopback()
            .map_err(|e| Step::new("set up", "lo", std::io::Error::other(e))),
        None => Ok(()),
    }
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
    Ok(())
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
    tell(&init.sync, &Report::Ready(trace.into_spans()));
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
