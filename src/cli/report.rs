//! `taremark report`: from a record alone.

use super::doctor::textwrap;
use super::failure::Usage;
use super::paint::{Tone, out};
use crate::record::merge::is_merged;
use crate::report::export::Format;
use crate::report::{Figures, Rendered};
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of a record
    #[arg(value_name = "RECORD", required_unless_present_any = ["export"])]
    dir: Option<PathBuf>,
    /// Write the record in another tool's format instead, to standard output [csv, json, insight, json-schema, parquet, perfetto,
    /// openmetrics, bencher, github-action, hyperfine]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    export: Option<Format>,
    /// Groups of hosts of a merged record are made by this fact of theirs, as the report of one host shows it: GROUP/FACT
    #[arg(long, value_name = "GROUP/FACT", default_value = crate::report::fleet::GROUP)]
    by: String,
    /// Write the export into this file, by way of one beside it
    #[arg(long, value_name = "FILE", requires = "export")]
    output: Option<PathBuf>,
    /// For programs: all figures instead of the table
    #[arg(long, conflicts_with = "export")]
    json: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Told<'a> {
    schema: u32,
    record: &'a Path,
    page: &'a Path,
    notes: &'a [String],
    figures: &'a Figures,
}

fn format(text: &str) -> Result<Format, String> {
    let known = Format::ALL.iter().find(|f| f.0 == text).map(|f| f.1);
    known.ok_or_else(|| format!("unknown format: {} are known", Format::ALL.map(|f| f.0).join(", ")))
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match (arguments.export, &arguments.dir) {
        (Some(format), dir) => export(format, dir.as_deref(), arguments.output.as_deref())?,
        (None, Some(dir)) if is_merged(dir) => {
            let rendered = crate::report::fleet::render(dir, &arguments.by);
            let rendered = rendered.with_context(|| format!("report on {}", dir.display()))?;
            say(dir, &rendered, arguments.json)?;
        }
        (None, Some(dir)) => say(dir, &render(dir)?, arguments.json)?,
        (None, None) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn export(format: Format, dir: Option<&Path>, output: Option<&Path>) -> anyhow::Result<()> {
    let bytes = match (format, dir) {
        (Format::JsonSchema, _) => crate::report::export::schema()?,
        (_, None) => return Err(Usage { what: "which record? give its folder".into() }.into()),
        (_, Some(dir)) if is_merged(dir) => {
            let what =
                "a merged record has its tables as Parquet already, and fleet.csv and fleet.json".to_owned();
            return Err(Usage { what }.into());
        }
        (_, Some(dir)) => {
            let record =
                crate::record::reader::read(dir).with_context(|| format!("export {}", dir.display()))?;
            record.warnings.iter().for_each(|w| super::failure::note(w));
            crate::report::export::export(&record, format)?
        }
    };
    let Some(path) = output else { return Ok(std::io::stdout().write_all(&bytes)?) };
    // A collector that reads it meanwhile sees the old file or the new one.
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).with_context(|| format!("write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("write {}", path.display()))
}

/// Writes the report of a record.
pub fn render(dir: &Path) -> anyhow::Result<Rendered> {
    crate::report::render(dir).with_context(|| format!("report on {}", dir.display()))
}

/// Prints the table, what a reader has to know, and where the page lies.
pub fn show(rendered: &Rendered) {
    println!("{}", colored(&rendered.table));
    let note = out(Tone::Care, "note:");
    rendered
        .warnings
        .iter()
        .for_each(|w| println!("{}", textwrap(&format!("{note} {w}"), 74).join("\n      ")));
    println!("report: {}", rendered.page.display());
}

fn say(dir: &Path, rendered: &Rendered, json: bool) -> anyhow::Result<()> {
    if !json {
        show(rendered);
        return Ok(());
    }
    let told = Told {
        schema: crate::record::schema::SCHEMA,
        record: dir,
        page: &rendered.page,
        notes: &rendered.warnings,
        figures: &rendered.figures,
    };
    super::json::print(&told)
}

/// The heading, and the marks of emulation and failure.
fn colored(table: &str) -> String {
    let line = |(i, line): (usize, &str)| match i {
        0 => out(Tone::Head, line),
        _ => ["(tcg)", "failed"]
            .iter()
            .fold(line.to_owned(), |l, mark| l.replace(mark, &out(Tone::Care, mark))),
    };
    table.lines().enumerate().map(line).map(|l| l + "\n").collect()
}
