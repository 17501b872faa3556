//! What a restored machine has to be told: it believes that it is still the hour it was saved in, and its random numbers
//! would be those of every other machine restored from the same state.

use super::error::{GuestError, failed};
use crate::sys::random;
use rustix::time::{ClockId, Timespec, clock_settime};

/// Sets the clock, and mixes `seed` into the kernel's random numbers.
pub(super) fn resume(realtime_ns: u64, seed: &[u8; 32]) -> Result<(), GuestError> {
    let now = Timespec {
        tv_sec: (realtime_ns / 1_000_000_000) as i64,
        tv_nsec: (realtime_ns % 1_000_000_000) as i64,
    };
    clock_settime(ClockId::Realtime, now).map_err(failed("set", "the clock"))?;
    random::reseed(seed).map_err(failed("seed", "/dev/urandom"))
}
