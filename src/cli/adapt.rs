//! How long a bench has to be: the pilot's variance components against the width that is wanted.

use crate::measure::pilot::Logs;
use crate::record::schema::Pilot;
use crate::stats::{blocks_for_width, components};

/// So that the verdicts of ten comparisons can survive their correction: 10 * 2 / 2^9 is below 5 %.
const FEWEST: usize = 9;

/// The number of blocks that the workload with the widest spread needs. None where no width is wanted, or where nothing can be
/// paired.
pub fn decide(logs: &Logs, width_wanted: Option<f64>) -> Option<Pilot> {
    let width = width_wanted?;
    let needs = logs.tables().filter_map(|(workload, table)| {
        let parts = components(&table)?;
        let needed = blocks_for_width(parts.residual, width, table.len()).max(FEWEST);
        Some(Pilot {
            blocks: table.len() as u32,
            needed: needed.min(u32::MAX as usize) as u32,
            workload: workload.to_owned(),
            between_blocks: parts.block.sqrt(),
            within_blocks: parts.residual.sqrt(),
        })
    });
    needs.max_by_key(|p| p.needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pilot(spread: f64) -> Logs {
        let mut logs = Logs::default();
        for block in 0..6 {
            let by = 1.0 + spread * f64::from(block * 5 % 7);
            logs.take("hello", block, "process", 10.0);
            logs.take("hello", block, "container", 20.0 * by);
        }
        logs
    }

    #[test]
    fn a_steady_start_needs_few_blocks_and_a_restless_one_many() {
        assert_eq!(decide(&pilot(0.01), None), None);
        assert_eq!(decide(&Logs::default(), Some(0.05)), None);
        assert_eq!(decide(&pilot(0.0), Some(0.05)).expect("pilot").needed, 9);
        let restless = decide(&pilot(0.05), Some(0.05)).expect("pilot");
        assert!(restless.needed > 50 && restless.blocks == 6, "{restless:?}");
        assert!(decide(&pilot(0.05), Some(0.5)).expect("pilot").needed < restless.needed);
    }
}
