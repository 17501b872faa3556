//! What all charts share: a canvas whose units are those of a page 960 wide, colours, an axis.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of every chart, in its own units.
pub const WIDTH: i32 = 960;
/// Ink of text.
pub const INK: RGBColor = RGBColor(31, 41, 55);
/// Lesser text.
pub const FAINT: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);

/// Okabe and Ito's colours, which people with colour-blindness can tell apart (jfly.uni-koeln.de/color).
const SERIES: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 240),
    RGBColor(160, 130, 90),
    RGBColor(75, 85, 99),
    RGBColor(190, 190, 60),
    RGBColor(150, 20, 60),
    RGBColor(20, 60, 60),
];

/// The n-th colour of a series.
pub fn colour(n: usize) -> RGBColor {
    SERIES[n % SERIES.len()]
}

/// Where text stands about its point.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// Text begins at the point.
    Left,
    /// It is centred on it.
    Centre,
    /// It ends there.
    Right,
}

/// What a drawing step gives back: the backend's error as text, since the two backends have different types.
pub type Drawn = Result<(), String>;

/// A drawing area and its magnification.
pub struct Canvas<'a, B: DrawingBackend> {
    /// Where it is drawn.
    pub area: &'a DrawingArea<B, Shift>,
    /// Pixels per unit.
    pub scale: i32,
}

impl<B: DrawingBackend> Canvas<'_, B> {
    fn at(&self, x: i32, y: i32) -> (i32, i32) {
        (x * self.scale, y * self.scale)
    }

    /// A filled rectangle.
    pub fn bar(&self, (x0, y0): (i32, i32), (x1, y1): (i32, i32), colour: impl Into<RGBAColor>) -> Drawn {
        let style = ShapeStyle { color: colour.into(), filled: true, stroke_width: 0 };
        let shape = Rectangle::new([self.at(x0, y0), self.at(x1.max(x0 + 1), y1)], style);
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    /// A dot that lets others shine through.
    pub fn dot(&self, (x, y): (i32, i32), radius: i32, colour: RGBColor) -> Drawn {
        let shape = Circle::new(self.at(x, y), radius * self.scale, colour.mix(0.35).filled());
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    /// Text whose middle line is at y.
    pub fn text(&self, text: &str, (x, y): (i32, i32), size: i32, side: Side, colour: RGBColor) -> Drawn {
        let horizontal = match side {
            Side::Left => HPos::Left,
            Side::Centre => HPos::Center,
            Side::Right => HPos::Right,
        };
        let font = ("sans-serif", f64::from(size * self.scale)).into_font().color(&colour);
        let style = font.pos(Pos::new(horizontal, VPos::Center));
        let shape = Text::new(text.to_owned(), self.at(x, y), style);
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    /// Title and a line below it.
    pub fn heading(&self, title: &str, below: &str) -> Drawn {
        self.text(title, (16, 24), 20, Side::Left, INK)?;
        self.text(below, (16, 48), 13, Side::Left, FAINT)
    }

    /// Squares of colour with their names, in one or more lines from y on; gives the next free y.
    pub fn legend(&self, names: &[(String, RGBColor)], left: i32, y: i32) -> Result<i32, String> {
        let (mut x, mut y) = (left, y);
        for (name, colour) in names {
            // An estimate of the width: seven units a character at size 12 is on the safe side of this font.
            let width = 26 + 7 * name.chars().count() as i32;
            if x + width > WIDTH - 16 && x > left {
                (x, y) = (left, y + 20);
            }
            self.bar((x, y - 5), (x + 11, y + 6), *colour)?;
            self.text(name, (x + 16, y), 12, Side::Left, INK)?;
            x += width;
        }
        Ok(y + 20)
    }
}

/// A horizontal axis from x0 to x1.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// Left end.
    pub x0: i32,
    /// Right end.
    pub x1: i32,
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// From zero to a little above the largest.
    pub fn linear(x0: i32, x1: i32, largest: f64) -> Self {
        Self { x0, x1, low: 0.0, high: if largest > 0.0 { largest * 1.02 } else { 1.0 }, log: false }
    }

    /// Whole decades around all positive values.
    pub fn log(x0: i32, x1: i32, values: impl Iterator<Item = f64>) -> Self {
        let positive = values.filter(|v| *v > 0.0);
        let (low, high) = positive.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v.log10()), h.max(v)));
        if !low.is_finite() {
            return Self { x0, x1, low: 0.0, high: 1.0, log: true };
        }
        let low = (low - 0.02).floor();
        Self { x0, x1, low, high: (high.log10() + 0.02).ceil().max(low + 1.0), log: true }
    }

    /// Where a value stands.
    pub fn at(&self, value: f64) -> i32 {
        let place = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let part = ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.x0 + (part * f64::from(self.x1 - self.x0)).round() as i32
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            return (self.low as i32..=self.high as i32).map(|e| 10_f64.powi(e)).collect();
        }
        // 1, 2 or 5 times a power of ten, so that there are four to ten of them.
        let rough = self.high / 6.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|s| *s >= rough);
        let step = step.unwrap_or(self.high);
        (0..).map(|i| f64::from(i) * step).take_while(|v| *v <= self.high).collect()
    }

    /// Lines from `top` to `bottom` with their values below.
    pub fn draw<B: DrawingBackend>(
        &self,
        canvas: &Canvas<B>,
        (top, bottom): (i32, i32),
        label: impl Fn(f64) -> String,
    ) -> Drawn {
        for tick in self.ticks() {
            let x = self.at(tick);
            canvas.bar((x, top), (x + 1, bottom), GRID)?;
            canvas.text(&label(tick), (x, bottom + 12), 12, Side::Centre, FAINT)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn axes_hold_their_values() {
        let axis = Axis::log(100, 300, [0.0, 3.0, 950.0].into_iter());
        assert_eq!((axis.at(1.0), axis.at(1000.0), axis.ticks().len()), (100, 300, 4));
        let axis = Axis::linear(0, 102, 100.0);
        assert_eq!((axis.at(50.0), axis.ticks()), (50, vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0]));
        assert_eq!(Axis::log(0, 10, std::iter::empty()).at(1.0), 0);
    }
}
