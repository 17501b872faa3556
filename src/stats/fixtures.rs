//! Published data sets, with the figures that SciPy gives for them: made by `scripts/statistics-fixtures`.

use super::change::pettitt;
use super::*;
use serde_json::Value;

fn fixture(path: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("fixtures.json")).expect("fixtures.json");
    all.pointer(path).unwrap_or_else(|| panic!("{path} is not in fixtures.json")).clone()
}

fn number(path: &str) -> f64 {
    fixture(path).as_f64().expect("number")
}

fn numbers(path: &str) -> Vec<f64> {
    fixture(path).as_array().expect("list").iter().map(|v| v.as_f64().expect("number")).collect()
}

fn pairs(path: &str) -> Vec<(f64, f64)> {
    let pair = |v: &Value| (v[0].as_f64().expect("number"), v[1].as_f64().expect("number"));
    fixture(path).as_array().expect("list").iter().map(pair).collect()
}

#[track_caller]
fn near(seen: f64, expected: f64, error: f64) {
    assert!((seen - expected).abs() <= error, "{seen}, not {expected}");
}

#[test]
fn michelson_medians_and_quantiles() {
    let values = numbers("/michelson/values");
    near(median(&values).expect("median"), number("/michelson/median"), 1e-9);
    near(mad(&values).expect("mad"), number("/michelson/mad"), 1e-9);
    for (p, expected) in pairs("/michelson/quantiles") {
        near(quantile(&values, p).expect("quantile"), expected, 1e-9);
    }
}

#[test]
fn michelson_bca_intervals() {
    let values = numbers("/michelson/values");
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    for (interval, expected, error) in [
        (bca_of(&values, LEVEL, 50_000, 3, mean), numbers("/michelson/mean_bca"), 1.0),
        // A median's bootstrap distribution has steps of five here: one of them is what seeds differ by. SciPy counts
        // ties with the median below it, we half of them, which moves its bias by some hundredths.
        (bca(&values, 50_000, 3), numbers("/michelson/median_bca"), 15.0),
    ] {
        let interval = interval.expect("interval");
        near(interval.low, expected[0], error);
        near(interval.high, expected[1], error);
    }
}

#[test]
fn rank_and_permutation_tests() {
    let maize = numbers("/darwin/values");
    near(signed_rank(&maize), number("/darwin/signed_rank_p"), 1e-9);
    near(paired_permutation(&maize, 0, 0), number("/darwin/permutation_p"), 1e-9);
    // With a zero difference and ties. In tenths of an hour, so that ties are ties in binary too.
    let sleep: Vec<f64> = pairs("/sleep/pairs").iter().map(|p| ((p.1 - p.0) * 10.0).round()).collect();
    near(signed_rank(&sleep), number("/sleep/signed_rank_p"), 1e-9);
    let (base, new) = (numbers("/plants/base"), numbers("/plants/new"));
    near(rank_sum(&base, &new), number("/plants/rank_sum_p"), 1e-9);
    let (base, new) = (numbers("/plants/base"), numbers("/plants/new_without_ties"));
    near(rank_sum(&base, &new), number("/plants/rank_sum_p_without_ties"), 1e-9);
    let (base, new) = (numbers("/plants/tied_base"), numbers("/plants/tied_new"));
    near(rank_sum(&base, &new), number("/plants/tied_rank_sum_p"), 1e-9);
}

#[test]
fn ratios_of_darwins_maize() {
    let pairs = pairs("/maize/pairs");
    let interval = fieller(&pairs).expect("interval");
    near(interval.low, numbers("/maize/fieller")[0], 1e-6);
    near(interval.high, numbers("/maize/fieller")[1], 1e-6);
    let blocks: Vec<Block> = pairs.iter().map(|p| Block { base: vec![p.0], new: vec![p.1] }).collect();
    let (ratio, bootstrap) = cluster_bootstrap(&blocks, Contrast::Ratio, 50_000, 3).expect("ratio");
    let (bootstrap, expected) = (bootstrap.expect("interval"), numbers("/maize/ratio_of_medians_bca"));
    near(bootstrap.low, expected[0], 0.02);
    near(bootstrap.high, expected[1], 0.02);
    assert!(interval.holds(ratio) && bootstrap.holds(ratio));
    assert_eq!(fieller(&[(1.0, 1.0), (-1.0, 2.0), (0.5, 3.0)]), None, "a net about zero has no ratio");
}

#[test]
fn lines_through_the_belgian_telephone_calls() {
    let points = pairs("/phones/points");
    let (line, expected) = (theil_sen(&points).expect("line"), numbers("/phones/theil_sen"));
    near(line.slope, expected[0], 1e-9);
    near(line.intercept, expected[1], 1e-9);
    let interval = line.slope_interval.expect("interval");
    near(interval.low, expected[2], 1e-9);
    near(interval.high, expected[3], 1e-9);
    let (line, expected) = (siegel(&points, 500, 1).expect("line"), numbers("/phones/siegel"));
    near(line.slope, expected[0], 1e-9);
    near(line.intercept, expected[1], 1e-9);
    assert!(line.slope_interval.is_some_and(|i| i.holds(line.slope)));
}

/// The Aswan dam was begun in 1898; Cobb (1978) and all after him find the change there.
#[test]
fn the_nile_changed_in_1898() {
    let flow = numbers("/nile/values");
    let expected = numbers("/nile/pettitt");
    assert_eq!(pettitt(&flow), Some((expected[0] as usize, expected[1])));
    let found = changes(&flow, 999, 1);
    assert_eq!(found.iter().map(|c| 1871 + c.at).collect::<Vec<_>>(), [1899], "first year of the new level");
}

#[test]
fn numbers_of_pairs_are_those_of_the_t_test_over_its_efficiency() {
    for row in fixture("/power").as_array().expect("list") {
        let of = |i: usize| row[i].as_f64().expect("number");
        let expected = of(2) / (3.0 / std::f64::consts::PI);
        near(pairs_needed(1.0, of(0), of(1)) as f64, expected, 1.6);
    }
}

mod simulated {
    use crate::stats::simulate::*;

    /// 2,000 rounds: a share of 95 % has a standard error of 0.5 %.
    #[test]
    fn intervals_of_95_percent_cover_93_to_97() {
        for shape in SHAPES {
            let n = if matches!(shape, Shape::Autocorrelated(_)) { 40 } else { 20 };
            let covered = coverage_of_median(shape, n, 2000, 600, 1);
            assert!((0.93..=0.97).contains(&covered), "{shape:?}, {n} values: {covered}");
        }
    }

    /// Of few runs, where resampling is too narrow. An interval is printed nowhere below the first of these sizes. Half a per
    /// cent more on either side for the scatter of 2,000 rounds; docs/statistics.md has more of them.
    #[test]
    fn intervals_of_few_runs_cover_93_to_97() {
        for shape in SHAPES {
            for blocks in [6, 7, 8, 12] {
                let covered = coverage_of_ratio(shape, blocks, 2000, 2);
                assert!((0.925..=0.975).contains(&covered), "{shape:?}, {blocks} blocks: {covered}");
            }
            let covered = coverage_of_median(shape, crate::stats::FEWEST_IN_SERIES, 2000, 300, 1);
            assert!((0.925..=0.975).contains(&covered), "{shape:?}: {covered}");
        }
        let mut random = crate::stats::Random::new(1);
        let values = Shape::Normal.series(crate::stats::FEWEST_IN_SERIES - 1, &mut random);
        assert_eq!(crate::stats::median_interval(&values, 600, 1), None);
    }

    /// Two records: with runs that resemble their neighbours intervals that take them for independent hold the ratio in
    /// three of four rounds, and half of all pairs of sessions have a false alarm.
    #[test]
    fn two_sessions_are_compared_as_surely_as_they_can_be() {
        for shape in SHAPES {
            let covered = coverage_of_unpaired(shape, 14, 1000, 5);
            assert!((0.93..=0.99).contains(&covered), "{shape:?}: {covered}");
        }
        let alarms = false_alarms_unpaired(Shape::Autocorrelated(0.6), 10, 14, 100, 6);
        assert!(alarms <= 0.08, "{alarms}");
        let base: Vec<f64> = Shape::Normal.series(40, &mut crate::stats::Random::new(1));
        let slower: Vec<f64> =
            Shape::Normal.series(40, &mut crate::stats::Random::new(2)).iter().map(|v| v * 1.2).collect();
        let c = crate::stats::compare_unpaired(&base, &slower, 1).expect("comparison");
        assert_eq!(c.verdict, crate::stats::Verdict::More, "a test that sees nothing raises no alarm either");
    }

    #[test]
    fn sessions_without_a_difference_have_few_false_alarms() {
        for shape in [Shape::Bimodal, Shape::Autocorrelated(0.6)] {
            let alarms = false_alarms(shape, 2, 9, 100, 3);
            assert!(alarms <= 0.08, "{shape:?}: {alarms}");
        }
        assert!(
            detected(Shape::Normal, 1.3, 20, 50, 4) > 0.8,
            "a test that sees nothing raises no alarm either"
        );
    }
}
