//! CLOCK_MONOTONIC, the one clock of a run.

/// Nanoseconds of CLOCK_MONOTONIC. The same clock in every process of this host, so stamps of a child compare.
pub fn monotonic_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Rate of the processor's time-stamp counter in kHz, against CLOCK_MONOTONIC over 50 ms: good to about 20 ppm.
#[cfg(target_arch = "x86_64")]
pub fn tsc_khz() -> u64 {
    let both = || {
        let before = monotonic_ns();
        // SAFETY: reads a register.
        let tsc = unsafe { std::arch::x86_64::_rdtsc() };
        (before + (monotonic_ns() - before) / 2, tsc)
    };
    let (ns, tsc) = both();
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (later_ns, later_tsc) = both();
    let (ns, tsc) = (later_ns - ns, later_tsc - tsc);
    (u128::from(tsc) * 1_000_000 / u128::from(ns.max(1))) as u64
}
