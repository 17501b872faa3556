//! `syscall`: how many of the cheapest system calls a second go through.

use std::hint::black_box;
use std::time::Instant;

/// Calls unless told.
pub const CALLS: u64 = 500_000;

/// Calls per second of getppid(2), which does nothing in the kernel but read a field, and which no library caches.
pub fn run(calls: u64) -> f64 {
    let from = Instant::now();
    for _ in 0..calls {
        black_box(rustix::process::getppid());
    }
    super::per_second(calls as f64, from.elapsed())
}
