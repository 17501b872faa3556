//! Starts a program the same way for every target: clone3 with CLONE_VFORK | CLONE_VM, so that the cost does not
//! depend on the size of the harness, into a cgroup that exists already, so that joining it costs the child nothing.
//!
//! Between clone and exec the child shares the harness's memory: it makes raw system calls only, allocates nothing,
//! and reports the step that failed through a field that the parent reads once the child has called exec or ended.

use super::clock::monotonic_ns;
use super::clone3::{CLONE_INTO_CGROUP, CloneArgs, clone3_call};
use super::signals::{BlockedSignals, default_signals};
use std::ffi::{CString, OsStr, c_char};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Begins the variable by which an environment is made longer, by lot: where the stack lies decides about a short program's
/// time (Mytkowicz and others, "Producing Wrong Data Without Doing Anything Obviously Wrong!", 2009), and a lucky place is
/// not to be taken for a target's own.
pub const PAD: &str = "TAREMARK_PAD=";

/// What is to be started. Everything that allocates is done before the clock starts.
pub struct Spawn {
    program: CString,
    argv: Vec<CString>,
    envp: Vec<CString>,
    root: Option<CString>,
    cwd: Option<CString>,
    ids: Option<(u32, u32)>,
    groups: Vec<u32>,
    /// (descriptor in the harness, number in the child).
    fds: Vec<(RawFd, RawFd)>,
    cgroup: CgroupPlace,
    new_session: bool,
    controlling_terminal: bool,
}

/// Where the child is born.
#[derive(Debug, Clone, Default)]
pub struct CgroupPlace {
    /// `tasks` files of v1 hierarchies: the launching thread enters them before the clock starts, and the child
    /// inherits them. First of each pair: the run's; second: where the thread goes back to.
    pub v1_tasks: Vec<(std::path::PathBuf, std::path::PathBuf)>,
    /// The v2 folder, entered by CLONE_INTO_CGROUP.
    pub v2_dir: Option<std::path::PathBuf>,
}

/// A started child.
#[derive(Debug)]
pub struct Child {
    /// Process id in the harness's pid namespace.
    pub pid: i32,
    /// Becomes readable when the child ends.
    pub pidfd: OwnedFd,
    /// CLOCK_MONOTONIC right before clone3.
    pub t0_ns: u64,
    /// CLOCK_MONOTONIC when clone3 returned to the parent, that is after the child's exec.
    pub spawned_ns: u64,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A string with a NUL in it.
    #[error("{what} contains a NUL byte")]
    Nul {
        /// Which string.
        what: &'static str,
    },
    /// A cgroup could not be entered or opened.
    #[error("enter cgroup {path}")]
    Cgroup {
        /// File written to.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// clone3 itself failed.
    #[error("clone3")]
    Clone(#[source] std::io::Error),
    /// A step in the child failed.
    #[error("{step} for {program}")]
    Child {
        /// System call that failed.
        step: &'static str,
        /// Program that was to be started.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

fn cstring(bytes: &[u8], what: &'static str) -> Result<CString, SpawnError> {
    CString::new(bytes).map_err(|_| SpawnError::Nul { what })
}

impl Spawn {
    /// `argv[0]` is given by the caller as for execve; `program` is a path, resolved inside `root` where one is set.
    pub fn new(program: &Path, argv: &[String], env: &[impl AsRef<OsStr>]) -> Result<Self, SpawnError> {
        use std::os::unix::ffi::OsStrExt;
        let variable = |e: &OsStr| cstring(e.as_bytes(), "environment");
        Ok(Self {
            program: cstring(program.as_os_str().as_bytes(), "program")?,
            argv: argv.iter().map(|a| cstring(a.as_bytes(), "argument")).collect::<Result<_, _>>()?,
            envp: env.iter().map(|e| variable(e.as_ref())).collect::<Result<_, _>>()?,
            root: None,
            cwd: None,
            ids: None,
            groups: Vec::new(),
            fds: Vec::new(),
            cgroup: CgroupPlace::default(),
            new_session: false,
            controlling_terminal: false,
        })
    }

    /// chroot before exec.
    pub fn root(mut self, root: &Path) -> Result<Self, SpawnError> {
        use std::os::unix::ffi::OsStrExt;
        self.root = Some(cstring(root.as_os_str().as_bytes(), "root")?);
        Ok(self)
    }

    /// chdir before exec, inside `root`.
    pub fn cwd(mut self, cwd: &Path) -> Result<Self, SpawnError> {
        use std::os::unix::ffi::OsStrExt;
        self.cwd = Some(cstring(cwd.as_os_str().as_bytes(), "working directory")?);
        Ok(self)
    }

    /// setgroups, setgid, setuid before exec.
    pub fn ids(mut self, uid: u32, gid: u32) -> Self {
        self.ids = Some((uid, gid));
        self
    }

    /// Further groups, set with [`Spawn::ids`]; none unless given.
    pub fn groups(mut self, groups: &[u32]) -> Self {
        self.groups = groups.to_vec();
        self
    }

    /// Gives the child descriptor `from` as number `to`; all others are expected to be close-on-exec.
    /// Sources must lie above every target number (the caller's pipes do, or use F_DUPFD).
    pub fn fd(mut self, from: &impl AsRawFd, to: RawFd) -> Self {
        self.fds.push((from.as_raw_fd(), to));
        self
    }

    /// Where the child is born.
    pub fn cgroup(mut self, place: CgroupPlace) -> Self {
        self.cgroup = place;
        self
    }

    /// setsid, so that signals of the harness's terminal do not reach it.
    pub fn new_session(mut self) -> Self {
        self.new_session = true;
        self
    }

    /// Makes descriptor 0, a terminal, the controlling one of the new session.
    pub fn controlling_terminal(mut self) -> Self {
        self.controlling_terminal = true;
        self
    }

    /// Starts it. The clock is read right before clone3.
    pub fn start(&self) -> Result<Child, SpawnError> {
        let argv = pointers(&self.argv);
        let envp = pointers(&self.envp);
        let v2 = match &self.cgroup.v2_dir {
            Some(dir) => Some(std::fs::File::open(dir).map_err(|source| cgroup_error(dir, source))?),
            None => None,
        };
        for (run, _) in &self.cgroup.v1_tasks {
            enter(run)?;
        }
        let home = super::affinity::enter_run_cpus().map_err(SpawnError::Clone)?;
        let started = self.clone_and_exec(&argv, &envp, v2.as_ref().map(|f| f.as_raw_fd()));
        home.go_back();
        for (_, home) in &self.cgroup.v1_tasks {
            enter(home)?;
        }
        started
    }

    fn clone_and_exec(
        &self,
        argv: &[*const c_char],
        envp: &[*const c_char],
        v2: Option<RawFd>,
    ) -> Result<Child, SpawnError> {
        let mut pidfd: RawFd = -1;
        let mut failure = Failure { step: "", errno: 0 };
        let mut stack = vec![0u8; CHILD_STACK];
        let blocked = BlockedSignals::new();
        let mut plan = ChildPlan { spawn: self, argv, envp, mask: blocked.before, failure: &raw mut failure };
        let mut args = CloneArgs {
            flags: (libc::CLONE_VFORK | libc::CLONE_VM | libc::CLONE_PIDFD) as u64,
            pidfd: &raw mut pidfd as u64,
            exit_signal: libc::SIGCHLD as u64,
            stack: stack.as_mut_ptr() as u64,
            stack_size: CHILD_STACK as u64,
            ..Default::default()
        };
        if let Some(fd) = v2 {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = fd as u64;
        }
        let t0_ns = monotonic_ns();
        // SAFETY: the child gets `stack`, which outlives it: CLONE_VFORK holds this thread until the child has called
        // exec or ended, and `child_main` never returns.
        let pid = unsafe { clone3_call(&args, child_main, (&raw mut plan).cast()) };
        let spawned_ns = monotonic_ns();
        drop(blocked);
        if pid < 0 {
            return Err(SpawnError::Clone(std::io::Error::from_raw_os_error(-pid as i32)));
        }
        // SAFETY: the kernel stored a fresh descriptor there, which nothing else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        // SAFETY: the child is past exec or dead, so nobody writes there; volatile, because the compiler did not see
        // the child write.
        let failure = unsafe { (&raw const failure).read_volatile() };
        if failure.errno != 0 {
            reap(pid as i32);
            return Err(SpawnError::Child {
                step: failure.step,
                program: self.program.to_string_lossy().into_owned(),
                source: std::io::Error::from_raw_os_error(failure.errno),
            });
        }
        Ok(Child { pid: pid as i32, pidfd, t0_ns, spawned_ns })
    }
}

const CHILD_STACK: usize = 64 * 1024;
#[derive(Clone, Copy)]
struct Failure {
    step: &'static str,
    errno: i32,
}

struct ChildPlan<'a> {
    spawn: &'a Spawn,
    argv: &'a [*const c_char],
    envp: &'a [*const c_char],
    mask: libc::sigset_t,
    failure: *mut Failure,
}

extern "C" fn child_main(arg: *mut libc::c_void) -> ! {
    // SAFETY: `arg` is the ChildPlan on the frame of the parent, which is held until we are gone.
    let plan = unsafe { &*arg.cast::<ChildPlan>() };
    let (step, errno) = child_steps(plan);
    // SAFETY: as above; the parent reads it after this process has ended.
    unsafe {
        plan.failure.write_volatile(Failure { step, errno });
        libc::_exit(127)
    }
}

/// Raw system calls only, no allocation: the memory is the parent's. Returns only when a step failed.
fn child_steps(plan: &ChildPlan) -> (&'static str, i32) {
    let s = plan.spawn;
    // SAFETY: every pointer is to a NUL-terminated string or an array that the parent keeps alive; the raw setuid
    // family acts on this task alone (glibc's would signal the parent's threads).
    unsafe {
        default_signals();
        if s.new_session && libc::setsid() < 0 {
            return ("setsid", errno());
        }
        if let Some(root) = &s.root {
            if libc::chroot(root.as_ptr()) < 0 {
                return ("chroot", errno());
            }
            if libc::chdir(c"/".as_ptr()) < 0 {
                return ("chdir to the new root", errno());
            }
        }
        for &(from, to) in &s.fds {
            if libc::dup3(from, to, 0) < 0 {
                return ("dup3", errno());
            }
        }
        if s.controlling_terminal && libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
            return ("TIOCSCTTY", errno());
        }
        if let Some((uid, gid)) = s.ids {
            if libc::syscall(libc::SYS_setgroups, s.groups.len(), s.groups.as_ptr()) < 0 {
                return ("setgroups", errno());
            }
            if libc::syscall(libc::SYS_setgid, gid) < 0 {
                return ("setgid", errno());
            }
            if libc::syscall(libc::SYS_setuid, uid) < 0 {
                return ("setuid", errno());
            }
        }
        if let Some(cwd) = &s.cwd
            && libc::chdir(cwd.as_ptr()) < 0
        {
            return ("chdir", errno());
        }
        libc::sigprocmask(libc::SIG_SETMASK, &plan.mask, core::ptr::null_mut());
        libc::execve(s.program.as_ptr(), plan.argv.as_ptr(), plan.envp.as_ptr());
        ("execve", errno())
    }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([core::ptr::null()]).collect()
}

fn enter(tasks: &Path) -> Result<(), SpawnError> {
    std::fs::write(tasks, "0").map_err(|source| cgroup_error(tasks, source))
}

fn cgroup_error(path: &Path, source: std::io::Error) -> SpawnError {
    SpawnError::Cgroup { path: path.display().to_string(), source }
}

fn reap(pid: i32) {
    let mut status = 0;
    // SAFETY: plain call; `status` is ours.
    unsafe { libc::waitpid(pid, &mut status, 0) };
}

impl Child {
    /// Waits for the end and reaps. Exit code, or 128 + signal.
    pub fn wait(&self) -> std::io::Result<i32> {
        let mut status = 0;
        // SAFETY: plain call; `status` is ours.
        while unsafe { libc::waitpid(self.pid, &mut status, 0) } < 0 {
            let e = std::io::Error::last_os_error();
            if e.kind() != std::io::ErrorKind::Interrupted {
                return Err(e);
            }
        }
        Ok(if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) })
    }

    /// True once it has ended (it may still have to be reaped). Waits up to `timeout`.
    pub fn ended_within(&self, timeout: std::time::Duration) -> bool {
        let mut p = libc::pollfd { fd: self.pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd of ours.
        unsafe { libc::poll(&mut p, 1, timeout.as_millis().min(i32::MAX as u128) as i32) > 0 }
    }

    /// Sends a signal through the pidfd, so never to a recycled pid. An ended process is no error.
    pub fn signal(&self, signal: i32) -> std::io::Result<()> {
        // SAFETY: plain call on a descriptor of ours.
        let r = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), signal, 0usize, 0u32)
        };
        let e = std::io::Error::last_os_error();
        if r < 0 && e.raw_os_error() != Some(libc::ESRCH) { Err(e) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn output_and_exit_code_come_back() {
        let (r, w) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        let argv = ["sh", "-c", "echo one; exit 7"].map(String::from);
        let child = Spawn::new(Path::new("/bin/sh"), &argv, &[""; 0])
            .expect("spawn")
            .fd(&w, 1)
            .start()
            .expect("start");
        drop(w);
        let mut text = String::new();
        std::fs::File::from(r).read_to_string(&mut text).expect("read");
        assert_eq!((text.as_str(), child.wait().expect("wait")), ("one\n", 7));
        assert!(child.spawned_ns > child.t0_ns);
    }

    #[test]
    fn the_failing_step_is_named() {
        let e =
            Spawn::new(Path::new("/no/such"), &[], &[""; 0]).expect("spawn").start().expect_err("must fail");
        assert_eq!(e.to_string(), "execve for /no/such");
        let e = Spawn::new(Path::new("/bin/true"), &[], &[""; 0])
            .expect("spawn")
            .root(Path::new("/no"))
            .expect("root");
        assert_eq!(e.start().expect_err("must fail").to_string(), "chroot for /bin/true");
    }
}
