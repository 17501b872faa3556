//! What the child does between clone and exec, one step a line; each step that fails is reported by name.

use super::config::{Mount, NamespaceKind, RuntimeConfig};
use super::confine::Confine;
use super::listen::Preserved;
use super::namespaces::{self, Entered};
use super::order::Order;
use super::place::Place;
use super::procfs::Procfs;
use super::rootfs::{self, Step};
use super::state::Saved;
use super::sync::{Line, Report, settled, tell, wait};
use super::terminal::Terminal;
use super::trace::Trace;
use super::{cgroup_mount, cover, devices, hooks, idmap, network};
use crate::sys::process;
use std::cell::Cell;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

/// Everything that the child needs, made before the clone.
pub struct Init<'a> {
    /// What is to be.
    pub config: &'a RuntimeConfig,
    /// Folder of the config.
    pub bundle: &'a Path,
    /// Namespaces to be entered.
    pub entered: Vec<Entered>,
    /// Compiled filter, if there is to be one; there once all is [`settled`].
    pub filter: &'a OnceLock<super::seccomp::Filter>,
    /// Who answers for the calls that it asks about.
    pub agent: Option<super::agent::Agent<'a>>,
    /// Its cgroup.
    pub place: Place<'a>,
    /// To and from the parent.
    pub sync: Line<'a>,
    /// `create` only: a FIFO; a byte in it is the word to go.
    pub gate: Option<OwnedFd>,
    /// Where the master of the terminal goes.
    pub console: Option<&'a OwnedFd>,
    /// Descriptors that the workload keeps.
    pub preserved: &'a Preserved,
    /// Mounts whose ids are mapped.
    pub idmapped: Vec<idmap::Ready>,
    /// Move the root instead of pivot_root.
    pub no_pivot: bool,
    /// Whether the runtime itself is in a user namespace: it goes without a cgroup where it may not make one.
    pub rootless: bool,
    /// With a session keyring of its own.
    pub keyring: bool,
    /// For the state that hooks get.
    pub saved: &'a Saved,
    /// Read by `start`, where that waits for the exec: gets what went wrong behind the gate.
    pub late: Option<OwnedFd>,
    /// Whether the gate is behind it.
    pub started: Cell<bool>,
    /// Its time line.
    pub trace: Trace,
}

/// Runs in the child and never returns.
pub fn run(init: &Init) -> ! {
    let Err(step) = steps(init, init.trace.again());
    tell(&init.sync, step.report());
    if init.started.get() {
        // Nobody listens at the socket any more once `start` has been called.
        let line = format!("tarec: {}\n", step.text());
        let _ = match &init.late {
            Some(file) => rustix::io::write(file, step.text().as_bytes()),
            None => rustix::io::write(rustix::stdio::stderr(), line.as_bytes()),
        };
    }
    process::exit_now(1)
}

fn steps(init: &Init, mut trace: Trace) -> Result<Infallible, Step> {
    let config = init.config;
    let user_namespace = config.namespace(NamespaceKind::User).is_some();
    if user_namespace || init.place.is_by_systemd() {
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
    let procfs = Procfs::open()?;
    let pid = if config.hooks.is_some() { procfs.own_pid().unwrap_or(0) } else { 0 };
    namespaces::unshare_late(config)?;
    identity(config)?;
    trace.done("namespaces");
    let root_path = rootfs::mount_root(config, init.bundle)?;
    let root = rootfs::open_root(&root_path)?;
    trace.done("rootfs");
    mount_all(init, &root, pid, &procfs, &mut trace)?;
    last_steps(init, pid, &procfs, trace)
}

/// As much as can be before the word to go, the rest after it.
fn mount_all(init: &Init, root: &OwnedFd, pid: i32, procfs: &Procfs, trace: &mut Trace) -> Result<(), Step> {
    let config = init.config;
    let copies = cgroup_mount::copies(config, init.place.cgroup)?;
    let order = Order::of(config, init.rootless, copies.is_some());
    let mounter = Mounter { init, root, copies };
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
    let entered = if inside.is_none() {
        hooks_before_pivot(init, pid)?;
        Some(mounter.go_inside()?)
    } else {
        None
    };
    cover::sysctl(config, procfs)?;
    if let Some(null) = inside.as_ref().or(entered.as_ref()) {
        cover::paths(root, config, null, |p| !covered(p))?;
    }
    trace.done("late mounts");
    cover::root(root, config)
}

/// The runtime's hooks, then those that run here, in the container's namespaces, with the host's files in sight.
fn hooks_before_pivot(init: &Init, pid: i32) -> Result<(), Step> {
    let Some(all) = init.config.hooks.as_ref().filter(|h| h.before_pivot()) else { return Ok(()) };
    tell(&init.sync, Report::Mounted);
    wait(&init.sync)?;
    // As with other runtimes; where the mounts have left it is nobody's business.
    nix::unistd::chdir(init.bundle).map_err(|e| Step::new("enter", "the bundle", e.into()))?;
    let state = init.saved.state("creating", pid).to_string();
    hooks::run("createContainer", &all.create_container, state.as_bytes()).map_err(|e| Step::of_hook(&e))
}

/// Mounts for one container.
struct Mounter<'a> {
    init: &'a Init<'a>,
    root: &'a OwnedFd,
    copies: Option<cgroup_mount::Copies>,
}

impl Mounter<'_> {
    fn mount(&self, mounts: &[&Mount]) -> Result<(), Step> {
        mounts.iter().try_for_each(|m| {
            let mounted = match m.kind.as_str() {
                "cgroup" => {
                    let (cgroup, copies) = (self.init.place.cgroup, self.copies.as_ref());
                    cgroup_mount::mount_cgroups(self.root, m, cgroup, self.init.config, copies)
                }
                _ => rootfs::mount_one(self.root, m, self.init.bundle, self.idmapped(m)),
            };
            mounted.map_err(|step| step.within(&format!("mounts[{}]", self.index(m))))
        })
    }

    fn index(&self, m: &Mount) -> usize {
        let all = &self.init.config.mounts;
        all.iter().position(|other| std::ptr::eq(other, m)).unwrap_or(all.len())
    }

    fn idmapped(&self, m: &Mount) -> Option<&OwnedFd> {
        let ready = &self.init.idmapped;
        if ready.is_empty() {
            return None;
        }
        let index = self.index(m);
        ready.iter().find(|r| r.index == index).map(|r| &r.tree)
    }

    /// Makes the devices and lets go of the host's root. The container's null device, for masks.
    fn go_inside(&self) -> Result<OwnedFd, Step> {
        let config = self.init.config;
        let user_namespace = self.init.rootless || config.namespace(NamespaceKind::User).is_some();
        devices::make(self.root, config, user_namespace)?;
        let null = cover::open_null(self.root)?;
        if let Some(console) = self.init.console {
            let process = &config.process;
            let terminal = Terminal::open(self.root, process.console_size, process.user.uid)?;
            terminal.bind_console(self.root)?;
            terminal.hand_over(console)?;
        }
        if self.init.no_pivot {
            rootfs::move_root(self.root)?
        } else {
            rootfs::pivot(self.root, config)?
        }
        rootfs::set_propagation(config)?;
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

fn last_steps(init: &Init, pid: i32, procfs: &Procfs, mut trace: Trace) -> Result<Infallible, Step> {
    let config = init.config;
    settled(&init.sync)?;
    let confine = Confine {
        process: &config.process,
        filter: init.filter.get(),
        agent: init.agent.as_ref(),
        personality: config.linux.personality.as_ref(),
        preserve_fds: init.preserved.count,
        env: &init.preserved.env,
        home: super::home::is_ours_to_set(config),
        keyring: init.keyring,
        procfs,
    };
    let program = confine.limit()?;
    trace.done("limits");
    tell_ready(init, trace)?;
    if let Some(all) = &config.hooks {
        let state = init.saved.state("created", pid).to_string();
        hooks::run("startContainer", &all.start_container, state.as_bytes())
            .map_err(|e| Step::of_hook(&e))?;
    }
    if let Line::Shared { .. } = init.sync {
        let cleared = rustix::process::set_parent_process_death_signal(None);
        cleared.map_err(|e| Step::new("clear", "the signal at the runtime's death", e.into()))?;
    }
    Err(confine.execute(&program))
}

/// Reports the time line, and for `create` waits for `start`. The filter comes after, so that it cannot forbid this.
fn tell_ready(init: &Init, trace: Trace) -> Result<(), Step> {
    tell(&init.sync, Report::Ready(trace.into_spans()));
    let Some(gate) = &init.gate else { return Ok(()) };
    let mut fds = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(gate), nix::poll::PollFlags::POLLIN)];
    let waited = nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE);
    waited.map_err(|e| Step::new("wait for", "start", e.into()))?;
    init.started.set(true);
    Ok(())
}
