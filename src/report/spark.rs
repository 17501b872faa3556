//! Small lines of block characters.

use crate::stats::median;

/// Fewest values that make a line.
const FEWEST: usize = 3;

/// Eight heights of bar, lowest to highest value; a value a bar.
pub fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |v: &f64| {
        let share = if high > low { (v - low) / (high - low) } else { 0.0 };
        BARS[(share * 7.0).round() as usize % 8]
    };
    values.iter().map(bar).collect()
}

/// At most eight bars: where there are more values, each is the median of an equal share of them, in their order. Empty
/// below three values.
pub fn in_eighths(values: &[f64]) -> String {
    let n = values.len();
    if n < FEWEST {
        return String::new();
    }
    let bars = n.min(8);
    let share = |i: usize| median(&values[i * n / bars..(i + 1) * n / bars]);
    sparkline(&(0..bars).filter_map(share).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_in_the_order_of_the_values() {
        assert_eq!(sparkline(&[102.0, 104.0, 111.0, 113.0]), "▁▂▇█");
        assert_eq!((sparkline(&[5.0]).as_str(), sparkline(&[]).as_str()), ("▁", ""));
        let rising: Vec<f64> = (0..80).map(f64::from).collect();
        assert_eq!(in_eighths(&rising), "▁▂▃▄▅▆▇█");
        assert_eq!(in_eighths(&rising[..9]).chars().count(), 8);
        assert_eq!((in_eighths(&rising[..3]).as_str(), in_eighths(&rising[..2]).as_str()), ("▁▅█", ""));
    }
}
