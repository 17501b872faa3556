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

/// Where a value lies among its fellows (Tukey, Exploratory Data Analysis, 1977).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Within 1.5 interquartile ranges of the quartiles.
    Inside,
    /// Within 3.
    Mild,
    /// Farther.
    Severe,
}

/// Tukey's fences of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fences {
    /// Inner fences.
    pub inner: (f64, f64),
    /// Outer fences.
    pub outer: (f64, f64),
}

impl Fences {
    /// None of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let (q1, q3) = (quantile(values, 0.25)?, quantile(values, 0.75)?);
        let at = |k: f64| (q1 - k * (q3 - q1), q3 + k * (q3 - q1));
        Some(Self { inner: at(1.5), outer: at(3.0) })
    }

    /// Of one value.
    pub fn class(&self, value: f64) -> Class {
        let beyond = |(low, high): (f64, f64)| value < low || value > high;
        match (beyond(self.outer), beyond(self.inner)) {
            (true, _) => Class::Severe,
            (_, true) => Class::Mild,
            _ => Class::Inside,
        }
    }
}

/// Counts them.
pub fn outliers(values: &[f64]) -> Outliers {
    let Some(fences) = Fences::of(values) else { return Outliers::default() };
    let count = |class| values.iter().filter(|v| fences.class(**v) == class).count();
    Outliers { mild: count(Class::Mild), severe: count(Class::Severe) }
}

/// A step of an empirical distribution function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// A value that occurs.
    pub value: f64,
    /// Share of the sample that is not above it.
    pub share: f64,
    /// 95 % band of the true share, the same for all steps at once: the Dvoretzky-Kiefer-Wolfowitz inequality with
    /// Massart's constant (1990).
    pub band: (f64, f64),
}

/// Empirical distribution function: a step for each value that occurs, ascending.
pub fn ecdf(values: &[f64]) -> Vec<Step> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let half = ((2.0_f64 / 0.05).ln() / (2.0 * n)).sqrt();
    let last_of_its_value = |i: &usize| sorted.get(i + 1).is_none_or(|next| *next != sorted[*i]);
    (0..sorted.len())
        .filter(last_of_its_value)
        .map(|i| {
            let share = (i + 1) as f64 / n;
            Step { value: sorted[i], share, band: ((share - half).max(0.0), (share + half).min(1.0)) }
        })
        .collect()
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

    #[test]
    fn shares_climb_to_one() {
        let steps: Vec<_> = ecdf(&[3.0, 1.0, 3.0, 2.0]).iter().map(|s| (s.value, s.share)).collect();
        assert_eq!(steps, [(1.0, 0.25), (2.0, 0.5), (3.0, 1.0)]);
        // Massart 1990: sqrt(ln(2 / 0.05) / (2 * 100)) = 0.13581
        let wide = ecdf(&(0..100).map(f64::from).collect::<Vec<_>>())[49];
        assert!((wide.band.1 - 0.5 - 0.13581).abs() < 1e-5, "{wide:?}");
        assert_eq!(ecdf(&[]), []);
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
