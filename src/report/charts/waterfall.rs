//! What each choice of a chain is worth, from the first target's start-up down to the last one's.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side, WIDTH, colour};
use super::{Drawing, register, write};
use crate::report::ablation::{Ablation, Step};
use crate::report::error::ReportError;
use crate::report::format::{number, tick};
use plotters::prelude::DrawingBackend;
use std::path::Path;

const LEFT: i32 = 250;
const RIGHT: i32 = 860;
const TOP: i32 = 84;
/// Of one row.
const ROW: i32 = 44;
/// Of its bar.
const BAR: i32 = 16;

struct Waterfall<'a>(&'a Ablation);

/// Draws `ablation.svg` and `ablation.png`.
pub fn draw(dir: &Path, ablation: &Ablation) -> Result<(), ReportError> {
    register();
    write(dir, &Waterfall(ablation)).map(drop)
}

impl Waterfall<'_> {
    /// The whole for the first, the change for each other; what was saved in one colour, what was added in another.
    fn row<B: DrawingBackend>(&self, canvas: &Canvas<B>, x: &Axis, n: usize, before: Option<&Step>) -> Drawn {
        let step = &self.0.steps[n];
        let y = TOP + n as i32 * ROW;
        canvas.text(&step.target, (LEFT - 12, y + BAR / 2), 13, Side::Right, INK)?;
        canvas.text(&step.what, (LEFT, y + BAR + 10), 11, Side::Left, FAINT)?;
        let from = before.map_or(0.0, |b| b.startup_ms);
        let (low, high) = (from.min(step.startup_ms), from.max(step.startup_ms));
        let paint = match step.change_ms {
            None => FAINT,
            Some(change) if change > 0.0 => colour(1),
            Some(_) => colour(2),
        };
        canvas.bar((x.at(low), y), (x.at(high), y + BAR), paint)?;
        let whole = format!("{} ms", number(step.startup_ms));
        let change = step.change_ms.map(|c| format!("{}{}", if c > 0.0 { "+" } else { "" }, number(c)));
        let says = change.map_or(whole.clone(), |c| format!("{c}, now {whole}"));
        // Beside its bar: on the left of those that end far on the right.
        if x.at(high) > (LEFT + RIGHT) / 2 && before.is_some() {
            return canvas.text(&says, (x.at(low) - 8, y + BAR / 2), 12, Side::Right, INK);
        }
        let side = if before.is_none() { (WIDTH - 16, Side::Right) } else { (x.at(high) + 8, Side::Left) };
        canvas.text(&says, (side.0, y + BAR / 2), 12, side.1, INK)
    }
}

impl Drawing for Waterfall<'_> {
    const NAME: &'static str = "ablation";
    const TITLE: &'static str = "What each choice is worth";
    const CAPTION: &'static str = "Start-up of the workload; each row adds one choice to those above it, and its bar is what that changed.";

    fn height(&self) -> Option<i32> {
        (!self.0.steps.is_empty()).then(|| TOP + self.0.steps.len() as i32 * ROW + 30)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        let mark = if self.0.accelerator.is_empty() { "" } else { &self.0.accelerator };
        let off = number(self.0.off().abs() * 100.0);
        let below = format!("start-up, ms ({mark}), medians; the changes add up to the whole within {off} %");
        canvas.heading(Self::TITLE, &below)?;
        let largest = self.0.steps.iter().map(|s| s.startup_ms).fold(0.0, f64::max);
        let x = Axis::linear(LEFT, RIGHT, largest);
        x.draw(canvas, (TOP - 8, TOP + self.0.steps.len() as i32 * ROW), tick)?;
        for n in 0..self.0.steps.len() {
            self.row(canvas, &x, n, n.checked_sub(1).map(|b| &self.0.steps[b]))?;
        }
        Ok(())
    }
}
