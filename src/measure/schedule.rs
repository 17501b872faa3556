//! Randomised complete blocks: each block runs every (target, workload) once, in an order of its own, so that drift of
//! the host hits all alike.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// One place in the plan: indices into its targets and workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Index of the target.
    pub target: usize,
    /// Index of the workload.
    pub workload: usize,
}

/// The order of block `block` (from 1). A function of the seed and the block alone, so that a plan can be resumed or
/// divided without running what came before.
pub fn block_order(seed: u64, block: u32, targets: usize, workloads: usize) -> Vec<Slot> {
    let mut slots: Vec<Slot> = (0..targets)
        .flat_map(|target| (0..workloads).map(move |workload| Slot { target, workload }))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(block));
    // Fisher and Yates; written out, because the order that a library's shuffle gives may change with its version.
    for i in (1..slots.len()).rev() {
        slots.swap(i, below(&mut rng, i as u64 + 1) as usize);
    }
    slots
}

/// Uniform in 0..n without modulo bias (Lemire 2019, doi:10.1145/3230636).
fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    loop {
        let wide = u128::from(rng.next_u64()) * u128::from(n);
        if wide as u64 >= n.wrapping_neg() % n {
            return (wide >> 64) as u64;
        }
    }
}

/// By how many bytes the environment of a block is longer, 0 to `most`: the same for all of its runs, so that they stay
/// comparable, and another in each block, so that a lucky or unlucky placement of the stack is not taken for a target's own.
pub fn env_pad(seed: u64, block: u32, most: u32) -> u32 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // A stream that no block's order uses.
    rng.set_stream(u64::from(block) | 1 << 40);
    below(&mut rng, u64::from(most) + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_differ_from_block_to_block_and_stay_below_the_most() {
        let pads: Vec<u32> = (1..200).map(|block| env_pad(7, block, 4096)).collect();
        assert!(
            pads.iter().all(|p| *p <= 4096)
                && pads.iter().any(|p| *p > 3500)
                && pads.iter().any(|p| *p < 500)
        );
        assert_eq!(env_pad(7, 3, 4096), pads[2]);
        assert_eq!(env_pad(7, 3, 0), 0);
    }

    #[test]
    fn a_block_holds_every_pair_once() {
        let mut order = block_order(7, 3, 3, 4);
        order.sort();
        order.dedup();
        assert_eq!(order.len(), 12);
    }

    #[test]
    fn the_order_is_fixed_by_seed_and_block() {
        assert_eq!(block_order(1, 1, 3, 3), block_order(1, 1, 3, 3));
        assert_ne!(block_order(1, 1, 3, 3), block_order(1, 2, 3, 3));
        assert_ne!(block_order(1, 1, 3, 3), block_order(2, 1, 3, 3));
        let first = block_order(42, 1, 3, 1).iter().map(|s| s.target).collect::<Vec<_>>();
        assert_eq!(first, block_order(42, 1, 3, 1).iter().map(|s| s.target).collect::<Vec<_>>());
    }

    #[test]
    fn every_place_is_equally_likely() {
        // 6,000 blocks of three: each target comes first 2,000 times, give or take five standard deviations (36.5).
        let mut first = [0u32; 3];
        for block in 1..=6000 {
            first[block_order(9, block, 3, 1)[0].target] += 1;
        }
        for n in first {
            assert!((1817..=2183).contains(&n), "{first:?}");
        }
    }
}
