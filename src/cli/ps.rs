//! `taremark ps`.

use super::containers::open;
use crate::life::inspect::time_of;
use crate::life::ps::{Listed, lasting, list, status};
use crate::life::state::{Status, now_ms};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Those that have ended, too
    #[arg(short, long)]
    all: bool,
    /// IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Whole IDs and commands
    #[arg(long)]
    no_trunc: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let found = list(&open()?, a.all)?;
    if a.json {
        let all: Vec<_> = found.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    if a.quiet {
        found.iter().for_each(|l| println!("{}", id(a, l)));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "TARGET", "NAMES"]);
    for l in &found {
        table.add_row([
            id(a, l).to_owned(),
            l.spec.image.clone(),
            command(a, l),
            format!("{} ago", lasting(now_ms().saturating_sub(l.spec.created_ms))),
            status(&l.state),
            ports(l),
            l.spec.target.to_string(),
            l.spec.name.clone(),
        ]);
    }
    table.lines().for_each(|line| println!("{}", line.trim()));
    Ok(ExitCode::SUCCESS)
}

fn id<'a>(a: &Arguments, l: &'a Listed) -> &'a str {
    if a.no_trunc { &l.spec.id } else { l.spec.short_id() }
}

fn command(a: &Arguments, l: &Listed) -> String {
    let whole = l.spec.argv.join(" ").replace(char::is_control, " ");
    if a.no_trunc || whole.chars().count() <= 20 {
        return whole;
    }
    whole.chars().take(17).collect::<String>() + "..."
}

/// One that has ended has none any more.
fn ports(l: &Listed) -> String {
    if l.state.status == Status::Exited {
        return String::new();
    }
    l.state.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn as_json(l: &Listed) -> serde_json::Value {
    serde_json::json!({
        "Id": l.spec.id,
        "Names": [l.spec.name],
        "Image": l.spec.image,
        "ImageID": l.spec.image_digest,
        "Command": l.spec.argv,
        "Created": time_of(l.spec.created_ms),
        "State": l.state.status.as_str(),
        "Status": status(&l.state),
        "ExitCode": l.state.exit_code,
        "Pid": l.state.process.pid,
        "Ports": l.state.ports,
        "Target": l.spec.target.as_str(),
        "AutoRemove": l.spec.remove,
    })
}
