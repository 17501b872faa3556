//! `taremark ps`.

use super::containers::open;
use super::table::{Step, lines, width};
use super::template::{self, Format};
use crate::life::filter::{self, Filter};
use crate::life::inspect::time_of;
use crate::life::ps::{Listed, lasting, list};
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
    /// Whole IDs and commands, and lines as long as they are
    #[arg(long)]
    no_trunc: bool,
    /// Only some: name, id, status, exited, ancestor, network, target, volume or health; may be given again
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = filter::parse)]
    filter: Vec<Filter>,
    /// The last so many, whatever their state
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// The last one, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// json, table, or words with {{.ID}}, {{.Names}}, {{.Image}}, {{.Status}}, … in them
    #[arg(long, value_parser = template::parse, default_value = "table", hide_default_value = true)]
    format: Format,
    /// As --format json
    #[arg(long, hide = true)]
    json: bool,
}

/// From the least telling on.
const STEPS: [Step; 10] = [
    Step::Shorten("COMMAND", 10),
    Step::Shorten("IMAGE", 12),
    Step::Drop("CREATED"),
    Step::Drop("COMMAND"),
    Step::Shorten("PORTS", 20),
    Step::Shorten("IMAGE", 8),
    Step::Shorten("NAMES", 10),
    Step::Drop("IMAGE"),
    Step::Shorten("STATUS", 10),
    Step::Shorten("PORTS", 8),
];

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let last = if a.latest { Some(1) } else { a.last };
    // Who asks for those that have ended, by whatever words, is shown them.
    let all = a.all || last.is_some() || a.filter.iter().any(Filter::is_of_state);
    let mut found = list(&open()?, all)?;
    filter::keep(&mut found, &a.filter);
    found.truncate(last.unwrap_or(usize::MAX));
    if a.quiet {
        found.iter().for_each(|l| println!("{}", id(a, l)));
        return Ok(ExitCode::SUCCESS);
    }
    match &a.format {
        Format::Template(words) => {
            for l in &found {
                println!("{}", template::render(words, &as_words(a, l))?);
            }
        }
        Format::Table if !a.json => show(a, &found),
        _ => {
            let all: Vec<_> = found.iter().map(as_json).collect();
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(a: &Arguments, found: &[Listed]) {
    let header = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "TARGET", "NAMES"];
    let row = |l: &Listed| {
        vec![
            id(a, l).to_owned(),
            l.spec.image.clone(),
            command(a, l),
            short(&created(l)),
            short(&l.status()),
            ports(l),
            l.spec.target.to_string(),
            l.spec.name.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let width = if a.no_trunc { None } else { Some(width()) };
    lines(&header, &rows, &STEPS, width).iter().for_each(|line| println!("{line}"));
}

/// As it is said in full, it takes more room than any other time.
fn short(text: &str) -> String {
    text.replace("Less than a second", "0 seconds")
}

fn created(l: &Listed) -> String {
    format!("{} ago", lasting(now_ms().saturating_sub(l.spec.created_ms)))
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

/// The names that podman's templates know, in its words.
fn as_words(a: &Arguments, l: &Listed) -> serde_json::Value {
    serde_json::json!({
        "ID": id(a, l),
        "Image": l.spec.image,
        "ImageID": l.spec.image_digest,
        "Command": command(a, l),
        "Created": created(l),
        "CreatedAt": time_of(l.spec.created_ms),
        "RunningFor": created(l),
        "State": l.state_name(),
        "Status": l.status(),
        "ExitCode": l.state.exit_code,
        "Pid": l.state.process.pid,
        "Ports": ports(l),
        "Networks": l.spec.network.to_string(),
        "Target": l.spec.target.as_str(),
        "Names": l.spec.name,
        "Health": l.health.map(|h| h.as_str()).unwrap_or_default(),
    })
}

fn as_json(l: &Listed) -> serde_json::Value {
    serde_json::json!({
        "Id": l.spec.id,
        "Names": [l.spec.name],
        "Image": l.spec.image,
        "ImageID": l.spec.image_digest,
        "Command": l.spec.argv,
        "Created": time_of(l.spec.created_ms),
        "State": l.state_name(),
        "Status": l.status(),
        "ExitCode": l.state.exit_code,
        "Pid": l.state.process.pid,
        "Ports": l.state.ports,
        "Networks": [l.spec.network.to_string()],
        "Target": l.spec.target.as_str(),
        "AutoRemove": l.spec.remove,
    })
}
