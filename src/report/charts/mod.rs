//! Charts, each as SVG and PNG. A figure from emulation carries its mark in every one.

pub(super) mod canvas;
pub mod density;
mod image_size;
mod memory;
mod phases;
mod rows;
mod startup;
pub mod waterfall;

use super::error::{ReportError, io};
use super::summary::Summary;
use crate::record::reader::Record;
use crate::record::schema::TargetFacts;
use canvas::{Canvas, Drawn, WIDTH};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::path::Path;
use std::sync::Once;

/// Cut to Latin letters, digits and signs; its licence stands beside it. Without a font of its own, a chart would
/// need one of the system.
const FONT: &[u8] = include_bytes!("../fonts/DejaVuSans-subset.ttf");
/// Pixels of the PNG per unit of the SVG: sharp on a dense screen.
const PNG_SCALE: i32 = 2;

/// A chart that was drawn.
#[derive(Debug, Clone)]
pub struct Chart {
    /// File name without ending.
    pub name: &'static str,
    /// Title.
    pub title: &'static str,
    /// How it is read.
    pub caption: &'static str,
    /// The drawing.
    pub svg: String,
}

/// What a chart file has to offer: its height, and a drawing that works on both backends.
pub(super) trait Drawing {
    const NAME: &'static str;
    const TITLE: &'static str;
    const CAPTION: &'static str;
    /// None where the record has nothing to draw.
    fn height(&self) -> Option<i32>;
    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn;
}

/// Draws all that the record has figures for, into `dir`.
pub fn draw_all(dir: &Path, record: &Record, summary: &Summary) -> Result<Vec<Chart>, ReportError> {
    register();
    let charts = [
        write(dir, &startup::Startup::of(record, summary))?,
        write(dir, &phases::Phases::of(record))?,
        write(dir, &image_size::ImageSize::of(record, summary))?,
        write(dir, &memory::Memory::of(record, summary))?,
    ];
    Ok(charts.into_iter().flatten().collect())
}

/// Gives the drawing library its font, once.
fn register() {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        // Fails only for a font that cannot be parsed; then drawing fails as well, and says so.
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
}

/// One chart of another room of the report's; none where there is nothing to draw.
pub(super) fn draw<D: Drawing>(dir: &Path, drawing: &D) -> Result<Option<Chart>, ReportError> {
    register();
    write(dir, drawing)
}

fn write<D: Drawing>(dir: &Path, drawing: &D) -> Result<Option<Chart>, ReportError> {
    let Some(height) = drawing.height() else { return Ok(None) };
    let files = ["svg", "png"].map(|end| dir.join(format!("{}.{end}", D::NAME)));
    let mut svg = String::new();
    paint(drawing, SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)), 1)
        .map_err(|why| ReportError::Chart { path: files[0].clone(), why })?;
    std::fs::write(&files[0], &svg).map_err(io("write", &files[0]))?;
    let size = ((WIDTH * PNG_SCALE) as u32, (height * PNG_SCALE) as u32);
    paint(drawing, BitMapBackend::new(&files[1], size), PNG_SCALE)
        .map_err(|why| ReportError::Chart { path: files[1].clone(), why })?;
    Ok(Some(Chart { name: D::NAME, title: D::TITLE, caption: D::CAPTION, svg }))
}

fn paint<D: Drawing, B: DrawingBackend>(drawing: &D, backend: B, scale: i32) -> Drawn {
    let area = backend.into_drawing_area();
    area.fill(&WHITE).map_err(|e| e.to_string())?;
    drawing.draw(&Canvas { area: &area, scale })?;
    area.present().map_err(|e| e.to_string())
}

/// `microvm (tcg)`.
pub(super) fn marked(target: &TargetFacts) -> String {
    if target.accelerator.is_empty() {
        target.name.clone()
    } else {
        format!("{} ({})", target.name, target.accelerator)
    }
}

/// The n-th colour of a series, for the page.
pub(super) fn css_colour(n: usize) -> String {
    let RGBColor(red, green, blue) = canvas::colour(n);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Each target has its colour, the bare process a grey one.
fn colour_of(record: &Record, target: &str) -> RGBColor {
    if target == super::summary::NET {
        return canvas::FAINT;
    }
    let others = record.plan.targets.iter().filter(|t| t.name != super::summary::NET);
    canvas::colour(others.map(|t| &t.name).position(|n| n == target).unwrap_or(0))
}
