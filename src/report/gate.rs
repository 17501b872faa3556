//! Gates: limits on how much worse a figure may become.

use super::compare::{Estimate, Line};
use crate::record::schema::unit_of;
use serde::Serialize;

/// `[WORKLOAD/TARGET:]METRIC<+N%`, or `<+N` in the metric's unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// As given.
    pub text: String,
    /// Workload and target, where only theirs is meant.
    pub only: Option<(String, String)>,
    /// Metric.
    pub metric: String,
    /// Limit of the increase: a share where `relative`, else in the unit.
    pub limit: f64,
    /// See `limit`.
    pub relative: bool,
}

/// What a gate says of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The whole interval lies within the limit.
    Kept,
    /// The whole interval lies beyond it.
    Broken,
    /// The limit lies in the interval, or there is none: more runs would tell.
    Undecided,
}

impl std::str::FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what} in the gate {text:?}: write METRIC<+5% or METRIC<+20");
        let (left, right) = text.split_once('<').ok_or_else(|| wrong("no < is"))?;
        let (only, metric) = match left.split_once(':') {
            Some((place, metric)) => {
                let (workload, target) =
                    place.split_once('/').ok_or_else(|| wrong("WORKLOAD/TARGET is not"))?;
                (Some((workload.trim().to_owned(), target.trim().to_owned())), metric)
            }
            None => (None, left),
        };
        let metric = metric.trim().to_owned();
        if unit_of(&metric).is_none() {
            return Err(wrong(&format!("{metric:?} is no metric")));
        }
        let right = right.trim();
        let relative = right.ends_with('%');
        let number = right.trim_end_matches('%').trim().parse::<f64>().ok().filter(|n| n.is_finite());
        let number = number.ok_or_else(|| wrong("no number is"))?;
        let limit = if relative { number / 100.0 } else { number };
        Ok(Self { text: text.to_owned(), only, metric, limit, relative })
    }
}

impl Gate {
    /// None where the line is not the gate's.
    pub fn holds(&self, line: &Line) -> Option<Held> {
        let mine = self.only.as_ref().is_none_or(|(w, t)| *w == line.workload && *t == line.target);
        if !mine || line.metric != self.metric {
            return None;
        }
        if !self.relative {
            return Some(self.judge(line.difference, line.verdict, 0.0));
        }
        Some(line.ratio.map_or(Held::Undecided, |r| self.judge(r, line.verdict, 1.0)))
    }

    fn judge(&self, figure: Estimate, verdict: &str, none: f64) -> Held {
        let limit = none + self.limit;
        match (figure.low, figure.high) {
            (Some(low), Some(high)) if verdict != "too few runs" => {
                if low > limit {
                    Held::Broken
                } else if high <= limit {
                    Held::Kept
                } else {
                    Held::Undecided
                }
            }
            _ if verdict == "one value" => {
                if figure.value > limit {
                    Held::Broken
                } else {
                    Held::Kept
                }
            }
            _ => Held::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(low: f64, high: f64) -> Line {
        let ratio = Estimate { value: (low + high) / 2.0, low: Some(low), high: Some(high) };
        let difference = Estimate { value: 5.0, low: None, high: None };
        Line {
            workload: "hello".into(),
            target: "container".into(),
            metric: "startup_ms".into(),
            unit: "ms".into(),
            base: 100.0,
            new: 105.0,
            runs: (20, 20),
            paired: false,
            difference,
            ratio: Some(ratio),
            p: 0.01,
            verdict: "more",
        }
    }

    #[test]
    fn a_gate_is_broken_only_when_that_is_sure() {
        let gate: Gate = "startup_ms<+5%".parse().expect("gate");
        assert_eq!(gate.holds(&line(1.06, 1.09)), Some(Held::Broken));
        assert_eq!(gate.holds(&line(1.03, 1.09)), Some(Held::Undecided));
        assert_eq!(gate.holds(&line(0.99, 1.04)), Some(Held::Kept));
        let other: Gate = "hello/microvm:startup_ms < +5 %".parse().expect("gate");
        assert_eq!(other.holds(&line(1.06, 1.09)), None);
        let fact = Line { verdict: "one value", ..line(1.0, 1.0) };
        let gate: Gate = "startup_ms<+4".parse().expect("gate");
        assert_eq!(gate.holds(&fact), Some(Held::Broken));
        assert_eq!(gate.holds(&Line { verdict: "too few runs", ..fact }), Some(Held::Undecided));
    }

    #[test]
    fn a_wrong_gate_says_what_is_wrong() {
        for (text, says) in [
            ("startup_ms", "no <"),
            ("speed<+5%", "no metric"),
            ("rate<much", "no number"),
            ("a:rate<1", "WORKLOAD"),
        ] {
            let e = text.parse::<Gate>().expect_err(text);
            assert!(e.contains(says) && e.contains(text), "{e}");
        }
    }
}
