//! Start-ups by block and target: what the length of a bench is decided on.

use std::collections::BTreeMap;

/// Logarithms of start-ups: workload, block, target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logs(BTreeMap<String, BTreeMap<u32, BTreeMap<String, f64>>>);

impl Logs {
    /// Takes in a start-up of a measured run that did not fail.
    pub fn take(&mut self, workload: &str, block: u32, target: &str, startup_ms: f64) {
        if startup_ms > 0.0 {
            let blocks = self.0.entry(workload.to_owned()).or_default();
            blocks.entry(block).or_default().insert(target.to_owned(), startup_ms.ln());
        }
    }

    /// By workload, a table of the blocks in which no target failed: a row a block, a column a target.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Vec<Vec<f64>>)> {
        self.0.iter().map(|(workload, blocks)| {
            let widest = blocks.values().map(BTreeMap::len).max().unwrap_or(0);
            let whole = blocks.values().filter(|b| b.len() == widest);
            (workload.as_str(), whole.map(|b| b.values().copied().collect()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_failed_run_is_left_out() {
        let mut logs = Logs::default();
        for block in 1..=3 {
            logs.take("hello", block, "process", 1.0);
            if block != 2 {
                logs.take("hello", block, "container", std::f64::consts::E);
            }
        }
        let tables: Vec<_> = logs.tables().collect();
        assert_eq!(tables, [("hello", vec![vec![1.0, 0.0]; 2])]);
    }
}
