//! Permutation tests on means, and the correction for asking many questions at once.

use super::random::Random;

/// Up to so many differences every assignment of signs is tried.
const EXACT: usize = 16;

/// Fisher's randomisation test of paired differences ("The Design of Experiments", 1935, section 21), two-sided: the
/// share of sign assignments whose sum is at least as far from zero as the one seen. All of them up to 16 differences;
/// above, `resamples` drawn from `seed`, the one seen counted with them (Phipson and Smyth, "Permutation P-values Should
/// Never Be Zero", 2010). 1 of nothing.
pub fn paired_permutation(differences: &[f64], resamples: usize, seed: u64) -> f64 {
    let n = differences.len();
    let seen = differences.iter().sum::<f64>().abs();
    let size: f64 = differences.iter().map(|d| d.abs()).sum();
    // Sums in another order differ in their last digits.
    let far = |sum: f64| sum.abs() >= seen - size * 1e-12;
    if n == 0 {
        return 1.0;
    }
    if n <= EXACT {
        let signed = |bits: u32| -> f64 {
            differences.iter().enumerate().map(|(i, d)| if bits >> i & 1 == 1 { -d } else { *d }).sum()
        };
        let all = 1_u32 << n;
        return (0..all).filter(|bits| far(signed(*bits))).count() as f64 / f64::from(all);
    }
    let mut random = Random::new(seed);
    let hits = (0..resamples)
        .filter(|_| far(differences.iter().map(|d| if random.coin() { -d } else { *d }).sum()))
        .count();
    (hits + 1) as f64 / (resamples + 1) as f64
}

/// Holm's step-down correction ("A Simple Sequentially Rejective Multiple Test Procedure", 1979): p values adjusted so
/// that calling all below 5 % gives one false alarm or more in at most 5 % of reports, however the questions hang
/// together. In the order given.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest: f64 = 0.0;
    for (place, at) in order.into_iter().enumerate() {
        highest = highest.max(p_values[at] * (p_values.len() - place) as f64).min(1.0);
        adjusted[at] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Darwin's maize, differences in height of 15 pairs of crossed and self-fertilised plants, in eighths of an inch. Fisher
    /// (1935, section 21): 863 of 32,768 assignments of signs give a sum at least as great, 1,726 counting both sides.
    #[test]
    fn darwins_maize_has_fishers_figure() {
        let d = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48].map(f64::from);
        assert_eq!(paired_permutation(&d, 0, 0), 1726.0 / 32768.0);
        let drawn = paired_permutation(&[&d[..], &[0.0, 0.0]].concat(), 100_000, 4);
        assert!((drawn - 1726.0 / 32768.0).abs() < 0.003, "{drawn}");
    }

    /// R 4.2, documentation of p.adjust and by hand: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
    #[test]
    fn holms_correction_is_that_of_r() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert_eq!(holm(&[]), [0.0; 0]);
    }
}
