//! Memory that is left with each instance, and how long each took to start.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side, colour};
use super::{Drawing, marked, register, write};
use crate::record::density::Density;
use crate::report::density::Summary;
use crate::report::error::ReportError;
use crate::report::format::{tick, value};
use plotters::prelude::DrawingBackend;
use std::path::Path;

const LEFT: i32 = 190;
const RIGHT: i32 = 900;
/// Top of the upper and of the lower field, and their height.
const FIELDS: [i32; 2] = [100, 330];
const HEIGHT: i32 = 170;

struct Chart<'a> {
    density: &'a Density,
    summary: &'a Summary,
}

/// Draws `density.svg` and `density.png`.
pub fn draw(dir: &Path, density: &Density, summary: &Summary) -> Result<(), ReportError> {
    register();
    write(dir, &Chart { density, summary }).map(drop)
}

impl Drawing for Chart<'_> {
    const NAME: &'static str = "density";
    const TITLE: &'static str = "Density: what one more instance costs";
    const CAPTION: &'static str = "Above, the memory that all instances together take of the host; below, how long each \
        took to start.";

    fn height(&self) -> Option<i32> {
        Some(FIELDS[1] + HEIGHT + 40)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        let (starts, header) = (&self.density.starts, &self.density.header);
        let each = value("marginal_bytes", "bytes", self.summary.marginal_bytes);
        let target = marked(&header.target);
        let below = format!("{target}, {}, {} instances: {each} for each", header.workload, starts.len());
        canvas.heading(Self::TITLE, &below)?;
        let x = Axis::linear(LEFT, RIGHT, starts.len() as f64);
        let taken: Vec<f64> =
            starts.iter().map(|s| header.available_before_bytes as f64 - s.available_bytes as f64).collect();
        let startup: Vec<f64> = starts.iter().map(|s| s.startup_ms).collect();
        for (field, (values, name)) in
            [(taken, "taken of MemAvailable"), (startup, "start, ms")].iter().enumerate()
        {
            let (top, bottom) = (FIELDS[field], FIELDS[field] + HEIGHT);
            let largest = values.iter().copied().fold(0.0, f64::max);
            let y = Axis::linear(0, HEIGHT, largest);
            canvas.text(name, (16, top - 16), 13, Side::Left, INK)?;
            let shown =
                if field == 0 { value("marginal_bytes", "bytes", largest) } else { tick(largest.round()) };
            canvas.text(&shown, (LEFT - 10, bottom - y.at(largest)), 12, Side::Right, FAINT)?;
            canvas.text("0", (LEFT - 10, bottom), 12, Side::Right, FAINT)?;
            x.draw(canvas, (top, bottom), tick)?;
            for (start, value) in starts.iter().zip(values) {
                canvas.dot((x.at(f64::from(start.instance)), bottom - y.at(*value)), 3, colour(field))?;
            }
        }
        Ok(())
    }
}
