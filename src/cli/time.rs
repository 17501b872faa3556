//! `taremark time`: commands side by side, for lessons and for a first look.

use super::failure::{Lacks, Usage};
use crate::lesson::clock::{Timed, find, time};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rounds; each runs every command once
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..10_000))]
    rounds: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// A command, its words divided by spaces
    #[arg(required = true, value_name = "COMMAND")]
    commands: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let commands = arguments.commands.iter().map(|c| timed(c)).collect::<anyhow::Result<Vec<_>>>()?;
    let times = time(&commands, arguments.rounds as usize)?;
    let longest = arguments.commands.iter().map(|c| c.chars().count().min(44)).max().unwrap_or(0);
    for (command, t) in arguments.commands.iter().zip(&times) {
        let (low, high) = t.interval.map_or((t.median_ms, t.median_ms), |i| (i.low, i.high));
        let more = t.more.as_ref().map(|m| m.tare);
        if arguments.json {
            let row = serde_json::json!({ "command": command, "median_ms": t.median_ms, "low_ms": low, "high_ms": high, "more_ms": more });
            println!("{row}");
            continue;
        }
        let shown: String = command.chars().take(44).collect();
        let more = more.map(|m| format!("  {m:+.2}")).unwrap_or_default();
        println!("{shown:<longest$}  {:7.2} ms [{low:.2}, {high:.2}]{more}", t.median_ms);
    }
    Ok(ExitCode::SUCCESS)
}

fn timed(command: &str) -> anyhow::Result<Timed> {
    let argv: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let name = argv.first().ok_or(Usage { what: "an empty command".into() })?;
    let path = std::env::var("PATH").unwrap_or_default();
    let missing = || Lacks { what: format!("{name} is not in PATH"), mend: "its path, or install it".into() };
    let program = find(name, &path).ok_or_else(missing)?;
    Ok(Timed { argv, program })
}
