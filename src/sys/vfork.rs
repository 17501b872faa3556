//! A child in new namespaces that runs on this process's memory while the thread that made it stands still.
//!
//! A fork copies page tables, and then both sides fault on whatever they touch; here nothing is copied. The child is that
//! thread as far as memory is concerned, its place in the C library and the locks that it holds included; other threads
//! of the process go on, and lock against it as against the thread.

use super::clone3::{CloneArgs, clone3_call};
use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What the child runs; it gets its process id, as the caller sees it.
pub type Body<'a> = &'a mut dyn FnMut(i32) -> Infallible;

const STACK: usize = 1 << 20;
const GUARD: usize = 64 << 10;

/// clone3 with `flags` (CLONE_NEW*), CLONE_VM and CLONE_VFORK: `body` runs in the child, on a stack of its own, and this
/// thread goes on when the child has executed a program or ended. Descriptors, working directory, signal handlers and
/// ids are the child's own; memory is one, so what `body` leaves in it is there afterwards. With `cgroup`, a v2 folder,
/// the child is born in it. The child's pid, and a descriptor for it.
///
/// What other threads do with descriptors after the clone, the child does not see.
pub fn run(flags: u64, cgroup: Option<RawFd>, body: Body) -> std::io::Result<(i32, OwnedFd)> {
    let stack = Stack::new()?;
    let (mut pidfd, mut pid): (RawFd, i32) = (-1, 0);
    let shared = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID) as u64;
    let mut args = CloneArgs::child(flags | shared, &raw mut pidfd, cgroup);
    args.parent_tid = &raw mut pid as u64;
    (args.stack, args.stack_size) = (stack.0 as u64 + GUARD as u64, STACK as u64);
    let mut plan = Plan { body, pid: &raw const pid };
    // SAFETY: the child gets a stack that outlives it, as CLONE_VFORK holds this thread until the child has executed a
    // program or ended; so it is alone with `plan` and all else that is this thread's. It goes on with this thread's
    // thread pointer, so the C library's locks, which know threads by it or not at all, hold between it and others.
    let got = unsafe { clone3_call(&args, child, (&raw mut plan).cast()) };
    if got < 0 {
        return Err(std::io::Error::from_raw_os_error(-got as i32));
    }
    // SAFETY: the kernel stored a fresh descriptor there, which nothing else owns.
    Ok((got as i32, unsafe { OwnedFd::from_raw_fd(core::ptr::read_volatile(&raw const pidfd)) }))
}

/// In the child: closes its copy of a descriptor that stays open in the process it was cloned from.
pub fn close_copy(fd: BorrowedFd) {
    // SAFETY: whoever owns it owns it in the other table of descriptors; nobody uses it in this one any more.
    unsafe { libc::close(fd.as_raw_fd()) };
}

struct Plan<'a> {
    body: Body<'a>,
    pid: *const i32,
}

extern "C" fn child(arg: *mut libc::c_void) -> ! {
    // SAFETY: `arg` is the Plan on the frame of the parent, which is held until we are gone; the kernel has stored our
    // pid there before we ran (CLONE_PARENT_SETTID, clone(2)).
    let (plan, pid) = unsafe {
        let plan = &mut *arg.cast::<Plan>();
        let pid = plan.pid.read_volatile();
        (plan, pid)
    };
    match (plan.body)(pid) {}
}

/// Memory for a stack, with a part below it that may not be touched.
struct Stack(*mut libc::c_void);

impl Stack {
    fn new() -> std::io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new memory, of which nobody knows yet; the guard lies in it.
        unsafe {
            let all = libc::mmap(core::ptr::null_mut(), GUARD + STACK, protection, flags, -1, 0);
            if all == libc::MAP_FAILED {
                return Err(std::io::Error::last_os_error());
            }
            let stack = Self(all);
            if libc::mprotect(all, GUARD, libc::PROT_NONE) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(stack)
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped above with this size, and whoever ran on it has ended or executed a program.
        unsafe { libc::munmap(self.0, GUARD + STACK) };
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::process::{exit_now, wait_for};
    use std::sync::OnceLock;

    /// The child waits for another thread, which goes on while the one that made it stands still.
    #[test]
    fn other_threads_go_on() {
        let (asked, answer) = (OnceLock::new(), OnceLock::new());
        let (pid, _) = std::thread::scope(|scope| {
            scope.spawn(|| answer.set(asked.wait() + 1));
            let mut body = |pid| {
                let _ = asked.set(pid);
                exit_now(if *answer.wait() == pid + 1 { 7 } else { 1 })
            };
            super::run(0, None, &mut body).expect("clone")
        });
        assert_eq!(asked.get(), Some(&pid));
        assert_eq!(wait_for(pid).expect("wait"), Some(7));
    }
}
