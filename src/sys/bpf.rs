//! bpf(2), as far as programs of device cgroups need it.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One instruction of eBPF, as in linux/bpf.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ebpf {
    /// Operation.
    pub code: u8,
    /// Destination in the low four bits, source in the high ones.
    pub registers: u8,
    /// Distance of a jump, or offset of a load.
    pub offset: i16,
    /// Operand.
    pub immediate: i32,
}

// linux/bpf.h: enum bpf_cmd, bpf_prog_type, bpf_attach_type, flags.
const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const PROG_QUERY: i32 = 16;
const TYPE_CGROUP_DEVICE: u64 = 15;
const ATTACH_CGROUP_DEVICE: u64 = 6;
const ALLOW_MULTI: u64 = 2;

/// Name of our programs (BPF_OBJ_NAME_LEN), by which they are told from those of others, such as systemd's.
const NAME: [u8; 16] = *b"tarec_devices\0\0\0";

/// `union bpf_attr`, as words; 120 bytes are more than any command here needs, and the rest is zero.
type Attributes = [u64; 15];

fn bpf(command: i32, attributes: &mut Attributes) -> std::io::Result<i64> {
    // SAFETY: the attributes are ours and zero where unused; pointers in them outlive the call, see the callers.
    let r =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of::<Attributes>()) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(r) }
}

fn pair(low: u32, high: u32) -> u64 {
    // Two u32 fields beside each other, in the order of this machine's bytes (all targets are little endian).
    u64::from(low) | u64::from(high) << 32
}

/// Loads a program that decides on the use of devices.
pub fn load_device_program(program: &[Ebpf]) -> std::io::Result<OwnedFd> {
    let mut a: Attributes = [0; 15];
    a[0] = TYPE_CGROUP_DEVICE | (program.len() as u64) << 32;
    a[1] = program.as_ptr() as u64;
    a[2] = c"Apache-2.0".as_ptr() as u64;
    let halves = NAME.as_chunks::<8>().0;
    (a[6], a[7]) = (u64::from_ne_bytes(halves[0]), u64::from_ne_bytes(halves[1]));
    let fd = bpf(PROG_LOAD, &mut a)?;
    // SAFETY: the kernel returned a fresh descriptor, close-on-exec by itself.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Attaches it to a v2 cgroup, beside those that are there.
pub fn attach_device_program(cgroup: BorrowedFd, program: BorrowedFd) -> std::io::Result<()> {
    let mut a: Attributes = [0; 15];
    a[0] = pair(cgroup.as_raw_fd() as u32, program.as_raw_fd() as u32);
    a[1] = ATTACH_CGROUP_DEVICE | ALLOW_MULTI << 32;
    bpf(PROG_ATTACH, &mut a).map(drop)
}

/// Takes one away.
pub fn detach_device_program(cgroup: BorrowedFd, program: BorrowedFd) -> std::io::Result<()> {
    let mut a: Attributes = [0; 15];
    a[0] = pair(cgroup.as_raw_fd() as u32, program.as_raw_fd() as u32);
    a[1] = ATTACH_CGROUP_DEVICE;
    bpf(PROG_DETACH, &mut a).map(drop)
}

/// Whether it was loaded by us.
fn is_ours(program: &OwnedFd) -> std::io::Result<bool> {
    // struct bpf_prog_info up to its name, which begins at byte 64.
    let mut info = [0u8; 80];
    let mut a: Attributes = [0; 15];
    a[0] = pair(program.as_raw_fd() as u32, info.len() as u32);
    a[1] = info.as_mut_ptr() as u64;
    bpf(OBJ_GET_INFO_BY_FD, &mut a)?;
    Ok(info[64..] == NAME)
}

/// Ours that are attached to a cgroup itself.
pub fn device_programs(cgroup: BorrowedFd) -> std::io::Result<Vec<OwnedFd>> {
    let mut ids = [0u32; 64];
    let mut a: Attributes = [0; 15];
    a[0] = cgroup.as_raw_fd() as u64 | ATTACH_CGROUP_DEVICE << 32;
    a[2] = ids.as_mut_ptr() as u64;
    a[3] = ids.len() as u64;
    bpf(PROG_QUERY, &mut a)?;
    let count = (a[3] as u32 as usize).min(ids.len());
    let mut ours = Vec::new();
    for id in &ids[..count] {
        let mut a: Attributes = [0; 15];
        a[0] = u64::from(*id);
        let fd = bpf(PROG_GET_FD_BY_ID, &mut a)?;
        // SAFETY: as above.
        let program = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
        if is_ours(&program)? {
            ours.push(program);
        }
    }
    Ok(ours)
}
