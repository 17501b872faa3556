//! Two series of values that share no blocks: two benches, one after the other. Values of one series may resemble those
//! before them, so each brings its own uncertainty, and the two are put together.

use super::bootstrap::Interval;
use super::describe::median;
use super::few::by_ranks_or_bca;
use super::serial::{FEWEST_IN_SERIES, NORMAL_95, correlation, dependence, widened};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The likeness of neighbours for an interval is what it is estimated to be: too great in one series and too small in
/// another, which is why one series alone needs more ([`super::median_interval`]).
const FOR_INTERVALS: f64 = 0.0;
/// For p it is what one series is given: a family's least p is that of the pair whose likeness came out too small.
const FOR_CHANCE: f64 = 1.0;

/// A median and its interval.
#[derive(Debug, Clone, Copy)]
struct Centre {
    at: f64,
    interval: Interval,
}

/// Two of them, with the degrees of freedom of both errors together.
#[derive(Debug, Clone, Copy)]
struct Pair {
    base: Centre,
    new: Centre,
    freedom: f64,
}

/// What is known of the second series against the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Against {
    /// 95 % interval of the difference.
    pub(super) difference: Interval,
    /// Of the ratio; none where an end is not positive.
    pub(super) ratio: Option<Interval>,
    /// Chance of so great a difference if there were none.
    pub(super) p: f64,
}

/// None where either has fewer than [`FEWEST_IN_SERIES`] values. `least`: below which p cannot be.
pub(super) fn against(base: &[f64], new: &[f64], least: f64, resamples: usize, seed: u64) -> Option<Against> {
    if base.len().min(new.len()) < FEWEST_IN_SERIES {
        return None;
    }
    let plain =
        (by_ranks_or_bca(base, resamples, seed)?, by_ranks_or_bca(new, resamples, seed.wrapping_add(1))?);
    let shown = Pair::of((base, plain.0), (new, plain.1), FOR_INTERVALS)?;
    let judged = Pair::of((base, plain.0), (new, plain.1), FOR_CHANCE)?;
    Some(Against { difference: shown.difference(), ratio: shown.ratio(), p: judged.chance().max(least) })
}

impl Pair {
    /// Of the series, the interval that each would have if its values were independent, and how much more correlation than
    /// is estimated.
    fn of(base: (&[f64], Interval), new: (&[f64], Interval), more: f64) -> Option<Self> {
        let times = [base.0, new.0].map(|values| dependence(correlation(values, more)));
        let freedom = (base.0.len() as f64 / times[0] + new.0.len() as f64 / times[1] - 2.0).max(1.0);
        let centre = |(values, plain): (&[f64], Interval), times| {
            Some(Centre { at: median(values)?, interval: widened(values, plain, times, freedom)? })
        };
        Some(Self { base: centre(base, times[0])?, new: centre(new, times[1])?, freedom })
    }

    /// The distances of each median to the ends of its own interval, put together as independent errors are. Zou and
    /// Donner, "Construction of confidence limits about effect measures" (Statistics in Medicine 27, 2008).
    fn difference(&self) -> Interval {
        let Self { base, new, .. } = self;
        let at = new.at - base.at;
        let down = (new.at - new.interval.low).hypot(base.interval.high - base.at);
        let up = (new.interval.high - new.at).hypot(base.at - base.interval.low);
        Interval { low: at - down, high: at + up }
    }

    /// By the difference of the logarithms, whose medians are the logarithms of these.
    fn ratio(&self) -> Option<Interval> {
        let ln = |Centre { at, interval }: Centre| {
            let interval = Interval { low: interval.low.ln(), high: interval.high.ln() };
            interval.low.is_finite().then_some(Centre { at: at.ln(), interval })
        };
        let Interval { low, high } =
            Self { base: ln(self.base)?, new: ln(self.new)?, freedom: self.freedom }.difference();
        Some(Interval { low: low.exp(), high: high.exp() })
    }

    /// The distance from zero in units of the interval's half on that side, by Student's t.
    fn chance(&self) -> f64 {
        let (at, interval) = (self.new.at - self.base.at, self.difference());
        let half = if at > 0.0 { at - interval.low } else { interval.high - at };
        match (at == 0.0, half > 0.0) {
            (true, _) => 1.0,
            (false, false) => 0.0,
            (false, true) => StudentsT::new(0.0, 1.0, self.freedom)
                .map_or(1.0, |t| 2.0 * t.cdf(-at.abs() / half * NORMAL_95)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(base: (f64, f64, f64), new: (f64, f64, f64), freedom: f64) -> Pair {
        let centre = |(low, at, high)| Centre { at, interval: Interval { low, high } };
        Pair { base: centre(base), new: centre(new), freedom }
    }

    #[test]
    fn distances_to_the_ends_are_put_together_as_errors_are() {
        let apart = pair((6.0, 10.0, 13.0), (16.0, 20.0, 32.0), 10.0);
        let i = apart.difference();
        // By hand: 10 - sqrt(4^2 + 3^2) and 10 + sqrt(12^2 + 4^2).
        assert!((i.low - 5.0).abs() < 1e-12 && (i.high - (10.0 + 160f64.sqrt())).abs() < 1e-12, "{i:?}");
        let r = apart.ratio().expect("ratio");
        let low = 2.0 * (-(1.25f64.ln().powi(2) + 1.3f64.ln().powi(2)).sqrt()).exp();
        assert!((r.low - low).abs() < 1e-12 && r.low < 2.0 && r.high > 2.0, "{r:?}");
        assert!(pair((0.0, 1.0, 2.0), (1.0, 2.0, 3.0), 10.0).ratio().is_none());
    }

    #[test]
    fn the_chance_is_five_per_cent_where_the_interval_touches_zero() {
        let touches = |freedom| pair((7.0, 10.0, 13.0), (11.0, 15.0, 19.0), freedom).chance();
        assert!((touches(1e9) - 0.05).abs() < 1e-6, "{}", touches(1e9));
        assert!(touches(5.0) > 0.1, "few are less sure");
        assert_eq!(pair((2.0, 2.0, 2.0), (3.0, 3.0, 3.0), 10.0).chance(), 0.0);
        assert_eq!(pair((2.0, 2.0, 2.0), (2.0, 2.0, 2.0), 10.0).chance(), 1.0);
    }

    #[test]
    fn likeness_of_neighbours_makes_less_sure_and_few_values_tell_nothing() {
        let mixed: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 20)).collect();
        let rising: Vec<f64> = (0..20).map(f64::from).collect();
        let with = |values: &[f64]| {
            let more: Vec<f64> = values.iter().map(|v| v + 8.0).collect();
            against(values, &more, 1e-9, 500, 1).expect("long enough")
        };
        let (apart, drifts) = (with(&mixed), with(&rising));
        assert!(drifts.difference.width() > 1.2 * apart.difference.width(), "{drifts:?} {apart:?}");
        assert!(drifts.p > 10.0 * apart.p, "{drifts:?} {apart:?}");
        assert!(against(&mixed[..13], &mixed, 0.0, 500, 1).is_none());
    }
}
