//! Scheduling and I/O priority of the calling process.

/// `struct sched_attr` of linux/sched/types.h, version 0.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedAttr {
    /// Of this structure; filled in by [`set_attributes`].
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: i32,
    /// For `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// For `SCHED_DEADLINE`, nanoseconds, as the next two.
    pub runtime: u64,
    /// See above.
    pub deadline: u64,
    /// See above.
    pub period: u64,
}

/// sched_setattr(2) for this process.
pub fn set_attributes(mut attributes: SchedAttr) -> std::io::Result<()> {
    attributes.size = size_of::<SchedAttr>() as u32;
    // SAFETY: the structure lives through the call and says its own size.
    let r = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0u32) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// ioprio_set(2) for this process: `class` as IOPRIO_CLASS_* of linux/ioprio.h, `level` 0 to 7.
pub fn set_io_priority(class: u16, level: u16) -> std::io::Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    const IOPRIO_CLASS_SHIFT: u16 = 13;
    let value = i32::from(class << IOPRIO_CLASS_SHIFT | level);
    // SAFETY: plain call.
    let r = unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// sched_setaffinity(2) for this process.
pub fn set_affinity(cpus: &[usize]) -> std::io::Result<()> {
    // SAFETY: an all-zero set is valid; CPU_SET checks its index against the size of the set.
    let r = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &cpu in cpus.iter().filter(|c| **c < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
