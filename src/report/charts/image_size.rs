//! Image size, from MB to GB.

use super::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side};
use super::{Drawing, colour_of, marked};
use crate::record::reader::Record;
use crate::report::format::value;
use crate::report::summary::{NET, Summary};
use plotters::prelude::{DrawingBackend, RGBColor};

const TOP: i32 = 74;
const GROUP: i32 = 24;
const ROW: i32 = 20;

/// Label, colour, bytes.
type Row = (String, RGBColor, f64);

/// Rows by image.
pub struct ImageSize {
    groups: Vec<(String, Vec<Row>)>,
}

impl ImageSize {
    pub fn of(record: &Record, summary: &Summary) -> Self {
        let mut groups: Vec<(String, Vec<Row>)> = Vec::new();
        for workload in &record.plan.workloads {
            if groups.iter().any(|(image, _)| *image == workload.image) {
                continue;
            }
            let rows = rows(record, summary, &workload.name);
            if !rows.is_empty() {
                groups.push((workload.image.clone(), rows));
            }
        }
        Self { groups }
    }
}

fn rows(record: &Record, summary: &Summary, workload: &str) -> Vec<Row> {
    let figure = |target: &str, metric: &str| summary.cell(workload, target, metric).map(|c| c.median);
    let any = |metric: &str| record.plan.targets.iter().find_map(|t| figure(&t.name, metric));
    let image =
        [("image, in a registry", "image_registry_bytes"), ("image, unpacked", "image_unpacked_bytes")];
    let mut rows: Vec<Row> = image
        .iter()
        .filter_map(|(label, metric)| Some(((*label).to_owned(), colour_of(record, NET), any(metric)?)))
        .collect();
    for target in record.plan.targets.iter().filter(|t| !t.accelerator.is_empty()) {
        if let Some(bytes) = figure(&target.name, "shipped_bytes") {
            rows.push((
                format!("{}, all that boots", marked(target)),
                colour_of(record, &target.name),
                bytes,
            ));
        }
    }
    rows
}

impl Drawing for ImageSize {
    const NAME: &'static str = "image_size";
    const TITLE: &'static str = "Image size: what has to be stored and shipped";
    const CAPTION: &'static str = "An image's bytes as a registry keeps them and unpacked, and all that a machine boots: \
        kernel, initramfs, firmware and root disk. The axis is logarithmic, from megabytes to gigabytes.";

    fn height(&self) -> Option<i32> {
        let rows: usize = self.groups.iter().map(|g| g.1.len()).sum();
        (rows > 0).then(|| TOP + self.groups.len() as i32 * GROUP + rows as i32 * ROW + 36)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        canvas.heading(Self::TITLE, "bytes, logarithmic; 1 MB = 1,000,000 bytes")?;
        let sizes = self.groups.iter().flat_map(|g| &g.1).map(|r| r.2);
        // Up to a gigabyte in any case: the scale on which images of machines are measured.
        let axis = Axis::log(250, 830, sizes.chain([1e6, 1e9]));
        let bottom = self.height().unwrap_or_default() - 30;
        axis.draw(canvas, (TOP, bottom), tick)?;
        let mut y = TOP;
        for (image, rows) in &self.groups {
            canvas.text(image, (16, y + GROUP / 2), 14, Side::Left, INK)?;
            y += GROUP;
            for (label, colour, bytes) in rows {
                let middle = y + ROW / 2;
                canvas.text(label, (240, middle), 13, Side::Right, FAINT)?;
                canvas.bar((axis.x0, middle - 1), (axis.at(*bytes), middle + 1), *colour)?;
                canvas.bar((axis.at(*bytes) - 4, middle - 6), (axis.at(*bytes) + 4, middle + 6), *colour)?;
                let figure = value("shipped_bytes", "bytes", *bytes);
                canvas.text(&figure, (944, middle), 13, Side::Right, INK)?;
                y += ROW;
            }
        }
        Ok(())
    }
}

fn tick(bytes: f64) -> String {
    let (scale, unit) = if bytes >= 1e9 {
        (1e9, "GB")
    } else if bytes >= 1e6 {
        (1e6, "MB")
    } else {
        (1e3, "kB")
    };
    format!("{} {unit}", bytes / scale)
}
