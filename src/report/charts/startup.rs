//! Start-up: every sample, the interval of the median, the median.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side};
use super::rows::Groups;
use super::{Drawing, colour_of, marked};
use crate::record::reader::Record;
use crate::report::format::{tick, value};
use crate::report::summary::{Cell, Summary, values};
use plotters::prelude::{DrawingBackend, RGBColor};
use std::collections::HashMap;

const TOP: i32 = 74;
/// So many dots on one another are as dark as any more: those that follow would not be seen.
const DARKEST: usize = 8;

struct Row {
    label: String,
    colour: RGBColor,
    samples: Vec<f64>,
    cell: Cell,
}

/// Rows by workload.
pub struct Startup {
    groups: Groups<Row>,
}

impl Startup {
    pub fn of(record: &Record, summary: &Summary) -> Self {
        let row = |workload: &str, target: &crate::record::schema::TargetFacts| {
            let cell = summary.cell(workload, &target.name, "startup_ms")?.clone();
            let samples = values(record, workload, &target.name, "startup_ms");
            let samples = samples.into_iter().filter_map(|s| s.value).collect();
            Some(Row { label: marked(target), colour: colour_of(record, &target.name), samples, cell })
        };
        Self { groups: Groups::of(record, row) }
    }
}

impl Drawing for Startup {
    const NAME: &'static str = "startup";
    const TITLE: &'static str = "Start-up: from the launch until the workload is ready";
    const CAPTION: &'static str = "Each dot is one run, the bar is the 95 % interval of the median, the stroke is the \
        median. The axis is logarithmic: each line is ten times the one before it.";

    fn height(&self) -> Option<i32> {
        self.groups.height().map(|height| TOP + height)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        canvas.heading(
            Self::TITLE,
            "milliseconds, logarithmic; dots: every run; bar: 95 % interval; stroke: median",
        )?;
        let axis = Axis::log(190, 820, self.groups.rows().flat_map(|r| r.samples.iter().copied()));
        let bottom = self.height().unwrap_or_default() - 30;
        axis.draw(canvas, (TOP, bottom), |v| format!("{} ms", tick(v)))?;
        self.groups.draw(canvas, TOP, |row, y| draw_row(canvas, &axis, row, y))
    }
}

fn draw_row<B: DrawingBackend>(canvas: &Canvas<B>, axis: &Axis, row: &Row, y: i32) -> Drawn {
    canvas.text(&row.label, (180, y), 13, Side::Right, FAINT)?;
    let mut there: HashMap<(i32, i32), usize> = HashMap::new();
    for (i, sample) in row.samples.iter().enumerate() {
        // Spread over the row's height in a fixed pattern, so that equal values do not hide one another.
        let at = (axis.at(*sample), y + [0, -4, 4, -2, 2, -5, 5][i % 7]);
        let dots = there.entry(at).or_default();
        *dots += 1;
        if *dots <= DARKEST {
            canvas.dot(at, 3, row.colour)?;
        }
    }
    if let (Some(low), Some(high)) = (row.cell.low, row.cell.high) {
        canvas.bar((axis.at(low), y - 2), (axis.at(high), y + 2), row.colour)?;
    }
    let x = axis.at(row.cell.median);
    canvas.bar((x - 1, y - 8), (x + 1, y + 8), row.colour)?;
    let figure = value("startup_ms", "ms", row.cell.median);
    canvas.text(&figure, (944, y), 13, Side::Right, INK)
}
