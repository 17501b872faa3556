//! `taremark volume ls`.

use super::as_json;
use crate::cli::containers::open;
use crate::cli::table::{lines, width};
use crate::cli::template::{self, Format};
use crate::life::volume::{all, users};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Names only
    #[arg(short, long)]
    quiet: bool,
    /// json, table, or words with {{.Name}}, {{.Mountpoint}}, … in them
    #[arg(long, value_parser = template::parse, default_value = "table", hide_default_value = true)]
    format: Format,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let found = all(&root)?;
    if a.quiet {
        found.iter().for_each(|r| println!("{}", r.name));
        return Ok(ExitCode::SUCCESS);
    }
    let values: Vec<_> = found.iter().map(|r| as_json(&root, r)).collect::<Result<_, _>>()?;
    match &a.format {
        other @ (Format::Json | Format::Template(_)) => template::print_all(other, &values)?,
        Format::Table => {
            let row = |name: &str| -> anyhow::Result<Vec<String>> {
                Ok(vec![name.to_owned(), users(&root, name)?.join(", ")])
            };
            let rows: Vec<_> = found.iter().map(|r| row(&r.name)).collect::<anyhow::Result<_>>()?;
            let shown = lines(&["VOLUME NAME", "CONTAINERS"], &rows, &[], Some(width()));
            shown.iter().for_each(|line| println!("{line}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
