//! `memory`: bandwidth of sequential writes and reads, and how many dependent random reads a second go through.

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds unless told.
pub const ROUNDS: u64 = 2;
/// Larger than most last caches, small enough for a guest of 256 MiB.
const BYTES: usize = 64 << 20;
/// A power of two, for the generator's full period.
const WORDS: usize = BYTES / size_of::<u64>();
/// Random reads in a round.
const JUMPS: usize = 250_000;

/// Multiplier = 1 mod 4 and an odd increment: x -> a x + c goes through all of 2^n (Hull and Dobell 1962). Multiplier
/// from Knuth's MMIX, The Art of Computer Programming 2, 3.3.4.
fn successor(i: u64) -> u64 {
    i.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) & (WORDS as u64 - 1)
}

/// Does `rounds` of it and tells lines.
pub fn run(rounds: u64) -> String {
    // Touched once before the clock starts: the cost of the first touch is not bandwidth.
    let mut words: Vec<u64> = (0..WORDS as u64).map(successor).collect();
    let (mut write, mut read, mut jump) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut sum, mut at) = (0u64, 0u64);
    for round in 1..=rounds {
        let from = Instant::now();
        words.fill(black_box(round));
        black_box(&mut words);
        write += from.elapsed();

        let from = Instant::now();
        sum = sum.wrapping_add(black_box(&words).iter().fold(0, |s: u64, w| s.wrapping_add(*w)));
        read += from.elapsed();

        words.iter_mut().zip(0u64..).for_each(|(w, i)| *w = successor(i));
        let from = Instant::now();
        for _ in 0..JUMPS {
            at = words[at as usize];
        }
        jump += from.elapsed();
    }
    let mib = (BYTES >> 20) as f64 * rounds as f64;
    let mut told = format!("checksum {sum:016x} {at:016x}\n");
    let rate = super::per_second(JUMPS as f64 * rounds as f64, jump);
    let _ = writeln!(told, "rate {rate:.0}");
    let _ = writeln!(
        told,
        "write_rate {:.3}\nread_rate {:.3}",
        super::per_second(mib, write),
        super::per_second(mib, read)
    );
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_jumps_does_not_close_early() {
        let mut at = 0;
        let length = (1..).find(|_| {
            at = successor(at);
            at == 0
        });
        assert_eq!(length, Some(WORDS));
    }

    #[test]
    fn the_sum_is_that_of_what_was_written() {
        let told = run(2);
        let sum = WORDS as u64 * 3;
        assert!(told.starts_with(&format!("checksum {sum:016x} ")), "{told}");
    }
}
