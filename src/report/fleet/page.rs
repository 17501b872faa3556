//! report.html and report.md of a fleet.

use super::super::charts::Chart;
use super::super::error::{ReportError, text};
use super::super::format::{number, value, with_interval};
use super::FleetSummary;
use super::table::{comparison, interval, marked, odd_hosts, percent};
use crate::record::merge::MergedRecord;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

const HTML: &str = include_str!("../templates/fleet.html");
const MARKDOWN: &str = include_str!("../templates/fleet.md");
const STYLE: &str = include_str!("../templates/report.css");

/// Odd hosts on a page, a line each; hosts.csv has all of all.
const SHOWN: usize = 100;

#[derive(Serialize)]
struct View {
    hosts: usize,
    sessions: usize,
    runs: String,
    samples: String,
    by: String,
    resamples: usize,
    emulated: bool,
    figures: Vec<[String; 10]>,
    groups: Vec<String>,
    odd: Vec<String>,
    odd_more: usize,
    charts: Vec<(&'static str, &'static str, String)>,
    notes: Vec<String>,
}

fn view(record: &MergedRecord, summary: &FleetSummary, charts: &[Chart]) -> View {
    let figure = |c: &super::cells::FleetCell| {
        let compared = |v: Option<f64>| v.map(number).unwrap_or_default();
        let tare = c.tare.map(|t| with_interval(&c.metric, &c.unit, t, c.tare_low, c.tare_high));
        [
            c.workload.clone(),
            marked(&c.target, &c.accelerator),
            c.metric.clone(),
            value(&c.metric, &c.unit, c.median),
            with_interval(&c.metric, &c.unit, c.median, c.low, c.high),
            format!("{} / {}", percent(c.between_hosts), percent(c.within_hosts)),
            tare.unwrap_or_default(),
            format!("{} {}", compared(c.ratio), interval(c.ratio_low, c.ratio_high)).trim().to_owned(),
            c.hosts.to_string(),
            if c.failed > 0 { format!("{} ({} failed)", c.n, c.failed) } else { c.n.to_string() },
        ]
    };
    let mut odd = odd_hosts(&summary.odd);
    let odd_more = odd.len().saturating_sub(SHOWN);
    odd.truncate(SHOWN);
    View {
        hosts: summary.hosts,
        sessions: summary.sessions,
        runs: number(record.head.runs as f64),
        samples: number(record.head.samples as f64),
        by: summary.by.clone(),
        resamples: summary.resamples,
        emulated: summary.cells.iter().any(|c| c.accelerator == "tcg"),
        figures: summary.cells.iter().map(figure).collect(),
        groups: summary.groups.iter().map(comparison).collect(),
        odd,
        odd_more,
        charts: charts.iter().map(|c| (c.title, c.caption, c.svg.clone())).collect(),
        notes: summary.notes.clone(),
    }
}

/// report.html: one file, no network.
pub fn html(record: &MergedRecord, summary: &FleetSummary, charts: &[Chart]) -> Result<String, ReportError> {
    render("report.html", HTML, &view(record, summary, charts))
}

/// report.md.
pub fn markdown(record: &MergedRecord, summary: &FleetSummary) -> Result<String, ReportError> {
    render("report.md", MARKDOWN, &view(record, summary, &[]))
}

fn render(name: &'static str, template: &str, view: &View) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(text(name))?);
    environment.add_template(name, template).map_err(text(name))?;
    let with = context! { view => Serde(view), style => STYLE };
    environment.get_template(name).and_then(|t| t.render(with)).map_err(text(name))
}
