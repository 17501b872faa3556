//! `taremark time`: commands side by side, for lessons and for a first look.

use super::failure::{Lacks, Usage};
use super::json::Json;
use super::medians::cut;
use crate::lesson::clock::{From, Timed, Times, find, time};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rounds; each runs every command once, with an environment that is longer by lot (TAREMARK_PAD)
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..10_000))]
    rounds: u32,
    /// What is counted: from right before clone3, as a bench does, or from the call of the standard library that
    /// prepares the launch, as hyperfine does
    #[arg(long, value_name = "WHERE", default_value = "clone", value_parser = ["clone", "call"])]
    from: String,
    #[command(flatten)]
    json: Json,
    /// A command, its words divided by spaces
    #[arg(required = true, value_name = "COMMAND")]
    commands: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let commands = arguments.commands.iter().map(|c| timed(c)).collect::<anyhow::Result<Vec<_>>>()?;
    let from = if arguments.from == "call" { From::Call } else { From::Clone };
    let times = time(&commands, arguments.rounds as usize, from)?;
    let rows: Vec<_> =
        arguments.commands.iter().zip(&times).map(|(command, t)| as_json(command, t)).collect();
    let told = serde_json::json!({ "schema": 1, "rounds": arguments.rounds, "from": arguments.from,
        "commands": rows });
    arguments.json.or(&told, || show(&arguments.commands, &times))?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(command: &str, t: &Times) -> serde_json::Value {
    let low = t.interval.map(|i| i.low);
    let high = t.interval.map(|i| i.high);
    let more = t.more.as_ref().map(|m| m.tare);
    serde_json::json!({ "command": command, "median_ms": t.median_ms, "low_ms": low, "high_ms": high,
        "more_ms": more })
}

/// At most so much of a command, so that a line fits 80 columns.
const LONGEST: usize = 40;

fn show(commands: &[String], times: &[Times]) {
    let longest = commands.iter().map(|c| c.chars().count().min(LONGEST)).max().unwrap_or(0);
    for (command, t) in commands.iter().zip(times) {
        let interval = t.interval.map(|i| format!(" [{:.2}, {:.2}]", i.low, i.high)).unwrap_or_default();
        let more = t.more.as_ref().map(|m| format!("  {:+.2}", m.tare)).unwrap_or_default();
        println!("{:<longest$}  {:7.2} ms{interval}{more}", cut(command, LONGEST), t.median_ms);
    }
}

fn timed(command: &str) -> anyhow::Result<Timed> {
    let argv: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let name = argv.first().ok_or(Usage { what: "an empty command".into() })?;
    let path = std::env::var("PATH").unwrap_or_default();
    let missing = || Lacks { what: format!("{name} is not in PATH"), mend: "its path, or install it".into() };
    let program = find(name, &path).ok_or_else(missing)?;
    Ok(Timed { argv, program })
}
