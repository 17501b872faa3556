//! The clone3 system call, which no library wraps.

/// linux/sched.h
pub(super) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args` of linux/sched.h, version 2 (88 bytes).
#[repr(C)]
#[derive(Default)]
pub(super) struct CloneArgs {
    pub(super) flags: u64,
    pub(super) pidfd: u64,
    pub(super) child_tid: u64,
    pub(super) parent_tid: u64,
    pub(super) exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    pub(super) tls: u64,
    pub(super) set_tid: u64,
    pub(super) set_tid_size: u64,
    pub(super) cgroup: u64,
}

impl CloneArgs {
    /// For a child that is held by a pidfd, told of by SIGCHLD, and born in the v2 folder `cgroup` if there is one.
    pub(super) fn child(flags: u64, pidfd: *mut i32, cgroup: Option<i32>) -> Self {
        let into = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
        Self {
            flags: flags | libc::CLONE_PIDFD as u64 | into,
            pidfd: pidfd as u64,
            exit_signal: libc::SIGCHLD as u64,
            cgroup: cgroup.unwrap_or(0) as u64,
            ..Self::default()
        }
    }
}

/// clone3 with a stack of the child's own, on which it calls `entry(arg)`. Returns the pid, or minus errno.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone3_call(
    args: &CloneArgs,
    entry: extern "C" fn(*mut libc::c_void) -> !,
    arg: *mut libc::c_void,
) -> i64 {
    let ret: i64;
    // SAFETY: the child starts with rsp at the top of the stack given in `args` and goes straight to `entry`, which
    // never returns; the parent only sees rax, rcx and r11 changed.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "and rsp, -16",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            in("r12") arg,
            in("r13") entry,
            inlateout("rax") libc::SYS_clone3 => ret,
            in("rdi") args as *const CloneArgs,
            in("rsi") size_of::<CloneArgs>(),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    ret
}

/// As above.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn clone3_call(
    args: &CloneArgs,
    entry: extern "C" fn(*mut libc::c_void) -> !,
    arg: *mut libc::c_void,
) -> i64 {
    let ret: i64;
    // SAFETY: as on x86_64; x8 holds the number of the call.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, {arg}",
            "blr {entry}",
            "brk 1",
            "2:",
            arg = in(reg) arg,
            entry = in(reg) entry,
            inlateout("x0") args as *const CloneArgs as i64 => ret,
            in("x1") size_of::<CloneArgs>(),
            in("x8") libc::SYS_clone3,
            out("x30") _,
        );
    }
    ret
}
