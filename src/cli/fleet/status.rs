//! `taremark fleet status`.

use crate::cli::failure::FAILED;
use crate::fleet::{Campaign, State, TaskStatus, status};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of the campaign
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let campaign = Campaign::read(&arguments.dir)?;
    let (tasks, why) = status(&arguments.dir, &campaign)?;
    let bad = |t: &TaskStatus| matches!(t.state, State::Failed | State::Lost);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&tasks)?);
    } else {
        tasks.iter().for_each(show);
        let count = |state| tasks.iter().filter(|t| t.state == state).count();
        println!(
            "{} done, {} running, {} waiting, {} failed, {} lost",
            count(State::Done),
            count(State::Running),
            count(State::Waiting),
            count(State::Failed),
            count(State::Lost)
        );
        // Without accounts, what Slurm has forgotten shows as lost.
        why.filter(|_| count(State::Lost) > 0).iter().for_each(|why| println!("note: {why}"));
    }
    Ok(if tasks.iter().any(bad) { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn show(status: &TaskStatus) {
    let state = match status.state {
        State::Done => "done",
        State::Running => "running",
        State::Waiting => "waiting",
        State::Failed => "failed",
        State::Lost => "lost",
    };
    let node = status.task.node.as_deref().map(|n| format!(" on {n}")).unwrap_or_default();
    println!("{:<12} {state:<8} {:>6} runs{node}  {}", status.task.name, status.runs, status.slurm);
}
