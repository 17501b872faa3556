//! Where the start-up goes: stacked bars, a panel for each target, since a container's milliseconds would not be seen
//! beside a machine's seconds.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side, colour};
use super::{Drawing, marked};
use crate::record::reader::Record;
use crate::report::format::{tick, value};
use crate::report::summary::NET;
use crate::report::timeline::nearest_to_median;
use plotters::prelude::{DrawingBackend, RGBColor};

const TOP: i32 = 74;
const ROW: i32 = 24;
/// Title, legend of up to two lines, axis.
const AROUND: i32 = 106;
const QUIET: RGBColor = RGBColor(200, 204, 212);

struct Bar {
    workload: String,
    /// Phase and milliseconds, in order.
    parts: Vec<(String, f64)>,
}

impl Bar {
    fn whole(&self) -> f64 {
        self.parts.iter().map(|p| p.1).sum()
    }
}

struct Panel {
    title: String,
    bars: Vec<Bar>,
    names: Vec<(String, RGBColor)>,
}

/// A panel for each target that has phases.
pub struct Phases {
    panels: Vec<Panel>,
}

impl Phases {
    pub fn of(record: &Record) -> Self {
        let boxes = record.plan.targets.iter().filter(|t| t.name != NET);
        let panels = boxes.filter_map(|target| {
            let workloads = record.plan.workloads.iter();
            let bars: Vec<Bar> = workloads.filter_map(|w| bar(record, &w.name, &target.name)).collect();
            let mut names: Vec<(String, RGBColor)> = Vec::new();
            for (phase, _) in bars.iter().flat_map(|b| &b.parts) {
                if names.iter().all(|(n, _)| n != phase) {
                    // The workload's own part is not the box's: grey, on every panel.
                    let of_phase = if phase == "workload" { QUIET } else { colour(names.len()) };
                    names.push((phase.clone(), of_phase));
                }
            }
            (names.len() > 1).then(|| Panel { title: marked(target), bars, names })
        });
        Self { panels: panels.collect() }
    }
}

/// The phases of the run in the middle: a real run, whose phases add up, which medians of phases do not.
fn bar(record: &Record, workload: &str, target: &str) -> Option<Bar> {
    let run = nearest_to_median(record, workload, target)?;
    let phases = record.phases.iter().filter(|p| p.run == run);
    let parts: Vec<_> = phases.map(|p| (p.phase.clone(), p.duration_ms)).collect();
    (!parts.is_empty()).then(|| Bar { workload: workload.to_owned(), parts })
}

impl Drawing for Phases {
    const NAME: &'static str = "phases";
    const TITLE: &'static str = "Where the start-up goes";
    const CAPTION: &'static str = "The phases of the run whose start-up is the median one; they add up to it. Each \
        target has an axis of its own.";

    fn height(&self) -> Option<i32> {
        let panels = self.panels.iter().map(|p| AROUND + p.bars.len() as i32 * ROW);
        (!self.panels.is_empty()).then(|| TOP + panels.sum::<i32>())
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        canvas.heading(
            Self::TITLE,
            "milliseconds; the phases of the median run; each target has an axis of its own",
        )?;
        let mut y = TOP;
        for panel in &self.panels {
            draw_panel(canvas, panel, y)?;
            y += AROUND + panel.bars.len() as i32 * ROW;
        }
        Ok(())
    }
}

fn draw_panel<B: DrawingBackend>(canvas: &Canvas<B>, panel: &Panel, top: i32) -> Drawn {
    canvas.text(&panel.title, (16, top + 10), 15, Side::Left, INK)?;
    let y = canvas.legend(&panel.names, 180, top + 10)?;
    let mut y = y.max(top + 48);
    let axis = Axis::linear(180, 830, panel.bars.iter().map(Bar::whole).fold(0.0, f64::max));
    let bottom = y + panel.bars.len() as i32 * ROW;
    axis.draw(canvas, (y, bottom), |v| format!("{} ms", tick(v)))?;
    for bar in &panel.bars {
        let middle = y + ROW / 2;
        canvas.text(&bar.workload, (170, middle), 13, Side::Right, FAINT)?;
        let mut from = 0.0;
        for (phase, ms) in &bar.parts {
            let of_phase = panel.names.iter().find(|(n, _)| n == phase).map_or(FAINT, |n| n.1);
            if axis.at(from + ms) > axis.at(from) {
                canvas.bar((axis.at(from), middle - 8), (axis.at(from + ms), middle + 8), of_phase)?;
            }
            from += ms;
        }
        canvas.text(&value("startup_ms", "ms", bar.whole()), (944, middle), 13, Side::Right, INK)?;
        y += ROW;
    }
    Ok(())
}
