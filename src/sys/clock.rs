//! CLOCK_MONOTONIC, the one clock of a run.

/// Nanoseconds of CLOCK_MONOTONIC. The same clock in every process of this host, so stamps of a child compare.
pub fn monotonic_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
