//! A fork into new namespaces, for a single-threaded runtime.

use super::clone3::CloneArgs;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Which side of the fork this is.
pub enum Forked {
    /// In the parent: the child's pid, as the parent sees it, and a descriptor for it.
    Parent {
        /// Process id.
        pid: i32,
        /// Becomes readable when the child ends.
        pidfd: OwnedFd,
    },
    /// In the child.
    Child,
}

/// clone3 with `flags` (CLONE_NEW*), as a fork: the child has a copy of the memory and goes on from here. With
/// `cgroup`, a v2 folder, the child is born in it.
///
/// The caller must have one thread only, or the child could find a lock of the allocator held for ever; this is
/// checked, and EDEADLK returned.
pub fn fork_into(flags: u64, cgroup: Option<RawFd>) -> std::io::Result<Forked> {
    if thread_count() > 1 {
        return Err(std::io::Error::from_raw_os_error(libc::EDEADLK));
    }
    let mut pidfd: RawFd = -1;
    let args = CloneArgs::child(flags, &raw mut pidfd, cgroup);
    // SAFETY: no CLONE_VM, so the child has its own copy of all memory, and there is one thread only.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        0 => Ok(Forked::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel stored a fresh descriptor there.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Parent { pid: pid as i32, pidfd })
        }
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Threads of this process, by the link count of /proc/self/task (proc(5)); two links are its own.
fn thread_count() -> u64 {
    rustix::fs::stat("/proc/self/task").map_or(1, |s| s.st_nlink.saturating_sub(2))
}

/// Threads take memory from the heap that there is, instead of each making one of its own, which is four system calls:
/// for a process whose second thread hardly allocates.
pub fn one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: plain call; M_ARENA_MAX of malloc.h is -8.
    unsafe {
        libc::mallopt(-8, 1)
    };
}

/// The program is killed when the thread that starts it ends, so that nothing writes on behalf of a process that was
/// killed. prctl(2): PR_SET_PDEATHSIG; what the program starts itself is not reached.
pub fn dies_with_us(command: &mut std::process::Command) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    let us = rustix::process::getpid();
    let tie = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // Whoever was killed before the call is not told of any more.
        if rustix::process::getppid() == Some(us) { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec only two system calls are made, and nothing is allocated.
    unsafe { command.pre_exec(tie) }
}

/// Ends this process at once, without destructors: for a child after a fork.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns, touches no memory.
    unsafe { libc::_exit(code) }
}

/// waitpid for one child: exit code, or 128 + signal. EINTR gives `None`, so that the caller can look at its signals.
pub fn wait_for(pid: i32) -> std::io::Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: plain call; `status` is ours.
    if unsafe { libc::waitpid(pid, &mut status, 0) } < 0 {
        let e = std::io::Error::last_os_error();
        return if e.kind() == std::io::ErrorKind::Interrupted { Ok(None) } else { Err(e) };
    }
    Ok(Some(if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }))
}

/// Whether a child ends (it is not reaped) before `timeout` is over. A signal that is caught counts as no.
pub fn ends_within(pid: i32, timeout: std::time::Duration) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return true };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
        return true;
    };
    let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let timeout =
        rustix::time::Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    rustix::event::poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// A descriptor that was handed to this process by its number: inherited, or received over a socket. It is made
/// close-on-exec. Each number may be asked for once.
pub fn inherited(fd: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: plain call; fails where there is no such descriptor.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is open, and by the contract above nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// waitpid for one child, and its peak of resident memory in bytes. That peak begins with what the program that called
/// exec had, so a large harness has to start what it weighs through a small one (getrusage(2)).
pub fn wait_with_peak(pid: i32) -> std::io::Result<(i32, u64)> {
    let mut status = 0;
    // SAFETY: both are ours; all zero is a valid rusage.
    let (got, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid, &mut status, 0, &mut usage), usage)
    };
    if got < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let code =
        if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    Ok((code, usage.ru_maxrss as u64 * 1024))
}

/// Marks every descriptor from `from` on as close-on-exec (close_range(2), CLOSE_RANGE_CLOEXEC, Linux 5.11).
pub fn close_on_exec_from(from: u32) -> std::io::Result<()> {
    // SAFETY: plain call.
    let r = unsafe { libc::syscall(libc::SYS_close_range, from, u32::MAX, 4u32) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Marks one descriptor so. One that is closed already is no error.
pub fn close_on_exec(fd: RawFd) -> std::io::Result<()> {
    // SAFETY: plain call; whatever the number means, only its flag changes.
    let r = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    let e = std::io::Error::last_os_error();
    if r < 0 && e.raw_os_error() != Some(libc::EBADF) { Err(e) } else { Ok(()) }
}

/// A new anonymous session keyring, so that the container cannot reach the caller's keys. A kernel without keys is no
/// error.
pub fn join_new_session_keyring() -> std::io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let r = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, core::ptr::null::<u8>()) };
    let e = std::io::Error::last_os_error();
    if r < 0 && e.raw_os_error() != Some(libc::ENOSYS) { Err(e) } else { Ok(()) }
}

/// Of this user namespace (user_namespaces(7)).
fn setgroups_is_denied() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|t| t.trim() == "deny")
}

/// setgroups, setgid and setuid for the calling task, by the raw system calls.
pub fn set_ids(uid: u32, gid: u32, groups: &[u32]) -> Result<(), (&'static str, std::io::Error)> {
    // SAFETY: plain calls; `groups` outlives its call.
    unsafe {
        if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) < 0 {
            let e = std::io::Error::last_os_error();
            // Where an ordinary user mapped the own id alone, groups stay as they are: nobody asked for others.
            if !(groups.is_empty() && e.raw_os_error() == Some(libc::EPERM) && setgroups_is_denied()) {
                return Err(("setgroups", e));
            }
        }
        if libc::syscall(libc::SYS_setgid, gid) < 0 {
            return Err(("setgid", std::io::Error::last_os_error()));
        }
        if libc::syscall(libc::SYS_setuid, uid) < 0 {
            return Err(("setuid", std::io::Error::last_os_error()));
        }
    }
    Ok(())
}

/// Whether this process is in a user namespace other than the first one: its map is not that of all ids to themselves.
pub fn in_user_namespace() -> bool {
    use std::io::Read;
    let mut map = [0u8; 64];
    let read = std::fs::File::open("/proc/self/uid_map").and_then(|mut f| f.read(&mut map));
    let n = read.unwrap_or(0);
    let words: Vec<&str> =
        std::str::from_utf8(&map[..n]).unwrap_or_default().split_ascii_whitespace().collect();
    n > 0 && words != ["0", "0", "4294967295"]
}

/// Whether this process has no power over the host: an ordinary user's, or root's in a user namespace.
pub fn is_rootless() -> bool {
    !rustix::process::geteuid().is_root() || in_user_namespace()
}

/// prlimit(2): sets a limit of another process. `resource`: RLIMIT_* of sys/resource.h.
pub fn set_limit_of(pid: i32, resource: u32, soft: u64, hard: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the new limit lives through the call; the old one is not asked for.
    let r = unsafe { libc::prlimit(pid, resource as _, &raw const limit, core::ptr::null_mut()) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets SIGPIPE end this process again, as Rust's start-up code has it ignored and an exec hands that on.
pub fn restore_sigpipe() {
    // SAFETY: the default action is no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Keeps permitted capabilities over a change of user id (PR_SET_KEEPCAPS).
pub fn keep_capabilities(on: bool) -> std::io::Result<()> {
    // SAFETY: plain call.
    let r = unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(on), 0, 0, 0) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Other processes without CAP_SYS_PTRACE cannot open this one's files in /proc, until the next exec
/// (PR_SET_DUMPABLE, proc(5)).
pub fn not_dumpable() -> std::io::Result<()> {
    // SAFETY: plain call.
    let r = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// No program executed from here on gains privileges (PR_SET_NO_NEW_PRIVS).
pub fn no_new_privileges() -> std::io::Result<()> {
    // SAFETY: plain call.
    let r = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// One BPF instruction, as in linux/filter.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Installs a seccomp filter for this thread (seccomp(2), SECCOMP_SET_MODE_FILTER). With
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER` the descriptor by which another process answers, close-on-exec.
pub fn install_seccomp(program: &[Instruction], flags: u64) -> std::io::Result<Option<OwnedFd>> {
    const NEW_LISTENER: u64 = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    let p = Program { len: program.len() as u16, filter: program.as_ptr() };
    // SAFETY: `p` and the program outlive the call; the kernel copies them.
    let r = unsafe { libc::syscall(libc::SYS_seccomp, 1u32, flags, &raw const p) };
    match i32::try_from(r) {
        Ok(fd) if fd >= 0 && flags & NEW_LISTENER != 0 => {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
        }
        Ok(0) => Ok(None),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// execve. Returns only on failure.
pub fn execute(
    program: &std::ffi::CStr,
    argv: &[std::ffi::CString],
    envp: &[std::ffi::CString],
) -> std::io::Error {
    let ptrs = |v: &[std::ffi::CString]| -> Vec<*const libc::c_char> {
        v.iter().map(|s| s.as_ptr()).chain([core::ptr::null()]).collect()
    };
    let (argv, envp) = (ptrs(argv), ptrs(envp));
    // SAFETY: NUL-terminated strings and null-terminated arrays that live until the call returns.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    std::io::Error::last_os_error()
}

/// Catches `signals` from now on, by a handler; they are passed on once [`forward_to`] has said to whom. A child made
/// meanwhile catches them too, until it executes a program.
pub fn catch_signals(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: the handler reads an atomic and calls kill, both async-signal-safe.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = forward as *const () as usize;
            libc::sigaction(signal, &action, core::ptr::null_mut());
        }
    }
}

/// When the thread that started this process ends, the process of [`forward_to`] is killed, and this one goes on, to
/// clean up after it. prctl(2): PR_SET_PDEATHSIG, with a signal that nobody else sends.
pub fn kill_with_parent() -> std::io::Result<()> {
    catch_signals(&[ORPHANED]);
    let signal = rustix::process::Signal::from_named_raw(ORPHANED);
    Ok(rustix::process::set_parent_process_death_signal(signal)?)
}

const ORPHANED: i32 = libc::SIGPWR;

/// Passes signals that are caught on to process `pid`, and those that came so far.
pub fn forward_to(pid: i32) {
    FORWARD_TO.store(pid, std::sync::atomic::Ordering::SeqCst);
    let waiting = WAITING.swap(0, std::sync::atomic::Ordering::SeqCst);
    for signal in (1..64).filter(|s| waiting >> s & 1 == 1) {
        // SAFETY: plain call.
        unsafe { libc::kill(pid, passed_on(signal)) };
    }
}

const fn passed_on(signal: i32) -> i32 {
    if signal == ORPHANED { libc::SIGKILL } else { signal }
}

static FORWARD_TO: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
/// A bit for each signal that came before it was known to whom it is to go.
static WAITING: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

extern "C" fn forward(signal: i32) {
    let to = FORWARD_TO.load(std::sync::atomic::Ordering::SeqCst);
    if to == 0 {
        WAITING.fetch_or(1 << signal, std::sync::atomic::Ordering::SeqCst);
    }
    if to > 0 {
        // SAFETY: async-signal-safe.
        unsafe { libc::kill(to, passed_on(signal)) };
    }
}

/// For PID 1: SIGCHLD interrupts what waits from now on, instead of being ignored.
pub fn wake_for_children() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: the handler does nothing; without SA_RESTART it only makes poll return.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGCHLD, &action, core::ptr::null_mut());
    }
}

/// For PID 1 and subreapers: reaps every ended child but those of `keep`, whose ends their owners wait for.
pub fn reap_others(keep: &[i32]) {
    loop {
        // SAFETY: `info` is ours; WNOWAIT leaves the child as it is until it is known which one it is.
        let pid = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            if libc::waitid(libc::P_ALL, 0, &mut info, flags) < 0 { 0 } else { info.si_pid() }
        };
        if pid == 0 || keep.contains(&pid) {
            return;
        }
        let _ = wait_for(pid);
    }
}

#[cfg(test)]
mod tests {
    use super::dies_with_us;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn a_program_dies_with_the_thread_that_started_it() {
        let start = || dies_with_us(Command::new("sleep").arg("5")).spawn().expect("sleep (coreutils)");
        let mut child = std::thread::spawn(start).join().expect("thread");
        assert_eq!(child.wait().expect("status").signal(), Some(libc::SIGKILL));
    }
}
