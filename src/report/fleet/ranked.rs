//! Hosts in the order of their start-up: a curve, however many there are, and a name for the oddest only.

use super::super::charts::Drawing;
use super::super::charts::canvas::{Axis, Canvas, Drawn, FAINT, INK, Side, colour};
use super::super::format::{tick, value};
use super::gather::Gathered;
use super::hosts::OddHost;
use crate::record::schema::METRICS;
use crate::stats::{median, quantile};
use plotters::prelude::DrawingBackend;
use std::collections::{BTreeMap, BTreeSet};

const TOP: i32 = 74;
const PANEL: i32 = 76;
/// Names in a panel.
const NAMED: usize = 3;
/// Dots in a panel: more would be one on another.
const DOTS: usize = 400;

struct Panel {
    label: String,
    colour: usize,
    /// (median, name if odd), ascending.
    hosts: Vec<(f64, Option<String>)>,
}

/// A panel for each workload and target.
pub struct Ranked {
    panels: Vec<Panel>,
    hosts: usize,
}

impl Ranked {
    /// Of the start-ups.
    pub fn of(gathered: &Gathered, odd: &[OddHost]) -> Self {
        let mut strange: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for o in odd.iter().filter(|o| o.metric == "startup_ms") {
            strange.entry((&o.workload, &o.target)).or_default().insert(&o.host);
        }
        let keys = gathered.keys().filter(|k| METRICS[k.2].0 == "startup_ms");
        let panels = keys.map(|key| {
            let (workload, target) = (&gathered.workloads[key.0], &gathered.targets[key.1]);
            let mark = strange.get(&(workload.as_str(), target.as_str()));
            let (numbers, values) = gathered.of_key(key);
            let host = |(number, values): (&usize, &crate::stats::HostValues)| {
                let host = &gathered.hosts[*number];
                let values: Vec<f64> = values.iter().flatten().map(|v| v.1).collect();
                let name = mark.is_some_and(|m| m.contains(host.id.as_str())).then(|| host.name.clone());
                Some((median(&values)?, name))
            };
            let mut hosts: Vec<_> = numbers.iter().zip(&values).filter_map(host).collect();
            hosts.sort_by(|a, b| a.0.total_cmp(&b.0));
            let accelerator = &gathered.accelerators[key.1];
            let label =
                if accelerator.is_empty() { target.clone() } else { format!("{target} ({accelerator})") };
            Panel { label: format!("{workload}, {label}"), colour: key.1, hosts }
        });
        Self { panels: panels.collect(), hosts: gathered.hosts.len() }
    }
}

impl Drawing for Ranked {
    const NAME: &'static str = "hosts";
    const TITLE: &'static str = "Start-up: the hosts in order";
    const CAPTION: &'static str = "Each panel is one workload on one target; each dot is one host's median, the \
        fastest at the top. The bar holds the middle half of the hosts, the stroke is their median. Dots with a ring \
        are hosts unlike the others of their group, the oddest with their names. The axis is logarithmic.";

    fn height(&self) -> Option<i32> {
        (!self.panels.is_empty()).then(|| TOP + self.panels.len() as i32 * PANEL + 36)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        canvas
            .heading(Self::TITLE, &format!("milliseconds, logarithmic; {} hosts, a dot each", self.hosts))?;
        let all = self.panels.iter().flat_map(|p| p.hosts.iter().map(|h| h.0));
        let axis = Axis::log(230, 830, all);
        let bottom = self.height().unwrap_or_default() - 30;
        axis.draw(canvas, (TOP, bottom), |v| format!("{} ms", tick(v)))?;
        for (at, panel) in self.panels.iter().enumerate() {
            draw_panel(canvas, &axis, panel, TOP + at as i32 * PANEL)?;
        }
        Ok(())
    }
}

fn draw_panel<B: DrawingBackend>(canvas: &Canvas<B>, axis: &Axis, panel: &Panel, top: i32) -> Drawn {
    let colour = colour(panel.colour);
    canvas.text(&panel.label, (220, top + PANEL / 2), 13, Side::Right, INK)?;
    let medians: Vec<f64> = panel.hosts.iter().map(|h| h.0).collect();
    let (Some(low), Some(middle), Some(high)) =
        (quantile(&medians, 0.25), quantile(&medians, 0.5), quantile(&medians, 0.75))
    else {
        return Ok(());
    };
    let last = panel.hosts.len().max(2) as i32 - 1;
    let height = |rank: usize| top + 8 + (PANEL - 16) * rank as i32 / last;
    canvas.bar((axis.at(low), top + 6), (axis.at(high), top + PANEL - 6), colour.mix_light())?;
    let each = panel.hosts.len().div_ceil(DOTS);
    for (rank, (median, name)) in panel.hosts.iter().enumerate() {
        let here = (axis.at(*median), height(rank));
        if name.is_some() {
            canvas.dot(here, 5, INK)?;
        }
        // Every host that is odd has its dot; of the others so many as can be seen.
        if name.is_some() || rank % each == 0 {
            canvas.dot(here, 2, colour)?;
        }
    }
    canvas.bar((axis.at(middle) - 1, top + 4), (axis.at(middle) + 1, top + PANEL - 4), INK)?;
    canvas.text(&value("startup_ms", "ms", middle), (944, top + PANEL / 2), 13, Side::Right, INK)?;
    // From the slow end: what is slow is looked for first. A name to a line.
    let odd: Vec<(usize, &(f64, Option<String>))> =
        panel.hosts.iter().enumerate().filter(|(_, h)| h.1.is_some()).collect();
    for (line, (_, (median, name))) in odd.iter().rev().take(NAMED).enumerate() {
        let (x, y) = (axis.at(*median) + 8, top + PANEL - 10 - line as i32 * 14);
        canvas.text(name.as_deref().unwrap_or_default(), (x, y), 11, Side::Left, FAINT)?;
    }
    Ok(())
}

trait Light {
    fn mix_light(&self) -> plotters::style::RGBAColor;
}

impl Light for plotters::style::RGBColor {
    fn mix_light(&self) -> plotters::style::RGBAColor {
        use plotters::style::Color;
        self.mix(0.15)
    }
}
