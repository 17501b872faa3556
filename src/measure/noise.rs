//! How busy the host was, beside a run.

/// One-minute load average.
pub fn load1() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0.0)
}

/// Steal time of all CPUs since boot, milliseconds (proc(5): eighth figure of `cpu` in /proc/stat, in USER_HZ, which is
/// 100 on every Linux).
pub fn steal_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let cpu = text.lines().next().unwrap_or_default();
    cpu.split_whitespace().nth(8).and_then(|w| w.parse::<f64>().ok()).unwrap_or(0.0) * 10.0
}
