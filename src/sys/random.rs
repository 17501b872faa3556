//! Gives the kernel randomness from outside.

use std::fs::File;
use std::os::fd::AsRawFd;

/// struct rand_pool_info of linux/random.h with 32 bytes.
#[repr(C)]
struct Pool {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    seed: [u8; 32],
}

/// _IOW('R', 0x03, int[2]) of linux/random.h: add to the pool and credit.
const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
/// _IO('R', 0x07): make a new key for the generator from the pool, at once.
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;

/// Mixes `seed`, which nobody else knows, into the pool and makes the generator use it. Needs CAP_SYS_ADMIN.
pub fn reseed(seed: &[u8; 32]) -> std::io::Result<()> {
    let device = File::options().write(true).open("/dev/urandom")?;
    let pool = Pool { entropy_bits: 256, bytes: 32, seed: *seed };
    let done = |result: libc::c_int| if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) };
    // SAFETY: the descriptor is open; the kernel reads a rand_pool_info with as many bytes as it says, and keeps none.
    done(unsafe { libc::ioctl(device.as_raw_fd(), RNDADDENTROPY, &raw const pool) })?;
    // SAFETY: the descriptor is open; this request has no argument.
    done(unsafe { libc::ioctl(device.as_raw_fd(), RNDRESEEDCRNG) })
}
