//! Two fleets, or two targets of one: host as a random effect on both sides. What is tested is each host's figure, so that p
//! knows of nothing smaller than a host; the interval draws hosts, sessions, blocks and runs again ([`super::fleet`]).

use super::bootstrap::{Interval, LEVEL, accelerated};
use super::cluster::Contrast;
use super::describe::median;
use super::hierarchy::{Drawn, FLEET_RESAMPLES, HostValues, draws};
use super::random::Random;
use super::ranks::{rank_sum, signed_rank};
use super::verdict::{Comparison, Verdict, least_of_pairs, least_of_samples};

/// Two targets that stood side by side in the blocks of the same sessions: of each host the values new - base and new / base,
/// block by block. The figure is the median over hosts of each host's median. `ratios` is none where a base is zero. None of nothing.
pub fn compare_blocks_of_hosts(
    differences: &[HostValues],
    ratios: Option<&[HostValues]>,
    seed: u64,
) -> Option<Comparison> {
    let mut random = Random::new(seed);
    let differences = Drawn::of(differences, draws(&[differences]), &mut random)?;
    let ratios = ratios.and_then(|r| Drawn::of(r, draws(&[r]), &mut random));
    paired(&differences, ratios.as_ref(), &mut random)
}

/// The same hosts twice, (base, new), in sessions that have no block in common: the figure is the median over hosts of each
/// host's new median less its own base, or over it; both sides are drawn again by themselves. None of nothing.
pub fn compare_hosts(base: &[HostValues], new: &[HostValues], seed: u64) -> Option<Comparison> {
    if base.len() != new.len() {
        return None;
    }
    let mut random = Random::new(seed);
    let times = draws(&[base, new]);
    let (base, new) = (Drawn::of(base, times, &mut random)?, Drawn::of(new, times, &mut random)?);
    let joined = |join: fn(f64, f64) -> f64| {
        let both = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| join(*a, *b)).collect::<Vec<_>>();
        Drawn {
            centres: both(&base.centres, &new.centres),
            pools: base.pools.iter().zip(&new.pools).map(|(a, b)| both(a, b)).collect(),
        }
    };
    let positive = base.centres.iter().chain(base.pools.iter().flatten()).all(|v| *v > 0.0);
    let ratios = positive.then(|| joined(|a, b| b / a));
    paired(&joined(|a, b| b - a), ratios.as_ref(), &mut random)
}

fn paired(differences: &Drawn, ratios: Option<&Drawn>, random: &mut Random) -> Option<Comparison> {
    let comparison = Comparison {
        pairs: differences.centres.len(),
        tare: median(&differences.centres)?,
        tare_interval: differences.interval(random),
        ratio: ratios.and_then(|r| median(&r.centres)),
        ratio_interval: ratios.and_then(|r| r.interval(random)),
        p: signed_rank(&differences.centres),
        least_p: least_of_pairs(differences.centres.len()),
        verdict: Verdict::TooFew,
    };
    Some(comparison.alone())
}

/// Other hosts: the figure is the difference, or the ratio, of the medians over the hosts of each side. None of nothing.
pub fn compare_fleets(base: &[HostValues], new: &[HostValues], seed: u64) -> Option<Comparison> {
    let mut random = Random::new(seed);
    let times = draws(&[base, new]);
    let (base, new) = (Drawn::of(base, times, &mut random)?, Drawn::of(new, times, &mut random)?);
    let (tare, tare_interval) = apart(&base, &new, Contrast::Difference, &mut random)?;
    let ratio = if base.centres.iter().all(|v| *v > 0.0) {
        apart(&base, &new, Contrast::Ratio, &mut random)
    } else {
        None
    };
    let comparison = Comparison {
        pairs: base.centres.len().min(new.centres.len()),
        tare,
        tare_interval,
        ratio: ratio.map(|r| r.0),
        ratio_interval: ratio.and_then(|r| r.1),
        p: rank_sum(&base.centres, &new.centres),
        least_p: least_of_samples(base.centres.len(), new.centres.len()),
        verdict: Verdict::TooFew,
    };
    Some(comparison.alone())
}

/// The contrast of two medians over hosts, and its interval; none below three hosts on either side.
fn apart(
    base: &Drawn,
    new: &Drawn,
    contrast: Contrast,
    random: &mut Random,
) -> Option<(f64, Option<Interval>)> {
    let (a, b) = (median(&base.centres)?, median(&new.centres)?);
    let centre = contrast.between(a, b);
    if !centre.is_finite() {
        return None;
    }
    if base.centres.len().min(new.centres.len()) < 3 {
        return Some((centre, None));
    }
    let mut room = Vec::new();
    let drawn = (0..FLEET_RESAMPLES)
        .map(|_| {
            let old = base.median_again(&mut room, random);
            contrast.between(old, new.median_again(&mut room, random))
        })
        .collect();
    let less_base = base.jackknife().into_iter().map(|a| contrast.between(a, b));
    let less_new = new.jackknife().into_iter().map(|b| contrast.between(a, b));
    let jackknife: Vec<f64> = less_base.chain(less_new).collect();
    Some((centre, accelerated(drawn, centre, &jackknife, LEVEL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard deviations of logarithms: what sets hosts apart, how differently a change hits them, the mood of a session, and
    /// the runs of one.
    const HOST: f64 = 0.05;
    const CHANGE: f64 = 0.02;
    const SESSION: f64 = 0.02;
    const RUN: f64 = 0.05;

    /// A host's two sessions of eight blocks, around `own`.
    fn host(own: f64, random: &mut Random) -> HostValues {
        (0..2)
            .map(|_| {
                let mood = own * (SESSION * random.normal()).exp();
                (1..=8).map(|block| (block, mood * (RUN * random.normal()).exp())).collect()
            })
            .collect()
    }

    fn own(random: &mut Random) -> f64 {
        10.0 * (HOST * random.normal()).exp()
    }

    fn changed(times: f64, random: &mut Random) -> f64 {
        times * (CHANGE * random.normal()).exp()
    }

    /// Twelve hosts before and after a change.
    fn before_and_after(times: f64, seed: u64) -> Option<Comparison> {
        let mut random = Random::new(seed);
        let both = |_| {
            let own = own(&mut random);
            (host(own, &mut random), host(own * changed(times, &mut random), &mut random))
        };
        let (base, new): (Vec<_>, Vec<_>) = (0..12).map(both).unzip();
        compare_hosts(&base, &new, seed)
    }

    /// Twelve hosts and fourteen others.
    fn others(times: f64, seed: u64) -> Option<Comparison> {
        let mut random = Random::new(seed);
        let mut fleet = |n: usize, times: f64| -> Vec<HostValues> {
            let one = |_| {
                let own = own(&mut random);
                host(own * changed(times, &mut random), &mut random)
            };
            (0..n).map(one).collect()
        };
        let (base, new) = (fleet(12, 1.0), fleet(14, times));
        compare_fleets(&base, &new, seed)
    }

    /// Two targets in the blocks of the same sessions of twelve hosts: the session's mood is in both.
    fn side_by_side(times: f64, seed: u64) -> Option<Comparison> {
        let mut random = Random::new(seed);
        let both = |_| {
            let base = host(own(&mut random), &mut random);
            let times = changed(times, &mut random);
            let mut joined: (HostValues, HostValues) = (Vec::new(), Vec::new());
            for session in &base {
                let new: Vec<f64> =
                    session.iter().map(|v| v.1 * times * (RUN * random.normal()).exp()).collect();
                let both = || session.iter().zip(&new);
                joined.0.push(both().map(|((block, old), new)| (*block, new - old)).collect());
                joined.1.push(both().map(|((block, old), new)| (*block, new / old)).collect());
            }
            joined
        };
        let (differences, ratios): (Vec<_>, Vec<_>) = (0..12).map(both).unzip();
        compare_blocks_of_hosts(&differences, Some(&ratios), seed)
    }

    /// 95 % intervals of a planted ratio of 1.1 hold it in at least 93 % of 300 pairs of fleets (as in
    /// [`super::super::hierarchy`], the nominal level less what such a number of trials scatters), and where nothing is planted
    /// a difference is said in at most 5 % and that scatter (5 % + 3 sqrt(0.05 * 0.95 / 300) = 8.8 %).
    #[test]
    fn intervals_hold_what_was_planted_and_alarms_are_as_rare_as_they_say() {
        type Way = fn(f64, u64) -> Option<Comparison>;
        let ways: [(&str, Way); 3] =
            [("hosts", before_and_after), ("fleets", others), ("blocks", side_by_side)];
        for (way, compared) in ways {
            let holds = |seed: &u64| {
                let found = compared(1.1, 7000 + seed).and_then(|c| c.ratio_interval);
                found.is_some_and(|i| i.holds(1.1))
            };
            let held = (0..300).filter(holds).count();
            let alarm = |seed: &u64| {
                let found = compared(1.0, 9000 + seed).map(|c| c.verdict);
                matches!(found, Some(Verdict::More | Verdict::Less))
            };
            let alarms = (0..300).filter(alarm).count();
            assert!(held >= 279, "{way}: {held} of 300 held");
            assert!(alarms <= 26, "{way}: {alarms} of 300 alarms");
        }
    }

    #[test]
    fn a_change_is_found_though_hosts_differ_by_more() {
        let c = before_and_after(1.1, 1).expect("comparison");
        assert_eq!((c.verdict, c.pairs), (Verdict::More, 12));
        assert!(c.ratio.is_some_and(|r| (r - 1.1).abs() < 0.03), "{c:?}");
        assert_eq!(side_by_side(0.8, 2).map(|c| c.verdict), Some(Verdict::Less));
        assert_eq!(others(1.3, 3).map(|c| c.verdict), Some(Verdict::More));
    }

    #[test]
    fn what_sessions_and_runs_scatter_is_in_the_interval() {
        // Each host's own figure rises by exactly one; only below the host is anything uncertain.
        let host = |level: f64, mood: f64| -> HostValues {
            vec![vec![(1, level - mood), (2, level), (3, level + mood)]; 2]
        };
        let fleet = |level: f64, mood: f64| vec![host(level, mood); 8];
        let width = |mood: f64| {
            let c = compare_hosts(&fleet(10.0, 0.0), &fleet(11.0, mood), 1).expect("comparison");
            assert_eq!(c.tare, 1.0);
            c.tare_interval.map_or(0.0, |i| i.width())
        };
        assert_eq!(width(0.0), 0.0);
        assert!(width(2.0) > 0.5, "{}", width(2.0));
        let c = compare_fleets(&fleet(10.0, 0.0), &fleet(11.0, 2.0), 1).expect("comparison");
        assert!(c.tare_interval.is_some_and(|i| i.width() > 0.5), "{c:?}");
    }

    #[test]
    fn nothing_and_too_little_are_no_trouble() {
        let fleet = |n: usize, value: f64| vec![vec![vec![(1, value)]]; n];
        assert_eq!(compare_hosts(&[], &[], 1), None);
        assert_eq!(compare_hosts(&fleet(2, 1.0), &fleet(3, 1.0), 1), None);
        assert_eq!(compare_fleets(&fleet(2, 1.0), &[], 1), None);
        assert_eq!(compare_blocks_of_hosts(&[], None, 1), None);
        let two = compare_hosts(&fleet(2, 1.0), &fleet(2, 3.0), 1).expect("comparison");
        assert_eq!((two.ratio, two.tare_interval, two.verdict), (Some(3.0), None, Verdict::TooFew));
        let zero = compare_fleets(&fleet(6, 0.0), &fleet(6, 3.0), 1).expect("comparison");
        assert_eq!((zero.ratio, zero.tare, zero.verdict), (None, 3.0, Verdict::More));
    }
}
