//! Memory by part, of workloads that stay.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side, colour};
use super::rows::Groups;
use super::{Drawing, marked};
use crate::record::reader::Record;
use crate::report::format::{tick, value};
use crate::report::summary::Summary;
use plotters::prelude::DrawingBackend;

const TOP: i32 = 104;
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
    groups: Groups<Row>,
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
        Self { groups: Groups::of(record, row) }
    }
}

impl Drawing for Memory {
    const NAME: &'static str = "memory";
    const TITLE: &'static str = "Memory: what one instance takes of the host";
    const CAPTION: &'static str = "Medians of the parts, after the workload was ready and had settled. PSS divides a \
        shared page among those who share it; it falls as instances are added, and stands here for one.";

    fn height(&self) -> Option<i32> {
        self.groups.height().map(|height| TOP + height)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        canvas.heading(Self::TITLE, "MiB of the host for one instance, by part; medians")?;
        let names: Vec<_> = PARTS.iter().enumerate().map(|(i, n)| ((*n).to_owned(), colour(i))).collect();
        canvas.legend(&names, 16, 76)?;
        let largest = self.groups.rows().map(|r| r.parts.iter().sum::<f64>() / MIB).fold(0.0, f64::max);
        let axis = Axis::linear(190, 830, largest);
        let bottom = self.height().unwrap_or_default() - 30;
        axis.draw(canvas, (TOP, bottom), |v| format!("{} MiB", tick(v)))?;
        self.groups.draw(canvas, TOP, |row, y| draw_row(canvas, &axis, row, y))
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
