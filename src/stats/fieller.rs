//! Fieller's interval of a ratio of means: the check of the bootstrap's ratio intervals.

use super::bootstrap::Interval;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// 95 % interval of mean(gross) / mean(net) over pairs (net, gross) (Fieller, "Some Problems in Interval Estimation", 1954):
/// the ratios r for which a paired t test does not reject mean(gross - r net) = 0. None where the interval has no end,
/// because a mean net of zero cannot be ruled out, and below three pairs.
pub fn fieller(pairs: &[(f64, f64)]) -> Option<Interval> {
    let n = pairs.len() as f64;
    if pairs.len() < 3 {
        return None;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (net, gross) = (mean(|p| p.0), mean(|p| p.1));
    let product = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / (n - 1.0) / n;
    let v_net = product(&|p| (p.0 - net).powi(2));
    let v_gross = product(&|p| (p.1 - gross).powi(2));
    let v_both = product(&|p| (p.0 - net) * (p.1 - gross));
    let t2 = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975).powi(2);
    // (gross - r net)^2 <= t^2 (v_gross - 2 r v_both + r^2 v_net), solved for r.
    let (a, b, c) = (net * net - t2 * v_net, net * gross - t2 * v_both, gross * gross - t2 * v_gross);
    let root = (b * b - a * c).max(0.0).sqrt();
    (a > 0.0).then(|| Interval { low: (b - root) / a, high: (b + root) / a })
}
