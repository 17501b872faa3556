//! Memory by part, of workloads that stay.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side, colour};
use super::{Drawing, marked};
use crate::record::reader::Record;
use crate::report::format::{tick, value};
use crate::report::summary::Summary;
use plotters::prelude::DrawingBackend;

const TOP: i32 = 104;
const GROUP: i32 = 24;
const ROW: i32 = 22;
const PARTS: [&str; 4] = [
    "processes (PSS)",
    "monitor: QEMU outside the guest's RAM (PSS)",
    "guest RAM touched (PSS)",
    "kernel memory charged to the run",
];

struct Row {
    label: String,
    parts: [f64; 4],
}

/// Rows by workload.
pub struct Memory {
    groups: Vec<(String, Vec<Row>)>,
}

impl Memory {
    pub fn of(record: &Record, summary: &Summary) -> Self {
        let row = |workload: &str, target: &crate::record::schema::TargetFacts| {
            let figure = |metric: &str| summary.cell(workload, &target.name, metric).map(|c| c.median);
            let (pss, kernel) = (figure("pss_bytes")?, figure("cgroup_kernel_bytes").unwrap_or(0.0));
            let parts = match (figure("vmm_bytes"), figure("guest_ram_touched_bytes")) {
                (Some(vmm), Some(guest)) => [(pss - vmm - guest).max(0.0), vmm, guest, kernel],
                _ => [pss, 0.0, 0.0, kernel],
            };
            Some(Row { label: marked(target), parts })
        };
        let group =
            |name: &str| -> Vec<Row> { record.plan.targets.iter().filter_map(|t| row(name, t)).collect() };
        let groups = record.plan.workloads.iter().map(|w| (w.name.clone(), group(&w.name)));
        Self { groups: groups.filter(|(_, rows)| !rows.is_empty()).collect() }
    }
}

impl Drawing for Memory {
    const NAME: &'static str = "memory";
    const TITLE: &'static str = "Memory: what one instance takes of the host";
    const CAPTION: &'static str = "Medians of the parts, after the workload was ready and had settled. PSS divides a \
        shared page among those who share it; it falls as instances are added, and stands here for one.";

    fn height(&self) -> Option<i32> {
        let rows: usize = self.groups.iter().map(|g| g.1.len()).sum();
        (rows > 0).then(|| TOP + self.groups.len() as i32 * GROUP + rows as i32 * ROW + 36)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        canvas.heading(Self::TITLE, "MiB of the host for one instance, by part; medians")?;
        let names: Vec<_> = PARTS.iter().enumerate().map(|(i, n)| ((*n).to_owned(), colour(i))).collect();
        canvas.legend(&names, 16, 76)?;
        let rows = self.groups.iter().flat_map(|g| &g.1);
        let largest = rows.map(|r| r.parts.iter().sum::<f64>() / MIB).fold(0.0, f64::max);
        let axis = Axis::linear(190, 830, largest);
        let bottom = self.height().unwrap_or_default() - 30;
        axis.draw(canvas, (TOP, bottom), |v| format!("{} MiB", tick(v)))?;
        let mut y = TOP;
        for (workload, rows) in &self.groups {
            canvas.text(workload, (16, y + GROUP / 2), 14, Side::Left, INK)?;
            y += GROUP;
            for row in rows {
                draw_row(canvas, &axis, row, y + ROW / 2)?;
                y += ROW;
            }
        }
        Ok(())
    }
}

const MIB: f64 = 1_048_576.0;

fn draw_row<B: DrawingBackend>(canvas: &Canvas<B>, axis: &Axis, row: &Row, y: i32) -> Drawn {
    canvas.text(&row.label, (180, y), 13, Side::Right, FAINT)?;
    let mut from = 0.0;
    for (i, part) in row.parts.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        canvas.bar((axis.at(from / MIB), y - 7), (axis.at((from + part) / MIB), y + 7), colour(i))?;
        from += part;
    }
    canvas.text(&value("pss_bytes", "bytes", from), (944, y), 13, Side::Right, INK)
}
