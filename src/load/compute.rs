//! `cpu`: integers (SHA-256) and floating point (the logistic map), no memory to speak of and no system calls.

use super::sha256;
use std::hint::black_box;
use std::time::Instant;

/// Rounds unless told: some 50 ms natively, a million times the clock's resolution.
pub const ROUNDS: u64 = 600;
/// Bytes hashed in a round: fits the first cache of any processor.
const BYTES: usize = 16 << 10;
/// Steps of the map in a round: few, since an emulator without hardware floating point is some thirty times slower at them.
const STEPS: usize = 2 << 10;

/// What came out.
pub struct Done {
    /// The same on every machine: the operations are IEEE 754's exact ones, without fused steps.
    pub checksum: String,
    /// Rounds per second.
    pub rate: f64,
}

/// Does `rounds` of it. Each round depends on the one before: none can be left out or done beside another.
pub fn run(rounds: u64) -> Done {
    let mut buffer = vec![0u8; BYTES];
    let mut x = 0.4f64;
    let from = Instant::now();
    for _ in 0..rounds {
        let digest = sha256::digest(black_box(&buffer));
        for _ in 0..STEPS {
            x = 3.99 * x * (1.0 - x);
        }
        buffer[..32].copy_from_slice(&digest);
        buffer[32..40].copy_from_slice(&x.to_bits().to_be_bytes());
    }
    let took = from.elapsed();
    Done { checksum: hex::encode(sha256::digest(&buffer)), rate: super::per_second(rounds as f64, took) }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn the_checksum_depends_on_the_rounds_alone() {
        let (a, b) = (run(3), run(3));
        assert_eq!(a.checksum, b.checksum);
        assert_ne!(a.checksum, run(4).checksum);
        assert!(a.rate.is_finite() && a.rate > 0.0);
    }
}
