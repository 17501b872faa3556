//! A blob that comes in drops: each drop is in time, and all of it would take for ever.

use std::time::{Duration, Instant};

/// Slower than the slowest line that anybody would move images over.
const LEAST_BYTES_PER_S: f64 = 1024.0;

/// Watches how quickly bytes move.
pub(super) struct Pace {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    /// Of a transfer that begins. `idle`: how long nothing at all may move; four times as long is looked at as a whole.
    pub fn new(idle: Duration) -> Self {
        Self { window: idle.saturating_mul(4), since: Instant::now(), bytes: 0 }
    }

    /// So many bytes more; an error where they came too slowly for a whole window.
    pub fn moved(&mut self, bytes: usize) -> std::io::Result<()> {
        self.bytes += bytes as u64;
        let took = self.since.elapsed();
        if took < self.window {
            return Ok(());
        }
        let rate = self.bytes as f64 / took.as_secs_f64();
        (self.since, self.bytes) = (Instant::now(), 0);
        if rate < LEAST_BYTES_PER_S {
            let why = format!("it moves at {rate:.0} bytes a second only");
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_too_slow_and_a_flood_is_not() {
        let mut drops = Pace::new(Duration::from_millis(10));
        let begun = Instant::now();
        let told = loop {
            if let Err(e) = drops.moved(1) {
                break e;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(told.to_string().contains("bytes a second only"), "{told}");
        assert!(begun.elapsed() >= Duration::from_millis(40), "it was given no time");
        let mut flood = Pace::new(Duration::from_millis(1));
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
            flood.moved(1 << 20).expect("quick enough");
        }
    }
}
