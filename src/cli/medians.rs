//! Start-ups so far, while a bench runs: a line for each workload with the median of each target.

use crate::report::number;
use crate::stats::median;
use std::collections::BTreeMap;

/// A target's name and its start-ups, milliseconds.
type Starts = (String, Vec<f64>);

/// A workload's name, and its targets.
type Row = (String, Vec<Starts>);

/// See the module.
#[derive(Debug, Default)]
pub struct Medians {
    /// Workload, and of each target that was measured its start-ups, milliseconds; those not announced come last.
    rows: Vec<Row>,
    /// Which workload was measured last.
    last: usize,
}

impl Medians {
    /// Shows the workloads in this order.
    pub fn of<'a>(workloads: impl Iterator<Item = &'a str>) -> Self {
        Self { rows: workloads.map(|w| (w.to_owned(), Vec::new())).collect(), last: 0 }
    }

    /// Takes a start-up in.
    pub fn take(&mut self, workload: &str, target: &str, startup_ms: f64) {
        let row = place(&mut self.rows, workload);
        self.last = row;
        let targets = &mut self.rows[row].1;
        let at = place(targets, target);
        targets[at].1.push(startup_ms);
    }

    /// At most `most` lines of at most `width` columns: those of the workloads that were measured last, in their order.
    /// `order` is that of the targets, by name; what is not in it comes last.
    pub fn lines(&self, order: &[String], most: usize, width: usize) -> Vec<String> {
        let from = if self.rows.len() <= most { 0 } else { (self.last + 1).saturating_sub(most) };
        let measured = |row: &&Row| !row.1.is_empty();
        let names = self.rows.iter().map(|r| r.0.chars().count()).max().unwrap_or(0);
        let rank: BTreeMap<&str, usize> = order.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let line = |(workload, targets): &Row| {
            let mut shown: Vec<&Starts> = targets.iter().collect();
            shown.sort_by_key(|t| rank.get(t.0.as_str()).copied().unwrap_or(usize::MAX));
            let part =
                |t: &&Starts| median(&t.1).map_or(String::new(), |m| format!("{} {} ms", t.0, number(m)));
            let parts: Vec<String> = shown.iter().map(part).collect();
            cut(&format!("{workload:<names$}  {}", parts.join("  ")), width)
        };
        self.rows.iter().skip(from).take(most).filter(measured).map(line).collect()
    }
}

/// Where the entry of this name is; it is made where there is none.
fn place<T: Default>(all: &mut Vec<(String, T)>, name: &str) -> usize {
    all.iter().position(|e| e.0 == name).unwrap_or_else(|| {
        all.push((name.to_owned(), T::default()));
        all.len() - 1
    })
}

/// Not wider than `width`; what is cut off is marked.
pub fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_workload_in_the_order_of_the_targets() {
        let mut medians = Medians::of(["hello", "http", "never"].into_iter());
        let order = ["process".to_owned(), "container".to_owned()];
        for (workload, target, ms) in [
            ("http", "container", 4.0),
            ("http", "process", 0.5),
            ("hello", "process", 1.0),
            ("http", "container", 6.0),
        ] {
            medians.take(workload, target, ms);
        }
        assert_eq!(
            medians.lines(&order, 9, 80),
            ["hello  process 1.00 ms", "http   process 0.500 ms  container 5.00 ms"]
        );
        assert_eq!(medians.lines(&order, 1, 12), ["http   proc…"], "of too many, the last measured");
        medians.take("new", "process", 1.0);
        assert_eq!(medians.lines(&order, 1, 80), ["new    process 1.00 ms"]);
        assert!(Medians::default().lines(&order, 9, 80).is_empty());
    }
}
