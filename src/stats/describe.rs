//! Medians, quantiles, spread, outlier classes.

/// Quantile `p` in 0..=1 by linear interpolation between order statistics (Hyndman and Fan, "Sample Quantiles in
/// Statistical Packages", 1996, type 7: the default of R and NumPy). None of nothing.
pub fn quantile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, p)
}

pub(super) fn quantile_of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = p.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64))
}

/// The quantile of one half.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Median of the distances from the median, not scaled (Hampel 1974).
pub fn mad(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    median(&values.iter().map(|v| (v - middle).abs()).collect::<Vec<_>>())
}

/// How many values lie beyond Tukey's fences (Exploratory Data Analysis, 1977): more than 1.5 and more than 3
/// interquartile ranges outside the quartiles. They are counted and shown, never dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outliers {
    /// Beyond the inner fences, within the outer ones.
    pub mild: usize,
    /// Beyond the outer fences.
    pub severe: usize,
}

/// Counts them.
pub fn outliers(values: &[f64]) -> Outliers {
    let (Some(q1), Some(q3)) = (quantile(values, 0.25), quantile(values, 0.75)) else {
        return Outliers::default();
    };
    let range = q3 - q1;
    let beyond = |k: f64| values.iter().filter(|v| **v < q1 - k * range || **v > q3 + k * range).count();
    let severe = beyond(3.0);
    Outliers { mild: beyond(1.5) - severe, severe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_r() {
        // R 4.2: quantile(c(1, 2, 4, 8, 16), c(0, .1, .25, .5, .75, .95, 1), type = 7)
        let values = [16.0, 1.0, 8.0, 2.0, 4.0];
        for (p, expected) in
            [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.5, 4.0), (0.75, 8.0), (0.95, 14.4), (1.0, 16.0)]
        {
            let q = quantile(&values, p).expect("quantile");
            assert!((q - expected).abs() < 1e-12, "{p}: {q}, not {expected}");
        }
        assert_eq!(mad(&values), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn outliers_are_classed() {
        let values: Vec<f64> = (1..=11).map(f64::from).chain([19.0, 40.0]).collect();
        assert_eq!(outliers(&values), Outliers { mild: 0, severe: 1 });
        let values: Vec<f64> = (1..=11).map(f64::from).chain([20.0]).collect();
        assert_eq!(outliers(&values), Outliers { mild: 1, severe: 0 });
        assert_eq!(outliers(&[5.0; 9]), Outliers::default());
    }

    proptest! {
        #[test]
        fn the_median_halves(values in prop::collection::vec(-1e6f64..1e6, 1..50)) {
            let m = median(&values).expect("median");
            let below = values.iter().filter(|v| **v < m).count();
            let above = values.iter().filter(|v| **v > m).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }
    }
}
