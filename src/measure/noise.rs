//! How busy the host was, beside a run; and waiting until it is quiet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one look at the host takes: ten ticks of the kernel's accounting.
const LOOK: Duration = Duration::from_millis(100);
/// CPUs that others may keep busy, and share of time that may be stolen, on a quiet host.
const BUSY_CPUS: f64 = 0.3;
const STOLEN: f64 = 0.05;

/// One-minute load average.
pub fn load1() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0.0)
}

/// Steal time of all CPUs since boot, milliseconds.
pub fn steal_ms() -> f64 {
    Ticks::now().steal * 10.0
}

/// Time of all CPUs since boot by kind, in USER_HZ, which is 100 on every Linux (proc(5), `cpu` in /proc/stat).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Ticks {
    busy: f64,
    idle: f64,
    steal: f64,
    cpus: usize,
    /// Times that a core was slowed down for its heat, where the kernel counts them.
    throttled: u64,
}

impl Ticks {
    fn now() -> Self {
        let mut ticks = Self::parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default());
        ticks.throttled = (0..ticks.cpus)
            .filter_map(|cpu| {
                let path = format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count");
                std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
            })
            .sum();
        ticks
    }

    /// `cpu user nice system idle iowait irq softirq steal …`
    fn parse(stat: &str) -> Self {
        let Some(line) = stat.lines().next() else { return Self::default() };
        let n: Vec<f64> = line.split_whitespace().skip(1).filter_map(|w| w.parse().ok()).collect();
        let at = |i: usize| n.get(i).copied().unwrap_or(0.0);
        let cpus = stat.lines().skip(1).filter(|l| l.starts_with("cpu")).count();
        let busy = at(0) + at(1) + at(2) + at(5) + at(6);
        Self { busy, idle: at(3) + at(4), steal: at(7), cpus, throttled: 0 }
    }

    /// What was not quiet between two looks, or nothing.
    fn noise_since(&self, before: &Self) -> Option<String> {
        let (busy, idle, steal) =
            (self.busy - before.busy, self.idle - before.idle, self.steal - before.steal);
        let all = (busy + idle + steal).max(1.0);
        let busy_cpus = busy / all * self.cpus as f64;
        if self.throttled > before.throttled {
            return Some("a core was throttled".into());
        }
        if steal / all > STOLEN {
            return Some(format!("{:.0} % of the time was stolen", steal / all * 100.0));
        }
        (busy_cpus > BUSY_CPUS).then(|| format!("others kept {busy_cpus:.1} CPUs busy"))
    }
}

/// A wait before a block.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wait {
    /// How long, milliseconds; 0 where the host was quiet at once.
    pub ms: f64,
    /// What was not quiet when first looked at.
    pub why: String,
}

/// Waits until others leave the host alone, at most `limit`.
pub fn wait_until_quiet(limit: Duration, interrupted: &AtomicBool) -> Wait {
    let from = Instant::now();
    let mut wait = Wait::default();
    let mut before = Ticks::now();
    while from.elapsed() + LOOK <= limit && !interrupted.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        let now = Ticks::now();
        let Some(noise) = now.noise_since(&before) else { break };
        if wait.why.is_empty() {
            wait.why = noise;
        }
        wait.ms = from.elapsed().as_secs_f64() * 1000.0;
        before = now;
    }
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(busy: u32, idle: u32, steal: u32) -> Ticks {
        Ticks::parse(&format!("cpu {busy} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1\ncpu1 1\nintr 5\n"))
    }

    #[test]
    fn noise_is_told_by_its_kind() {
        let before = ticks(1000, 1000, 10);
        assert_eq!(ticks(1002, 1018, 10).noise_since(&before), None);
        assert_eq!(ticks(1010, 1010, 10).noise_since(&before).as_deref(), Some("others kept 1.0 CPUs busy"));
        assert_eq!(
            ticks(1000, 1015, 15).noise_since(&before).as_deref(),
            Some("25 % of the time was stolen")
        );
        let hot = Ticks { throttled: 1, ..before };
        assert_eq!(hot.noise_since(&before).as_deref(), Some("a core was throttled"));
    }

    #[test]
    fn a_wait_has_an_end() {
        let from = Instant::now();
        wait_until_quiet(Duration::from_millis(250), &AtomicBool::new(false));
        assert!(from.elapsed() < Duration::from_secs(5));
        assert_eq!(wait_until_quiet(Duration::ZERO, &AtomicBool::new(false)), Wait::default());
    }
}
