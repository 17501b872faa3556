//! Straight lines that outliers cannot bend: what one more instance costs.

use super::bootstrap::Interval;
use super::describe::{median, quantile_of_sorted};
use super::random::Random;
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::BTreeMap;

/// `y = intercept + slope x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Of y for each x.
    pub slope: f64,
    /// 95 %.
    pub slope_interval: Option<Interval>,
    /// At x = 0.
    pub intercept: f64,
}

/// The median of the slopes of all pairs of points (Theil 1950; Sen, "Estimates of the Regression Coefficient Based on
/// Kendall's Tau", 1968), with Sen's interval from the distribution of Kendall's S, ties among x and among y taken off its variance.
/// The intercept is median(y) - slope median(x) (Conover). Holds with up to 29 % of outliers. None unless two points
/// differ in x.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<Line> {
    let mut slopes = Vec::new();
    for (i, a) in points.iter().enumerate() {
        slopes.extend(points[i + 1..].iter().filter(|b| b.0 != a.0).map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    slopes.sort_by(f64::total_cmp);
    let slope = quantile_of_sorted(&slopes, 0.5)?;
    Some(Line { slope, slope_interval: sens_interval(&slopes, points), intercept: intercept(points, slope) })
}

fn intercept(points: &[(f64, f64)], slope: f64) -> f64 {
    let middle = |of: fn(&(f64, f64)) -> f64| median(&points.iter().map(of).collect::<Vec<_>>());
    middle(|p| p.1).unwrap_or_default() - slope * middle(|p| p.0).unwrap_or_default()
}

/// Sen 1968, equation 2.6: ranks (N -+ z sigma) / 2 of the sorted slopes.
fn sens_interval(slopes: &[f64], points: &[(f64, f64)]) -> Option<Interval> {
    let n = points.len() as f64;
    if points.len() < 4 {
        return None;
    }
    let ties = |of: fn(&(f64, f64)) -> f64| {
        let mut counts = BTreeMap::new();
        points.iter().for_each(|p| *counts.entry(of(p).to_bits()).or_insert(0.0) += 1.0);
        counts.values().map(|k: &f64| k * (k - 1.0) * (2.0 * k + 5.0)).sum::<f64>()
    };
    let whole = n * (n - 1.0) * (2.0 * n + 5.0);
    let sigma = ((whole - ties(|p| p.0) - ties(|p| p.1)) / 18.0).max(0.0).sqrt();
    let z = Normal::standard().inverse_cdf(0.975);
    let count = slopes.len() as f64;
    let low = ((count - z * sigma) / 2.0).round_ties_even() - 1.0;
    let high = ((count + z * sigma) / 2.0).round_ties_even();
    let at = |rank: f64| slopes.get(rank.clamp(0.0, count - 1.0) as usize).copied();
    Some(Interval { low: at(low)?, high: at(high)? })
}

/// Siegel's repeated medians ("Robust Regression Using Repeated Medians", 1982): the median over points of the median of
/// the slopes to all others; the intercept is the median of y - slope x. Holds with up to half of outliers. Its interval is a
/// percentile bootstrap over points, `resamples` drawn from `seed`. None unless two points differ in x.
pub fn siegel(points: &[(f64, f64)], resamples: usize, seed: u64) -> Option<Line> {
    let slope = repeated_median(points)?;
    let rests: Vec<f64> = points.iter().map(|p| p.1 - slope * p.0).collect();
    let mut random = Random::new(seed);
    let mut drawn: Vec<f64> = (0..if points.len() < 4 { 0 } else { resamples })
        .filter_map(|_| {
            let again: Vec<_> = points.iter().map(|_| points[random.index(points.len())]).collect();
            repeated_median(&again)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let ends = quantile_of_sorted(&drawn, 0.025).zip(quantile_of_sorted(&drawn, 0.975));
    let slope_interval = ends.map(|(low, high)| Interval { low, high });
    Some(Line { slope, slope_interval, intercept: median(&rests)? })
}

fn repeated_median(points: &[(f64, f64)]) -> Option<f64> {
    let from = |a: &(f64, f64)| {
        let slopes = points.iter().filter(|b| b.0 != a.0).map(|b| (b.1 - a.1) / (b.0 - a.0));
        median(&slopes.collect::<Vec<_>>())
    };
    median(&points.iter().filter_map(from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_bend_a_line() {
        let mut points: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i), 3.0 + 2.0 * f64::from(i))).collect();
        points[4].1 = 900.0;
        points[11].1 = -700.0;
        for line in [theil_sen(&points), siegel(&points, 500, 1)] {
            let line = line.expect("line");
            assert_eq!((line.slope, line.intercept), (2.0, 3.0));
            assert!(line.slope_interval.is_some_and(|i| i.holds(2.0) && i.width() < 1.0), "{line:?}");
        }
    }

    #[test]
    fn no_two_places_give_no_line() {
        assert_eq!(theil_sen(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(siegel(&[], 10, 1), None);
    }
}
