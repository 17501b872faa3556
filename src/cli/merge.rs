//! `taremark merge`.

use super::failure::{FAILED, Usage};
use crate::record::merge::{Merged, Options, merge};
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folders of records, merged ones too
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Folder of the merged record, to be made
    #[arg(short, long = "out", value_name = "DIR")]
    out: PathBuf,
    /// Merge the rest where some do not belong; they are named and listed in merged.json
    #[arg(long)]
    leave_out: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.out.exists() {
        let what = format!("{} is there already: give -o a new folder", arguments.out.display());
        return Err(Usage { what }.into());
    }
    let options = Options { leave_out: arguments.leave_out };
    let merged = merge(&arguments.dirs, &arguments.out, options)
        .with_context(|| format!("merge into {}", arguments.out.display()))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&merged)?);
    } else {
        show(&merged);
        println!("merged: {}", arguments.out.display());
    }
    Ok(if merged.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What a person has to know of it.
pub fn show(merged: &Merged) {
    println!(
        "{} sessions of {} hosts: {} runs, {} samples",
        merged.sessions, merged.hosts, merged.runs, merged.samples
    );
    let lists = [
        ("left out", &merged.left_out),
        ("twice", &merged.duplicates),
        ("gap", &merged.gaps),
        ("note", &merged.notes),
    ];
    for (what, lines) in lists {
        lines.iter().for_each(|line| println!("{what}: {line}"));
    }
}
