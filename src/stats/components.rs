//! Where the spread comes from, and how many blocks an interval of a wanted width needs.

/// Variances of one value, by source.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Components {
    /// Between blocks: drift that hits all targets of a block alike, and that a paired comparison is free of.
    pub block: f64,
    /// Within a block: what is left, and what a paired comparison pays twice.
    pub residual: f64,
}

/// Variance components of a complete table, blocks by targets, one value each, targets as fixed effects: mean squares
/// of the two-way analysis of variance (Searle, Casella and McCulloch, "Variance Components", 1992, section 4.5). Rows
/// are blocks; each has to hold as many values as the first. None below two rows or two columns.
pub fn components(table: &[Vec<f64>]) -> Option<Components> {
    let (rows, columns) = (table.len(), table.first()?.len());
    if rows < 2 || columns < 2 || table.iter().any(|r| r.len() != columns) {
        return None;
    }
    let (n, k) = (rows as f64, columns as f64);
    let grand = table.iter().flatten().sum::<f64>() / (n * k);
    let row_means: Vec<f64> = table.iter().map(|r| r.iter().sum::<f64>() / k).collect();
    let column_means: Vec<f64> = (0..columns).map(|c| table.iter().map(|r| r[c]).sum::<f64>() / n).collect();
    let between = row_means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() * k / (n - 1.0);
    let rest = table.iter().zip(&row_means).flat_map(|(row, row_mean)| {
        row.iter().zip(&column_means).map(move |(v, c)| (v - row_mean - c + grand).powi(2))
    });
    let residual = rest.sum::<f64>() / ((n - 1.0) * (k - 1.0));
    Some(Components { block: ((between - residual) / k).max(0.0), residual })
}

/// Blocks that make the 95 % interval of the median of a paired difference of logarithms as wide as `width` (0.05: five
/// per cent of the ratio, from end to end), by Stein's two stages ("A Two-Sample Test for a Linear Hypothesis Whose Power
/// is Independent of the Variance", 1945): the pilot's spread decides once, and its values never say when to stop, so that
/// the interval keeps its coverage. The median of normal values has pi/2 the variance of their mean.
pub fn blocks_for_width(residual_of_logs: f64, width: f64, pilot_blocks: usize) -> usize {
    use statrs::distribution::{ContinuousCDF, StudentsT};
    let freedom = (pilot_blocks.max(2) - 1) as f64;
    let t = StudentsT::new(0.0, 1.0, freedom).map_or(1.96, |d| d.inverse_cdf(0.975));
    let variance = 2.0 * residual_of_logs * std::f64::consts::FRAC_PI_2;
    let blocks = (2.0 * t / width).powi(2) * variance;
    (blocks.ceil().min(1e9) as usize).max(pilot_blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_told_from_noise() {
        // By hand: row means 2, 4, 9; columns differ by 2 without any rest.
        let drift = vec![vec![1.0, 3.0], vec![3.0, 5.0], vec![8.0, 10.0]];
        assert_eq!(components(&drift), Some(Components { block: 13.0, residual: 0.0 }));
        // Rows of the same mean: all is rest. Squares of the rests: 4 x 1; (n - 1)(k - 1) = 1.
        let noise = vec![vec![1.0, 3.0], vec![3.0, 1.0]];
        assert_eq!(components(&noise), Some(Components { block: 0.0, residual: 4.0 }));
        assert_eq!(components(&[vec![1.0], vec![2.0]]), None);
        assert_eq!(components(&[vec![1.0, 2.0], vec![2.0]]), None);
    }

    #[test]
    fn a_wider_spread_and_a_narrower_interval_need_more_blocks() {
        let at = |residual, width| blocks_for_width(residual, width, 5);
        assert_eq!(at(0.0, 0.05), 5);
        assert!(at(0.02, 0.05) > at(0.01, 0.05) && at(0.01, 0.02) > at(0.01, 0.05));
    }
}
