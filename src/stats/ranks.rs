//! Ranks, and the exact tests on them.

use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::BTreeMap;

/// Above so many values the normal limit stands in for the exact distribution.
const EXACT_PAIRS: usize = 200;
const EXACT_SAMPLES: usize = 60;

/// Ranks from 1, ties sharing their mean.
pub fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let same = |at: &usize| values[order[*at]] == values[order[from]];
        let to = (from..order.len()).take_while(same).count() + from;
        for at in from..to {
            ranks[order[at]] = (from + to + 1) as f64 / 2.0;
        }
        from = to;
    }
    ranks
}

/// Wilcoxon's signed-rank test (1945), two-sided: the paired permutation test with ranks for its statistic, so that one
/// outlier cannot hide a shift. The chance, were the sign of each difference a coin's throw, of a rank sum at least as
/// far from its mean as the one seen. Exact, with ties, up to 200 differences; the normal limit with correction for
/// continuity above. Zero differences say nothing and are left out. 1 of nothing.
pub fn signed_rank(differences: &[f64]) -> f64 {
    let told: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if told.is_empty() {
        return 1.0;
    }
    let ranks = mid_ranks(&told.iter().map(|d| d.abs()).collect::<Vec<_>>());
    // Mid-ranks are halves: doubled, they are whole numbers to count with.
    let doubled: Vec<usize> = ranks.iter().map(|r| (r * 2.0) as usize).collect();
    let total: usize = doubled.iter().sum();
    let plus: usize = doubled.iter().zip(&told).filter(|(_, d)| **d > 0.0).map(|(r, _)| r).sum();
    let low = plus.min(total - plus);
    if told.len() > EXACT_PAIRS {
        let variance: f64 = ranks.iter().map(|r| r * r).sum::<f64>() / 4.0;
        return limit(total as f64 / 4.0 - low as f64 / 2.0, variance);
    }
    // share[s]: chance of a doubled rank sum s, rank by rank.
    let mut share = vec![0.0; total + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for rank in doubled {
        reached += rank;
        for s in (0..=reached).rev() {
            let with = if s >= rank { share[s - rank] } else { 0.0 };
            share[s] = (share[s] + with) / 2.0;
        }
    }
    (2.0 * share[..=low].iter().sum::<f64>()).min(1.0)
}

/// The rank-sum test of Wilcoxon (1945) and Mann and Whitney (1947), two-sided: the two-sample permutation test on
/// ranks. Exact, with ties, up to 60 values in each sample; the normal limit with corrections for ties and continuity
/// above. 1 where a sample is empty.
pub fn rank_sum(base: &[f64], new: &[f64]) -> f64 {
    if base.is_empty() || new.is_empty() {
        return 1.0;
    }
    let ranks = mid_ranks(&[base, new].concat());
    let (n, m) = (base.len(), new.len());
    let seen: f64 = ranks[..n].iter().sum();
    let mean = n as f64 * (n + m + 1) as f64 / 2.0;
    let distance = (seen - mean).abs();
    if n.max(m) > EXACT_SAMPLES {
        let centre = (n + m + 1) as f64 / 2.0;
        let spread: f64 = ranks.iter().map(|r| (r - centre).powi(2)).sum();
        return limit(distance, (n * m) as f64 * spread / ((n + m) * (n + m - 1)) as f64);
    }
    // ways[k]: doubled sums of k of the ranks, with the number of ways to them.
    let mut ways: Vec<BTreeMap<usize, f64>> = vec![BTreeMap::new(); n + 1];
    ways[0].insert(0, 1.0);
    for rank in ranks.iter().map(|r| (r * 2.0) as usize) {
        for k in (1..=n).rev() {
            let fewer: Vec<(usize, f64)> = ways[k - 1].iter().map(|(s, w)| (s + rank, *w)).collect();
            for (sum, w) in fewer {
                *ways[k].entry(sum).or_default() += w;
            }
        }
    }
    let all: f64 = ways[n].values().sum();
    let far = |sum: usize| (sum as f64 / 2.0 - mean).abs() >= distance - 1e-9;
    ways[n].iter().filter(|(s, _)| far(**s)).map(|(_, w)| w).sum::<f64>() / all
}

/// Chance of a rank sum at least `distance` from its mean, in the normal limit with correction for continuity.
fn limit(distance: f64, variance: f64) -> f64 {
    if variance == 0.0 {
        return 1.0;
    }
    2.0 * Normal::standard().cdf(-(distance - 0.5).max(0.0) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(mid_ranks(&[5.0, 1.0, 5.0, 3.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn at_the_border_the_limit_is_near_the_exact_test() {
        let shifted = |n: usize| (0..n).map(|i| (i * 37 % n) as f64 - n as f64 * 0.46).collect::<Vec<_>>();
        let exact = signed_rank(&shifted(EXACT_PAIRS));
        let n = EXACT_PAIRS as f64;
        let plus: f64 = shifted(EXACT_PAIRS)
            .iter()
            .zip(mid_ranks(&shifted(EXACT_PAIRS).iter().map(|d| d.abs()).collect::<Vec<_>>()))
            .filter(|(d, _)| **d > 0.0)
            .map(|(_, r)| r)
            .sum();
        let near = limit((plus - n * (n + 1.0) / 4.0).abs(), n * (n + 1.0) * (2.0 * n + 1.0) / 24.0);
        assert!((exact - near).abs() < 0.002 && (0.001..0.5).contains(&exact), "{exact} {near}");
        let base: Vec<f64> = (0..EXACT_SAMPLES).map(|i| i as f64).collect();
        let new: Vec<f64> = base.iter().map(|v| v + 9.5).collect();
        let exact = rank_sum(&base, &new);
        let seen: f64 = mid_ranks(&[&base[..], &new[..]].concat())[..EXACT_SAMPLES].iter().sum();
        let n = EXACT_SAMPLES as f64;
        let near = limit((seen - n * (2.0 * n + 1.0) / 2.0).abs(), n * n * (2.0 * n + 1.0) / 12.0);
        assert!((exact - near).abs() < 0.002 && (0.001..0.5).contains(&exact), "{exact} {near}");
        assert_eq!((signed_rank(&[]), signed_rank(&[0.0; 9]), rank_sum(&[], &[1.0])), (1.0, 1.0, 1.0));
        assert_eq!(rank_sum(&[1.0; 70], &[1.0; 70]), 1.0);
    }
}
