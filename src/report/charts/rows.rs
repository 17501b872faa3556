//! Rows of targets below the name of their workload, as the charts of start-up and memory have them.

use super::canvas::{Canvas, Drawn, INK, Side};
use crate::record::reader::Record;
use crate::record::schema::TargetFacts;
use plotters::prelude::DrawingBackend;

/// Height of a workload's name.
const GROUP: i32 = 24;
/// And of a target's row.
const ROW: i32 = 22;

/// Rows by workload, in the plan's order; workloads without any are left out.
pub struct Groups<R>(Vec<(String, Vec<R>)>);

impl<R> Groups<R> {
    /// Of those that `row` makes something of.
    pub fn of(record: &Record, row: impl Fn(&str, &TargetFacts) -> Option<R>) -> Self {
        let group =
            |name: &str| -> Vec<R> { record.plan.targets.iter().filter_map(|t| row(name, t)).collect() };
        let groups = record.plan.workloads.iter().map(|w| (w.name.clone(), group(&w.name)));
        Self(groups.filter(|(_, rows)| !rows.is_empty()).collect())
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.0.iter().flat_map(|g| &g.1)
    }

    /// Of all of it, without what stands above; none where there is nothing.
    pub fn height(&self) -> Option<i32> {
        let rows = self.rows().count() as i32;
        (rows > 0).then(|| self.0.len() as i32 * GROUP + rows * ROW + 36)
    }

    /// Draws each row about the middle line that it is given.
    pub fn draw<B: DrawingBackend>(
        &self,
        canvas: &Canvas<B>,
        top: i32,
        draw_row: impl Fn(&R, i32) -> Drawn,
    ) -> Drawn {
        let mut y = top;
        for (workload, rows) in &self.0 {
            canvas.text(workload, (16, y + GROUP / 2), 14, Side::Left, INK)?;
            y += GROUP;
            for row in rows {
                draw_row(row, y + ROW / 2)?;
                y += ROW;
            }
        }
        Ok(())
    }
}
