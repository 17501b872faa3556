//! Many hosts: host as a random effect. Figures are medians over hosts of each host's median, so that every host counts
//! alike, however many runs it has.

use super::bootstrap::{Interval, LEVEL, accelerated, median_in_place, medians_without_one};
use super::describe::{mad, median};
use super::random::Random;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Resamples of a fleet's interval.
pub const FLEET_RESAMPLES: usize = 2_000;

/// Values that the inner levels draw at most, over all hosts.
const DRAWN: usize = 8_000_000;

/// Hosts below which nobody is called odd.
pub const FEWEST_HOSTS: usize = 8;

/// A robust estimate of a normal's standard deviation is its MAD times this: 1 / quantile(3/4).
const TO_SIGMA: f64 = 1.482_602_218_505_602;

/// One session's values with the block of each, in the order of blocks.
pub type SessionValues = Vec<(u32, f64)>;

/// One host's sessions.
pub type HostValues = Vec<SessionValues>;

/// What a fleet says of one figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Median over hosts of each host's median.
    pub median: f64,
    /// 95 % interval; none below three hosts.
    pub interval: Option<Interval>,
    /// Each host's median, in the order of the hosts.
    pub hosts: Vec<f64>,
    /// Standard deviation between hosts of the logarithm, less what their own medians' errors make: 0.05 is 5 %.
    pub between: f64,
    /// The same between the runs of one host.
    pub within: f64,
}

/// The figure with its interval: hosts are drawn with replacement, of each its sessions, of these their blocks, of these
/// their runs (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8; all levels, which is on the
/// safe side for few runs a host). The interval is BCa, with the jackknife over hosts. None of nothing; every host needs a value.
pub fn fleet(hosts: &[HostValues], seed: u64) -> Option<Fleet> {
    let mut random = Random::new(seed);
    let drawn = Drawn::of(hosts, draws(&[hosts]), &mut random)?;
    let (between, within) = components(hosts, &drawn.centres);
    Some(Fleet {
        median: median(&drawn.centres)?,
        interval: drawn.interval(&mut random),
        hosts: drawn.centres,
        between,
        within,
    })
}

pub(super) fn flat(host: &HostValues) -> Vec<f64> {
    host.iter().flatten().map(|v| v.1).collect()
}

/// Inner resamples made of each host, where all of these are resampled.
pub(super) fn draws(all: &[&[HostValues]]) -> usize {
    let values: usize = all.iter().copied().flatten().flatten().map(Vec::len).sum();
    (DRAWN / values.max(1)).clamp(16, 400)
}

/// Hosts with what their sessions, blocks and runs give when they are drawn again. A number of these inner draws is made
/// beforehand, and each time that a host is drawn, one of its own is taken by lot.
pub(super) struct Drawn {
    /// Of each host its figure.
    pub(super) centres: Vec<f64>,
    /// Of each host the figure of each inner draw, in the order in which they were made.
    pub(super) pools: Vec<Vec<f64>>,
}

impl Drawn {
    /// Medians of hosts; none where there is no host, or one without a value.
    pub(super) fn of(hosts: &[HostValues], draws: usize, random: &mut Random) -> Option<Self> {
        let centres: Vec<f64> = hosts.iter().map(|h| median(&flat(h))).collect::<Option<_>>()?;
        let pools = hosts.iter().map(|h| pool(h, draws, random)).collect();
        if centres.is_empty() { None } else { Some(Self { centres, pools }) }
    }

    /// The median of as many hosts as there are, drawn with replacement; `room` holds them.
    pub(super) fn median_again(&self, room: &mut Vec<f64>, random: &mut Random) -> f64 {
        room.clear();
        room.extend((0..self.pools.len()).map(|_| {
            let pool = &self.pools[random.index(self.pools.len())];
            pool[random.index(pool.len())]
        }));
        median_in_place(room)
    }

    /// Of each host left out, the median of the others.
    pub(super) fn jackknife(&self) -> Vec<f64> {
        let mut sorted = self.centres.clone();
        sorted.sort_by(f64::total_cmp);
        medians_without_one(&sorted)
    }

    /// 95 % interval of the median over hosts; none below three hosts.
    pub(super) fn interval(&self, random: &mut Random) -> Option<Interval> {
        if self.centres.len() < 3 {
            return None;
        }
        let mut room = Vec::with_capacity(self.centres.len());
        let drawn = (0..FLEET_RESAMPLES).map(|_| self.median_again(&mut room, random)).collect();
        accelerated(drawn, median(&self.centres)?, &self.jackknife(), LEVEL)
    }
}

/// Medians of resamples of one host.
fn pool(host: &HostValues, draws: usize, random: &mut Random) -> Vec<f64> {
    let sessions: Vec<Vec<&[(u32, f64)]>> =
        host.iter().filter(|s| !s.is_empty()).map(|s| s.chunk_by(|a, b| a.0 == b.0).collect()).collect();
    let mut values = Vec::new();
    let mut once = || {
        values.clear();
        for _ in 0..sessions.len() {
            let session = &sessions[random.index(sessions.len())];
            for _ in 0..session.len() {
                let block = session[random.index(session.len())];
                values.extend((0..block.len()).map(|_| block[random.index(block.len())].1));
            }
        }
        median_in_place(&mut values)
    };
    (0..draws).map(|_| once()).collect()
}

/// Between and within hosts, both robust, so that a few odd hosts do not make all of them look different.
fn components(hosts: &[HostValues], medians: &[f64]) -> (f64, f64) {
    let spreads: Vec<(f64, f64)> = hosts
        .iter()
        .filter_map(|h| Some((spread(h)?, h.iter().map(Vec::len).sum::<usize>() as f64)))
        .collect();
    let within = median(&spreads.iter().map(|s| s.0).collect::<Vec<_>>()).unwrap_or(0.0);
    // A median of n normal values has pi / 2n of their variance.
    let errors: Vec<f64> = spreads.iter().map(|(s, n)| s * s * std::f64::consts::FRAC_PI_2 / n).collect();
    let error = median(&errors).unwrap_or(0.0);
    let total = mad(&logs(medians)).map_or(0.0, |m| m * TO_SIGMA);
    ((total * total - error).max(0.0).sqrt(), within)
}

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().filter(|v| **v > 0.0).map(|v| v.ln()).collect()
}

/// Spread of a host's runs, of logarithms.
fn spread(host: &HostValues) -> Option<f64> {
    let logs = logs(&flat(host));
    if logs.len() < 3 { None } else { mad(&logs).map(|m| m * TO_SIGMA) }
}

/// What is odd of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Its figures are higher.
    Higher,
    /// They are lower.
    Lower,
    /// Its runs are more restless.
    Restless,
}

/// A host that is not like the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Odd {
    /// Its number.
    pub host: usize,
    /// In what.
    pub oddity: Oddity,
    /// Its median over that of all; of a restless one, its spread over the usual.
    pub times: f64,
    /// Robust standard deviations from the others.
    pub z: f64,
}

/// Hosts whose median, or whose spread, lies so far from the others' that among `tests` hosts of a normal fleet one would in
/// 5 % of fleets (Bonferroni; robust z by median and MAD: Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993). Nobody
/// among fewer than [`FEWEST_HOSTS`]. A MAD is as sure as a standard deviation of 37 % as many values (Rousseeuw and Croux,
/// "Alternatives to the Median Absolute Deviation", 1993), so the limit is Student's with so many degrees of freedom: with few
/// hosts only what is very far off is called odd.
pub fn odd_hosts(hosts: &[HostValues], tests: usize) -> Vec<Odd> {
    let freedom = (0.37 * hosts.len() as f64 - 1.0).max(1.0);
    let share = 1.0 - 0.05 / (2.0 * tests.max(1) as f64);
    let limit = StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| t.inverse_cdf(share));
    let medians: Vec<Option<f64>> = hosts.iter().map(|h| median(&flat(h))).collect();
    let spreads: Vec<Option<f64>> = hosts.iter().map(spread).collect();
    let level = far(&medians, limit).into_iter().map(|(host, z, times)| {
        let oddity = if z > 0.0 { Oddity::Higher } else { Oddity::Lower };
        Odd { host, oddity, times, z }
    });
    // A calm host is nothing to look into.
    let restless = far(&spreads, limit).into_iter().filter(|(_, z, _)| *z > 0.0);
    let restless = restless.map(|(host, z, times)| Odd { host, oddity: Oddity::Restless, times, z });
    level.chain(restless).collect()
}

/// (host, z, times the middle) of those beyond the limit, by logarithms.
fn far(values: &[Option<f64>], limit: f64) -> Vec<(usize, f64, f64)> {
    let log = |v: &Option<f64>| v.filter(|v| *v > 0.0).map(f64::ln);
    let known: Vec<f64> = values.iter().filter_map(log).collect();
    let (Some(middle), Some(sigma)) = (median(&known), mad(&known).map(|m| m * TO_SIGMA)) else {
        return Vec::new();
    };
    if known.len() < FEWEST_HOSTS || sigma <= 1e-9 {
        return Vec::new();
    }
    let one = |(host, value): (usize, &Option<f64>)| {
        let off = log(value)? - middle;
        let z = off / sigma;
        (z.abs() > limit).then(|| (host, z, off.exp()))
    };
    values.iter().enumerate().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts with spreads of their own and of their runs; the first `slow` are that many times slower.
    fn hosts(n: usize, between: f64, within: f64, slow: (usize, f64), seed: u64) -> Vec<HostValues> {
        let mut random = Random::new(seed);
        (0..n)
            .map(|host| {
                let times = if host < slow.0 { slow.1 } else { 1.0 };
                let own = 10.0 * (between * random.normal()).exp() * times;
                let mut session =
                    || (1..=12).map(|block| (block, own * (within * random.normal()).exp())).collect();
                vec![session(), session()]
            })
            .collect()
    }

    #[test]
    fn what_was_planted_is_found() {
        let found = fleet(&hosts(300, 0.05, 0.10, (0, 1.0), 3), 1).expect("fleet");
        assert!((found.median / 10.0 - 1.0).abs() < 0.01, "{}", found.median);
        assert!((found.between - 0.05).abs() < 0.01, "{}", found.between);
        assert!((found.within - 0.10).abs() < 0.01, "{}", found.within);
        // One fleet: whether intervals hold the truth as often as they say is asked below.
        assert!(found.interval.is_some_and(|i| i.holds(found.median) && i.width() < 0.4), "{found:?}");
    }

    #[test]
    fn odd_hosts_are_found_and_nobody_else() {
        let fleet = hosts(300, 0.03, 0.05, (2, 1.5), 5);
        let odd = odd_hosts(&fleet, 300);
        assert_eq!(odd.iter().map(|o| o.host).collect::<Vec<_>>(), [0, 1], "{odd:?}");
        assert!(odd.iter().all(|o| o.oddity == Oddity::Higher && (o.times - 1.5).abs() < 0.15), "{odd:?}");
        assert_eq!(odd_hosts(&fleet[..7], 7), [], "too few to tell");
        let mut restless = hosts(40, 0.03, 0.02, (0, 1.0), 6);
        let value = |i: u32| (i, if i.is_multiple_of(2) { 5.0 } else { 20.0 });
        restless[7] = vec![(1..=24).map(value).collect()];
        assert!(odd_hosts(&restless, 40).iter().any(|o| o.host == 7 && o.oddity == Oddity::Restless));
    }

    /// 95 % intervals of 12 hosts hold the true figure in at least 93 % of 400 fleets: three standard errors below the nominal
    /// level are 91.7 %, and drawing all levels is meant to be on the safe side.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let held = (0..400)
            .filter(|seed| {
                let found = fleet(&hosts(12, 0.05, 0.05, (0, 1.0), 1000 + seed), *seed);
                found.and_then(|f| f.interval).is_some_and(|i| i.holds(10.0))
            })
            .count();
        assert!(held >= 372, "{held} of 400");
    }

    #[test]
    fn a_drift_between_sessions_is_in_the_interval() {
        let calm: Vec<HostValues> = (0..6).map(|_| vec![vec![(1, 10.0), (2, 10.0)]; 2]).collect();
        let moody: Vec<HostValues> = (0..6)
            .map(|h| vec![vec![(1, 10.0), (2, 10.0)], vec![(1, 12.0 + f64::from(h)), (2, 12.0)]])
            .collect();
        let width = |h: &[HostValues]| fleet(h, 1).and_then(|f| f.interval).map_or(0.0, |i| i.width());
        assert_eq!(width(&calm), 0.0);
        assert!(width(&moody) > 0.5, "{}", width(&moody));
        assert_eq!(fleet(&[], 1), None);
        assert_eq!(fleet(&calm[..2], 1).and_then(|f| f.interval), None);
    }
}
