//! The pages: what they show, made ready here; how it looks, in the templates.

use super::charts::{Chart, marked};
use super::download::Packed;
use super::error::{ReportError, text};
use super::format::{number, value, with_interval};
use super::how;
use super::insight::Insight;
use super::overview::{self, Row};
use super::sentences;
use super::summary::{Cell, NET, Summary};
use super::timeline::Timeline;
use crate::record::lessons::Taught;
use crate::record::reader::Record;
use crate::record::schema::{METRICS, Plan};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;

const HTML: &str = include_str!("templates/report.html");
const STYLE: &str = include_str!("templates/report.css");
const SCRIPT: &str = include_str!("templates/report.js");
const MARKDOWN: &str = include_str!("templates/report.md");

/// A chart as a page needs it.
#[derive(Debug, Serialize)]
struct Picture {
    name: &'static str,
    title: &'static str,
    caption: &'static str,
    svg: String,
}

/// A row of the table of all figures.
#[derive(Debug, Serialize)]
struct Figure {
    workload: String,
    target: String,
    metric: String,
    shown: String,
    /// For sorting.
    median: f64,
    n: usize,
    spread: String,
    outliers: String,
    tare: String,
    ratio: String,
    verdict: String,
}

/// A target with what it is made of.
#[derive(Debug, Serialize)]
struct Subject {
    name: String,
    description: String,
    programs: Vec<(String, String, String)>,
    facts: Vec<(String, String)>,
}

/// Everything that a page shows.
#[derive(Debug, Serialize)]
pub struct View {
    host: String,
    started: String,
    taremark: String,
    /// Some figures come from emulation.
    emulated: bool,
    sentences: Vec<String>,
    /// The first table.
    pub overview: Vec<Row>,
    charts: Vec<Picture>,
    figures: Vec<Figure>,
    definitions: Vec<(&'static str, &'static str, &'static str)>,
    notes: Vec<String>,
    insight: Insight,
    timeline: Timeline,
    lessons: Vec<Taught>,
    plan: Vec<(&'static str, String)>,
    workloads: Vec<(String, String, String, String)>,
    targets: Vec<Subject>,
    environment: Vec<(String, Vec<(String, String)>)>,
    resamples: usize,
    reproduce: String,
}

impl View {
    /// Of one record.
    pub fn of(record: &Record, summary: &Summary, charts: &[Chart]) -> Self {
        let used = |m: &&(&str, &str, &str)| summary.cells.iter().any(|c| c.metric == m.0);
        let picture =
            |c: &Chart| Picture { name: c.name, title: c.title, caption: c.caption, svg: c.svg.clone() };
        let workload = |w: &crate::record::schema::WorkloadFacts| {
            (w.name.clone(), w.description.clone(), w.image.clone(), w.ready.clone())
        };
        Self {
            host: record.environment.host.clone(),
            started: record.environment.started_utc.clone(),
            taremark: record.plan.taremark.clone(),
            emulated: record.plan.targets.iter().any(|t| t.accelerator == "tcg"),
            sentences: sentences::of(record, summary),
            overview: overview::rows(record, summary),
            charts: charts.iter().map(picture).collect(),
            figures: summary.cells.iter().map(|c| figure(record, c)).collect(),
            definitions: METRICS.iter().filter(used).copied().collect(),
            notes: record.warnings.iter().chain(&summary.notes).cloned().collect(),
            insight: Insight::of(record, summary),
            timeline: Timeline::of(record),
            lessons: record.lessons.clone(),
            plan: how::facts(record),
            workloads: record.plan.workloads.iter().map(workload).collect(),
            targets: subjects(record),
            environment: record
                .environment
                .groups
                .iter()
                .map(|g| (g.name.clone(), g.facts.clone()))
                .collect(),
            resamples: summary.resamples,
            reproduce: reproduce(&record.plan),
        }
    }
}

fn figure(record: &Record, cell: &Cell) -> Figure {
    let target = record.plan.targets.iter().find(|t| t.name == cell.target);
    let compared = cell.target != NET;
    let tare = cell.tare.filter(|_| compared);
    Figure {
        workload: cell.workload.clone(),
        target: target.map(marked).unwrap_or_default(),
        metric: cell.metric.clone(),
        shown: with_interval(&cell.metric, &cell.unit, cell.median, cell.low, cell.high),
        median: cell.median,
        n: cell.n,
        spread: if cell.n > 1 { value(&cell.metric, &cell.unit, cell.mad) } else { String::new() },
        outliers: match cell.mild_outliers + cell.severe_outliers {
            0 => String::new(),
            all => format!("{all} ({} severe)", cell.severe_outliers),
        },
        tare: tare
            .map(|t| with_interval(&cell.metric, &cell.unit, t, cell.tare_low, cell.tare_high))
            .unwrap_or_default(),
        ratio: cell.ratio.filter(|_| compared).map(number).unwrap_or_default(),
        verdict: cell.verdict.clone(),
    }
}

fn subjects(record: &Record) -> Vec<Subject> {
    let program = |p: &crate::record::schema::Program| (p.name.clone(), p.version.clone(), p.digest.clone());
    let subject = |t: &crate::record::schema::TargetFacts| Subject {
        name: marked(t),
        description: t.description.clone(),
        programs: t.programs.iter().map(program).collect(),
        facts: t.facts.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    record.plan.targets.iter().map(subject).collect()
}

/// The command that asks for the same plan.
fn reproduce(plan: &Plan) -> String {
    let names = |names: Vec<&str>| names.join(",");
    // The second of an A/A pair is made by the profile, not named.
    let targets = names(plan.targets.iter().map(|t| t.name.as_str()).filter(|n| !n.contains('#')).collect());
    let workloads = names(plan.workloads.iter().map(|w| w.name.as_str()).collect());
    format!(
        "taremark bench --target {targets} --workload {workloads} --seed {} --cpus {} --memory {}M --settle {} --cache {} --warmup {}",
        plan.seed,
        plan.cpus,
        plan.memory_bytes >> 20,
        plan.settle_ms,
        plan.cache,
        plan.warmup_blocks
    )
}

/// report.html: one file, no network.
pub fn html(view: &View, files: &[Packed]) -> Result<String, ReportError> {
    render(
        "report.html",
        HTML,
        &context! { view => Serde(view), files => Serde(files), style => STYLE, script => SCRIPT },
    )
}

/// report.md.
pub fn markdown(view: &View) -> Result<String, ReportError> {
    render("report.md", MARKDOWN, &context! { view => Serde(view) })
}

fn render(name: &'static str, template: &str, with: &Value) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(text(name))?);
    environment.add_template(name, template).map_err(text(name))?;
    environment.get_template(name).and_then(|t| t.render(with)).map_err(text(name))
}
