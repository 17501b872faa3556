//! `taremark fleet collect`.

use crate::cli::failure::{FAILED, Usage};
use crate::cli::json::Json;
use crate::cli::merge::show;
use crate::fleet::Campaign;
use crate::record::merge::{Options, merge};
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of the campaign
    #[arg(value_name = "CAMPAIGN")]
    dir: PathBuf,
    /// Folder of the merged record, to be made
    #[arg(short, long = "out", value_name = "DIR")]
    out: PathBuf,
    /// Records under way as well
    #[arg(long)]
    partial: bool,
    /// Merge the rest where some do not belong
    #[arg(long)]
    leave_out: bool,
    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let campaign = Campaign::read(&arguments.dir)?;
    let records = Campaign::records(&arguments.dir, arguments.partial)?;
    if records.is_empty() {
        let what = format!("{} has no records yet: see `taremark fleet status`", arguments.dir.display());
        return Err(Usage { what }.into());
    }
    let options = Options { leave_out: arguments.leave_out };
    let mut merged = merge(&records, &arguments.out, options)
        .with_context(|| format!("collect {}", arguments.dir.display()))?;
    let missing = campaign.missing(&arguments.dir);
    let named = |t: &&crate::fleet::Task| {
        let node = t.node.as_deref().map(|n| format!(" on {n}")).unwrap_or_default();
        format!("task {}{node} has handed over no record", t.name)
    };
    merged.gaps.extend(missing.iter().map(named));
    arguments.json.or(&merged, || {
        show(&merged);
        println!("merged: {}", arguments.out.display());
    })?;
    let well = missing.is_empty() && merged.left_out.is_empty();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
