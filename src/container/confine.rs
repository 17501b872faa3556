//! The last steps before the workload, the same for a container's init and for `exec`: limits, labels, ids,
//! capabilities, filter, exec.

use super::agent::Agent;
use super::config::{Personality, Process};
use super::procfs::Procfs;
use super::program::{self, Program};
use super::rootfs::Step;
use super::{capabilities, labels, rlimits, scheduling, terminal};
use crate::sys::process;

/// What a process is confined to.
pub struct Confine<'a> {
    /// What is to run.
    pub process: &'a Process,
    /// Compiled filter.
    pub filter: Option<&'a super::seccomp::Filter>,
    /// Who answers for the calls that it asks about.
    pub agent: Option<&'a Agent<'a>>,
    /// Execution domain.
    pub personality: Option<&'a Personality>,
    /// Descriptors from 3 on that it keeps.
    pub preserve_fds: u32,
    /// More for its environment.
    pub env: &'a [String],
    /// With a HOME, where its environment has none.
    pub home: bool,
    /// With a session keyring of its own.
    pub keyring: bool,
    /// Of the host.
    pub procfs: &'a Procfs,
}

fn named(what: &'static str, object: &'static str) -> impl FnOnce(std::io::Error) -> Step {
    move |e| Step::new(what, object, e)
}

/// The working directory: by no magic link, as /proc/self/fd/N could be a folder of the host that the caller left open,
/// and in sight of the root (CVE-2024-21626).
fn enter(cwd: &str) -> std::io::Result<()> {
    use rustix::fs::{CWD, OFlags, ResolveFlags};
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let dir = super::open::open_at(CWD, cwd, flags, ResolveFlags::NO_MAGICLINKS)?;
    rustix::process::fchdir(&dir)?;
    // The kernel says "(unreachable)" of a folder that is not beneath the root.
    let seen = rustix::process::getcwd(Vec::new())?;
    let outside = || std::io::Error::other("it is not beneath the container's root");
    if seen.to_bytes().starts_with(b"/") { Ok(()) } else { Err(outside()) }
}

impl Confine<'_> {
    /// All but what has to come right before the exec. Without `noNewPrivileges` the filter is installed here already,
    /// as the kernel takes it from a privileged process only.
    pub fn limit(&self) -> Result<Program, Step> {
        let p = self.process;
        crate::sys::signals::default_signals();
        self.settings()?;
        if self.keyring {
            process::join_new_session_keyring().map_err(named("join", "a new session keyring"))?;
        }
        labels::apply(p, self.procfs)?;
        terminal::give_pipes(p.user.uid);
        self.close(3 + self.preserve_fds).map_err(named("close", "descriptors"))?;
        let none = Default::default();
        let wanted = p.capabilities.as_ref().unwrap_or(&none);
        capabilities::drop_bounding(wanted).map_err(named("drop", "process.capabilities.bounding"))?;
        if !p.no_new_privileges {
            self.install()?;
        }
        process::keep_capabilities(true).map_err(named("keep", "capabilities"))?;
        process::set_ids(p.user.uid, p.user.gid, &p.user.additional_gids)
            .map_err(|(call, e)| Step::new(call, "process.user", e))?;
        let mask = nix::sys::stat::Mode::from_bits_truncate(p.user.umask.unwrap_or(0o022));
        nix::sys::stat::umask(mask);
        enter(&p.cwd).map_err(|e| Step::new("enter process.cwd", &p.cwd, e))?;
        process::keep_capabilities(false).map_err(named("let go of", "capabilities"))?;
        capabilities::apply(wanted).map_err(named("set", "process.capabilities"))?;
        let has_home = p.env.iter().any(|e| e.starts_with("HOME="));
        let home = (self.home && !has_home).then(|| super::home::of(p.user.uid));
        program::find(p, self.env.iter().chain(&home))
    }

    /// Descriptors from this one on do not outlive the exec; one by one on kernels before 5.11.
    fn close(&self, from: u32) -> std::io::Result<()> {
        match process::close_on_exec_from(from).map_err(|e| (e.raw_os_error(), e)) {
            Err((Some(libc::ENOSYS | libc::EINVAL), _)) => {
                let open = self.procfs.descriptors()?.into_iter();
                open.filter(|fd| u32::try_from(*fd).is_ok_and(|fd| fd >= from))
                    .try_for_each(process::close_on_exec)
            }
            Err((_, e)) => Err(e),
            Ok(()) => Ok(()),
        }
    }

    fn settings(&self) -> Result<(), Step> {
        let p = self.process;
        if let Some(score) = p.oom_score_adj {
            self.procfs
                .write("self/oom_score_adj", &score.to_string())
                .map_err(named("set", "process.oomScoreAdj"))?;
        }
        if let Some(scheduler) = &p.scheduler {
            scheduling::set_scheduler(scheduler).map_err(named("set", "process.scheduler"))?;
        }
        if let Some(priority) = &p.io_priority {
            scheduling::set_io(priority).map_err(named("set", "process.ioPriority"))?;
        }
        if let Some(personality) = self.personality {
            scheduling::set_personality(personality).map_err(named("set", "linux.personality"))?;
        }
        for limit in &p.rlimits {
            rlimits::set(limit).map_err(|e| Step::new("set process.rlimits", &limit.kind, e))?;
        }
        Ok(())
    }

    fn install(&self) -> Result<(), Step> {
        let Some(filter) = self.filter else { return Ok(()) };
        let listener = process::install_seccomp(&filter.program, filter.flags)
            .map_err(named("install", "linux.seccomp"))?;
        match (listener, self.agent) {
            (Some(listener), Some(agent)) => agent.hand_over(&listener, self.procfs),
            _ => Ok(()),
        }
    }

    /// The exec. It returns with what hindered it.
    pub fn execute(&self, (program, argv, envp): &Program) -> Step {
        let last = || -> Result<(), Step> {
            if !self.process.no_new_privileges {
                return Ok(());
            }
            process::no_new_privileges().map_err(named("set", "process.noNewPrivileges"))?;
            self.install()
        };
        if let Err(step) = last() {
            return step;
        }
        process::restore_sigpipe();
        let e = process::execute(program, argv, envp);
        Step::new("exec", &program.to_string_lossy(), e)
    }
}
